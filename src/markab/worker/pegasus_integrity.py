"""`pegasus-integrity`: compute the checksums of files, or verify them against those in `*.meta`.

Markab's own jobs do not use it: their worker does the same. Needs Python alone.
What `--verify` finds also goes to a file in PEGASUS_MULTIPART_DIR, from which
Pegasus' monitor counts it.
"""

import getopt
import glob
import json
import os
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from markab.transfers.checksum import sha256_of
from markab.worker.kickstart_options import named_file
from markab.worker.kickstart_record import checksum_lines, described
from markab.worker.kickstart_yaml import yaml_text

USAGE = """\
usage: pegasus-integrity ACTION [--print-timings] [--debug]

Compute the checksums of files, or verify them. FILES are separated by ;;; as LFN=PATH, or PATH alone.

  --generate FILES               print sha256 and path of each, as sha256sum does; without LFN=
  --generate-yaml FILES          print sha256 and time as lines of a record of Kickstart
  --generate-fullstat-yaml FILES print whole entries of such a record, with size, owner and times;
                                 KICKSTART_INTEGRITY_DATA names a file to which they are added instead
  --verify FILES                 compare with the checksums of the LFNs in ./*.meta; stdin: read FILES from there
  --print-timings                of --verify: also write each result into PEGASUS_MULTIPART_DIR
  --debug                        print what is read
  -h, --help                     print this

exit code: 0; 1 a file cannot be read, has no known checksum, or has another one; 2 a wrong command line
"""

SEPARATOR = ";;;"
ACTIONS = ("generate", "generate-yaml", "generate-fullstat-yaml", "verify")
XML = ("generate-xmls", "generate-fullstat-xmls")

Results = List[Tuple[str, str, Optional[str], str]]
"""LFN, path, sha256 if it could be computed, and the expected one."""


def main() -> None:
    """Be the program."""
    sys.exit(run(sys.argv[1:]))


def run(words: List[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        pairs, rest = getopt.getopt(
            words, "h", [name + "=" for name in ACTIONS + XML] + ["print-timings", "debug", "help"]
        )
    except getopt.GetoptError as error:
        return _fail("%s; --help lists the options" % error, 2)
    given = {name.lstrip("-"): value for name, value in pairs}
    if "h" in given or "help" in given:
        sys.stdout.write(USAGE)
        return 0
    chosen = [name for name in ACTIONS + XML if name in given]
    if len(chosen) != 1 or rest:
        return _fail("give one of --%s, and its FILES as one word" % ", --".join(ACTIONS), 1)
    if chosen[0] in XML:
        return _fail("records in XML are not written; use --%s" % chosen[0].replace("xmls", "yaml"), 1)
    if chosen[0] == "verify":
        return _verify(given["verify"], "print-timings" in given, "debug" in given)
    return _generate(given[chosen[0]], {"generate": _line, "generate-yaml": _lines}.get(chosen[0], _entry))


def _generate(files: str, text_of: Callable[[str], str]) -> int:
    for word in files.split(SEPARATOR):
        try:
            text = text_of(word)
            name = os.environ.get("KICKSTART_INTEGRITY_DATA") if text_of is _entry else None
            if name:
                with open(name, "a", encoding="utf-8") as file:
                    file.write(text)
            else:
                sys.stdout.write(text)
        except OSError as error:
            return _fail("'%s': %s" % (error.filename or word, error.strerror), 1)
    return 0


def _line(path: str) -> str:
    return "%s  %s\n" % (sha256_of(path), path)


def _lines(word: str) -> str:
    return checksum_lines(named_file(word)[1]) + "\n"


def _entry(word: str) -> str:
    lfn, path = named_file(word)
    os.stat(path)  # an entry of a file that is not there would only say so
    return described(lfn, path, is_output=True)


def _verify(files: str, with_timings: bool, is_debugged: bool) -> int:
    began_s = time.monotonic()
    known = dict(_known_checksums(is_debugged))
    if files == "stdin":
        files = sys.stdin.read().strip()
    results: Results = []
    failed = 0
    for lfn, path in map(named_file, files.split(SEPARATOR)):
        problem = _problem(lfn, path, known.get(lfn), results)
        if problem:
            failed = _fail(problem, 1)
    if with_timings:
        _write_results(results, time.monotonic() - began_s)
    return failed


def _problem(lfn: str, path: str, expected: Optional[str], results: Results) -> str:
    """Return what is wrong with a file, or nothing; what could be compared is added to `results`."""
    if not expected:
        return "no .meta file here has a checksum of '%s'" % lfn
    try:
        actual: Optional[str] = sha256_of(path)
    except OSError as error:
        actual, why = None, "'%s' cannot be read: %s" % (path, error.strerror)
    else:
        why = "'%s' is not the file that was recorded: its sha256 is %s, expected %s" % (
            path,
            actual,
            expected,
        )
    results.append((lfn, path, actual, expected))
    return "" if actual == expected.lower() else why


def _known_checksums(is_debugged: bool) -> Iterator[Tuple[str, str]]:
    """Yield LFN and checksum of all that the `.meta` files in this directory describe."""
    for name in sorted(glob.glob("*.meta")):
        try:
            with open(name, "rb") as file:
                text = file.read()
            entries: Any = json.loads(text.decode("utf-8")) if text.strip() else []
        except (OSError, ValueError, RecursionError) as error:
            _fail("'%s' cannot be read: %s" % (name, error), 1)
            continue
        for entry in entries if isinstance(entries, list) else ():
            attributes = entry.get("_attributes") if isinstance(entry, dict) else None
            checksum = attributes.get("checksum.value") if isinstance(attributes, dict) else None
            if isinstance(checksum, str) and isinstance(entry.get("_id"), str):
                if is_debugged:
                    _fail("%s: %s %s" % (name, entry["_id"], checksum), 0)
                yield entry["_id"], checksum


def _write_results(results: Results, duration_s: float) -> None:
    directory = os.environ.get("PEGASUS_MULTIPART_DIR")
    if not directory:
        return
    parts = ["- integrity_verification_attempts:\n"]
    counts: Dict[bool, int] = {True: 0, False: 0}
    for lfn, path, actual, expected in results:
        is_right = actual == expected.lower()
        counts[is_right] += 1
        parts.append("  - lfn: %s\n    pfn: %s\n" % (yaml_text(lfn), yaml_text(path)))
        parts.append("    sha256: %s\n    success: %s\n" % (actual, is_right))
        parts.append("" if is_right else "    sha256_expected: %s\n" % yaml_text(expected))
    summary = "- integrity_summary:\n    succeeded: %d\n    failed: %d\n    duration: %.3f\n"
    parts.append(summary % (counts[True], counts[False], duration_s))
    name = os.path.join(directory, "%d-%d-integrity" % (int(time.time()), os.getpid()))
    try:
        with open(name, "w", encoding="utf-8") as file:
            file.write("".join(parts))
    except OSError as error:
        _fail("the results cannot be written to '%s': %s" % (name, error.strerror), 1)


def _fail(message: str, code: int) -> int:
    """Print a message, on standard output as Pegasus does: there it stands in the output of the job."""
    sys.stdout.write("pegasus-integrity: %s\n" % message)
    return code


if __name__ == "__main__":
    main()
