"""`pegasus-kickstart`: run one program, and write a record of it as Pegasus' Kickstart does.

Markab's own jobs do not use it: their worker measures them. It is for job scripts
and for people who call it by hand. Needs Python alone.
"""

import fcntl
import os
import stat
import sys
import tempfile
import time
from typing import Dict, List, Optional, Tuple

from markab.worker.kickstart_options import (
    UNTRACED,
    USAGE,
    Options,
    WrongCommandLine,
    read_options,
    substituted,
)
from markab.worker.kickstart_record import Measured, Stream, described, read_all, record_text
from markab.worker.kickstart_run import Runner, Section, exit_code_of, run_sections
from markab.worker.split_arguments import split_words
from markab.worker.steady_time import steady_time

CANNOT_CONNECT = 126
CANNOT_START = 127
NAMES = ("KICKSTART_", "GRIDSTART_")
"""How variables for us begin; the second is the name of old versions."""


def main() -> None:
    """Be the program."""
    sys.exit(run(sys.argv[1:]))


def run(words: List[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        options = read_options(words, _lines_of)
    except WrongCommandLine as error:
        return _fail(str(error), CANNOT_START)
    except OSError as error:
        return _fail("cannot read '%s': %s" % (error.filename, error.strerror), CANNOT_START)
    if options.has("h") or options.has("V"):
        from markab import PEGASUS_VERSION

        sys.stdout.write(USAGE if options.has("h") else PEGASUS_VERSION + "\n")
        return 0
    if any(options.has(letter) for letter in UNTRACED):
        _warn("the calls of the program are not traced")
    try:
        _enter(options)
    except OSError as error:
        return _fail("cannot run in '%s': %s" % (error.filename, error.strerror), CANNOT_START)
    return _run(options)


def _run(options: Options) -> int:
    environ = _environ()
    streams: List[Stream] = []
    try:
        _connect(options, environ, streams)
        return _measure(options, environ, {one.name: one for one in streams})
    except OSError as error:
        return _fail("cannot open '%s': %s" % (error.filename, error.strerror), CANNOT_CONNECT)
    finally:
        for stream in streams:
            if stream.fd > 2:
                os.close(stream.fd)
            if stream.is_captured:
                os.unlink(stream.path)


def _measure(options: Options, environ: Dict[str, str], streams: Dict[str, Stream]) -> int:
    """Run everything, and write the record."""
    start, began_s = steady_time(), time.monotonic()
    initial = {lfn: described(lfn, path) for lfn, path in options.initial}
    environ["KICKSTART_METADATA"] = streams["metadata"].path
    environ["KICKSTART_INTEGRITY_DATA"] = streams["integrity"].path
    section, others = _commands(options, environ)
    if options.has("X"):
        _make_executable(substituted(options.words[0], environ))
    descriptors = (streams["stdin"].fd, streams["stdout"].fd, streams["stderr"].fd)
    with Runner(descriptors, environ, options.soft_limit_s, options.grace_s) as runner:
        sections = run_sections(runner, section, others)
    integrity = _entries(streams["integrity"].fd)
    shown = [streams[name] for name in ("stdin", "stdout", "stderr", "metadata")]
    duration_s = time.monotonic() - began_s
    facts = Measured(options, start, duration_s, os.getcwd(), environ, sections, initial, shown, integrity)
    try:
        _write(streams["log"].fd, record_text(facts), options.has("F"))
    except OSError as error:
        return _fail("cannot write the record: %s" % error.strerror, CANNOT_CONNECT)
    return exit_code_of(sections)


def _environ() -> Dict[str, str]:
    """Return the environment of the program."""
    environ = dict(os.environ)
    first = _variable(environ, "PREPEND_PATH")
    if first:
        environ["PATH"] = ":".join(path for path in (first, environ.get("PATH")) if path)
    return environ


def _variable(environ: Dict[str, str], name: str) -> Optional[str]:
    return next((environ[known + name] for known in NAMES if environ.get(known + name)), None)


def _commands(options: Options, environ: Dict[str, str]) -> Tuple[Section, Dict[str, List[str]]]:
    """Return the program, and by their names the commands around it."""
    words = [substituted(word, environ) for word in options.words]
    try:
        words = split_words(_variable(environ, "WRAPPER") or "", environ) + words
        kinds = ("setup", "prejob", "postjob", "cleanup")
        lines = {kind: _variable(environ, kind.upper()) for kind in kinds}
        others = {kind: split_words(line, environ) for kind, line in lines.items() if line}
    except ValueError as error:
        sys.exit(_fail("a command in the environment cannot be split into words: %s" % error, CANNOT_START))
    return Section("mainjob", words), {kind: command for kind, command in others.items() if command}


def _connect(options: Options, environ: Dict[str, str], streams: List[Stream]) -> None:
    """Open the file for the record, and what the program reads and writes; add each to `streams`. Raises OSError."""
    log = options.value("l") or "-"
    streams.append(
        Stream("log", "", 1, False)
        if log == "-"
        else _opened("log", log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    )
    name = options.value("i") or os.devnull
    streams.append(Stream("stdin", "", 0, False) if name == "-" else _opened("stdin", name, os.O_RDONLY))
    for own, letter in ((1, "o"), (2, "e")):
        kind, name = ("stdout", "stderr")[own - 1], options.value(letter) or ""
        if name == "-":
            streams.append(Stream(kind, "", own, False))
        elif name:
            how = os.O_APPEND if name.startswith("!") else os.O_TRUNC
            streams.append(_opened(kind, name.lstrip("!"), os.O_WRONLY | os.O_CREAT | how))
        else:
            streams.append(_temporary(kind, environ))
    streams += [_temporary(kind, environ) for kind in ("metadata", "integrity")]


def _opened(kind: str, path: str, flags: int) -> Stream:
    return Stream(kind, path, os.open(path, flags | os.O_CLOEXEC, 0o666), False)


def _temporary(kind: str, environ: Dict[str, str]) -> Stream:
    """Make a temporary file; whoever writes to it writes at its end. Raises OSError."""
    known = (_variable(environ, "TMP"), environ.get("TMP"), environ.get("TEMP"), environ.get("TMPDIR"))
    folder = next((path for path in known if path and os.path.isdir(path)), "/tmp")
    fd, path = tempfile.mkstemp(prefix="ks.%s." % kind, dir=folder)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return Stream(kind, path, fd, True)


def _enter(options: Options) -> None:
    """Go into the directory of -w or -W. Raises OSError."""
    made, directory = options.value("W"), options.value("w")
    if made:
        os.makedirs(made, exist_ok=True)
    if made or directory:
        os.chdir(made or directory or "")


def _make_executable(path: str) -> None:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, mode | 0o555)
    except OSError as error:
        _warn("cannot make '%s' executable: %s" % (path, error.strerror))


def _entries(fd: int) -> str:
    """Return what the program wrote about its files, as entries of the record; what cannot be entries is left out."""
    text = read_all(fd, 0).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if all(line.startswith("    ") for line in lines):
        return "".join(line + "\n" for line in lines)
    _warn("the file KICKSTART_INTEGRITY_DATA has no entries of files")
    return ""


def _write(fd: int, text: str, is_flushed: bool) -> None:
    """Write the record at once, so that those of other processes stand before or after it. Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError:
        pass  # a pipe, or a file system without locks
    data = text.encode("utf-8")
    while data:
        data = data[os.write(fd, data) :]
    if is_flushed:
        try:
            os.fsync(fd)
        except OSError as error:
            _warn("cannot flush the record: %s" % error.strerror)


def _lines_of(name: str) -> List[str]:
    with open(name, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()


def _fail(message: str, code: int) -> int:
    sys.stderr.write("pegasus-kickstart: %s\n" % message)
    return code


def _warn(message: str) -> None:
    sys.stderr.write("pegasus-kickstart: warning: %s\n" % message)


if __name__ == "__main__":
    main()
