"""The command line of `pegasus-kickstart`: options of one letter, then the program with its arguments."""

import os
import re
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from markab.worker.deadlines import GRACE_S

USAGE = """\
usage: pegasus-kickstart [OPTION …] (-I FILE | PROGRAM [ARGUMENT …])

Run a program, and write a record of it in YAML: what it was, how it ended, what it used.

  -n NAME       transformation          -N ID         derivation, which is the id of the task
  -R SITE       site                    -L LABEL      workflow        -T TIME   its time
  -S [LFN=]FILE describe FILE as it is before the program runs; @FILE has one a line
  -s [LFN=]FILE describe FILE afterwards, with its sha256: an output; @FILE has one a line
  -i FILE       standard input; - is that of pegasus-kickstart; /dev/null by default
  -o FILE       standard output; !FILE appends; - is that of pegasus-kickstart
  -e FILE       standard error, in the same way; without -o and -e both are put into the record
  -B BYTES      how much of their ends: 262144 by default; all
  -l FILE       append the record to FILE; by default it is written to standard output
  -w DIR        run in DIR               -W DIR        make DIR, and run in it
  -X            make the program executable
  -k SECONDS    send SIGTERM after this time     -K SECONDS   and SIGKILL this much later; 5 by default
  -f            with environment and limits; a program that fails always has them
  -q            without the output of a program that succeeds
  -H            without environment, limits and usage
  -F            flush the record to disk
  -I FILE       FILE has the program and its arguments, one a line
  -t -z -Z -c   accepted; nothing is traced, and YAML needs no CDATA
  -V            print the version of Pegasus with which Markab is compatible
  -h            print this

$NAME and ${NAME} in the program and its arguments are replaced from the environment; \\$ is a dollar sign.

environment: KICKSTART_SETUP, _PREJOB, _POSTJOB and _CLEANUP are commands to run before and after;
             KICKSTART_WRAPPER goes before the program, KICKSTART_PREPEND_PATH before PATH;
             KICKSTART_TMP is the directory of temporary files. The program finds in KICKSTART_METADATA
             the name of a file for lines KEY=VALUE, which go into the record

exit code: that of the program, 128 + N if signal N ended it; 126 a file could not be connected;
           127 it could not be started, or this command line is wrong
"""

KEPT_BYTES = 256 * 1024
WITH_VALUE = "nNRLTSsioelwWkKBI"
SWITCHES = "HXFfqtzZcVh"
UNTRACED = "tzZ"
ALL = -1
"""Value of `-B all`."""

_VARIABLE = re.compile(r"\\\$|\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([^{}]*)\})")


class WrongCommandLine(Exception):
    """The command line cannot be understood; the text says why."""


class Options(object):
    """What was asked for."""

    def __init__(
        self, single: Dict[str, str], initial: List[str], final: List[str], words: List[str]
    ) -> None:
        """Raises WrongCommandLine: a value is wrong."""
        self._single = single
        self.initial = [named_file(word) for word in initial]
        self.final = [named_file(word) for word in final]
        """Files to describe: LFN and path."""
        self.words = words
        """The program and its arguments, as they were given."""
        self.soft_limit_s = self._number("k", 0.0)
        self.grace_s = self._number("K", GRACE_S)
        self.kept_bytes = ALL if single.get("B") == "all" else int(self._number("B", KEPT_BYTES))
        if "w" in single and "W" in single:
            raise WrongCommandLine("-w and -W exclude each other")

    def value(self, letter: str) -> Optional[str]:
        """Return the value of an option, or None."""
        return self._single.get(letter)

    def has(self, letter: str) -> bool:
        """Return whether the option was given."""
        return letter in self._single

    def _number(self, letter: str, default: float) -> float:
        text = self._single.get(letter)
        if text is None:
            return default
        if not text.isdigit():
            raise WrongCommandLine("-%s needs a number of 0 or more, not '%s'" % (letter, text))
        return float(text)


def read_options(words: Sequence[str], lines_of: Callable[[str], List[str]]) -> Options:
    """Return what a command line asks for; `lines_of` reads the lines of a file.

    Raises:
        WrongCommandLine: an option is not known, or has no value, or there is no program.
        OSError: a file that has more of it cannot be read.
    """
    single: Dict[str, str] = {}
    files: Dict[str, List[str]] = {"S": [], "s": []}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word == "--help":
            word = "-h"
        letter, value, rest = _one_option(word, rest)
        if letter in files:
            files[letter] += _entries(lines_of(value[1:])) if value.startswith("@") else [value]
        else:
            single[letter] = value
        if letter == "I":
            rest = lines_of(value)
            break
    if not rest and "V" not in single and "h" not in single:
        raise WrongCommandLine("name the program to run")
    return Options(single, files["S"], files["s"], rest)


def _one_option(word: str, rest: List[str]) -> Tuple[str, str, List[str]]:
    """Return letter and value of an option, and the words after it; a value may be joined to its letter."""
    letter, joined = word[1], word[2:]
    if letter in WITH_VALUE:
        if joined:
            return letter, joined, rest
        if not rest:
            raise WrongCommandLine("-%s needs a value" % letter)
        return letter, rest[0], rest[1:]
    if letter not in SWITCHES:
        raise WrongCommandLine("there is no option -%s; -h lists them" % letter)
    return letter, "", ["-" + joined, *rest] if joined else rest


def _entries(lines: List[str]) -> List[str]:
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def named_file(word: str) -> Tuple[str, str]:
    """Return LFN and path of `LFN=PATH`; without an LFN the path is both."""
    lfn, equals, path = word.partition("=")
    return (lfn, path) if equals else (word, word)


def substituted(word: str, environ: Mapping[str, str]) -> str:
    r"""Return a word with the values of its variables; `\$` becomes a dollar sign, an unset variable nothing."""
    return _VARIABLE.sub(
        lambda found: "$" if found.group() == "\\$" else environ.get(found.group(1) or found.group(2), ""),
        word,
    )


def find_program(name: str, environ: Mapping[str, str]) -> str:
    """Return the path of a program: itself if it is a path from the root, else in the current directory or in PATH."""
    if name.startswith("/"):
        return name
    folders = ["", *(environ.get("PATH") or "").split(":")]
    candidates = [os.path.join(folder or os.curdir, name) for folder in folders]
    found = (path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK))
    return os.path.abspath(next(found, candidates[0]))
