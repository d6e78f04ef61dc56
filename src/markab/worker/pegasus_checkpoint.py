"""`pegasus-checkpoint`: pack files of a job into a checkpoint, at each SIGUSR1 and at intervals, until it is ended.

A job starts it in its directory, in the background. Names of files and options are Pegasus'. Needs Python alone.
"""

import getopt
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from typing import List, Pattern

USAGE = """\
usage: pegasus-checkpoint -p PATTERN ... [-i SECONDS] [--log-to-file] [--debug]

Pack the files and directories here whose whole names match a PATTERN into pegasus.checkpoint.tar.gz, each time that
this process gets SIGUSR1, and at intervals. It works until it is ended; its process id is in pegasus_checkpoint.pid.
The archive is replaced when it is complete. It is then sent as pegasus_checkpoint_transfer_urls.json says, if
that file is here, by pegasus-transfer.

  -p, --pattern PATTERN   a regular expression of Python; may be given again
  -i, --interval SECONDS  also pack every so many seconds; 0: only when asked
  -l, --log-to-file       write what happens also to pegasus-checkpoint.log
  -d, --debug             write more
  -h, --help              print this

exit code: 1 the process id cannot be written; 2 a wrong command line
"""

ARCHIVE = "pegasus.checkpoint.tar.gz"
LOG = "pegasus-checkpoint.log"
PID_FILE = "pegasus_checkpoint.pid"
URLS = "pegasus_checkpoint_transfer_urls.json"
_TEMPORARY = "." + ARCHIVE + ".tmp"
OWN_FILES = frozenset((ARCHIVE, LOG, PID_FILE, URLS, _TEMPORARY))


def main() -> None:
    """Be the program."""
    sys.exit(run(sys.argv[1:]))


def run(words: List[str]) -> int:
    """Work until a signal ends the process; return only for `--help`, or when it cannot begin."""
    try:
        pairs, rest = getopt.getopt(
            words, "p:i:ldh", ["pattern=", "interval=", "log-to-file", "debug", "help"]
        )
    except getopt.GetoptError as error:
        return _refuse("%s; --help lists the options" % error)
    given = {name for name, _ in pairs}
    if given & {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    interval_s = 0
    patterns: List[Pattern[str]] = []
    for name, value in pairs:
        if name in ("-i", "--interval"):
            if not re.match(r"[0-9]{1,9}\Z", value):
                return _refuse("the interval '%s' is not a whole number of seconds" % value)
            interval_s = int(value)
        elif name in ("-p", "--pattern"):
            try:
                patterns.append(re.compile(value))
            except re.error as error:
                return _refuse("the pattern '%s' is not a regular expression: %s" % (value, error))
    if rest or not patterns:
        return _refuse("give each pattern with -p; --help lists the options")
    log = Log(bool(given & {"-l", "--log-to-file"}), bool(given & {"-d", "--debug"}))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # one that comes while it packs waits
    try:
        with open(PID_FILE, "w", encoding="ascii") as file:
            file.write("%d" % os.getpid())
    except OSError as error:
        log.write("'%s' cannot be written: %s" % (PID_FILE, error.strerror))
        return 1
    while True:
        if interval_s:
            signal.sigtimedwait([signal.SIGUSR1], interval_s)
        else:
            signal.sigwait([signal.SIGUSR1])
        save(patterns, log)


class Log:
    """Lines of what happens, on stderr and perhaps in a file."""

    def __init__(self, is_kept: bool = False, is_debugged: bool = False) -> None:
        self._is_kept, self._is_debugged = is_kept, is_debugged

    def write(self, text: str) -> None:
        """Write a line; where that fails, nothing is written."""
        line = "%s pegasus-checkpoint: %s\n" % (time.strftime("%Y-%m-%d %H:%M:%S"), text)
        try:
            sys.stderr.write(line)
            sys.stderr.flush()
            if self._is_kept:
                with open(LOG, "a", encoding="utf-8") as file:
                    file.write(line)
        except OSError:
            pass  # a checkpoint matters more than a word about it

    def debug(self, text: str) -> None:
        """Write a line if everything is to be told."""
        if self._is_debugged:
            self.write(text)


def save(patterns: List[Pattern[str]], log: Log) -> None:
    """Replace the archive by one of the files that match now, and send it; what fails is told, and the next time tries again."""
    names = sorted(
        name
        for name in os.listdir(".")
        if name not in OWN_FILES and any(pattern.fullmatch(name) for pattern in patterns)
    )
    log.debug("these match: %s" % (", ".join(names) or "none"))
    try:
        with tarfile.open(_TEMPORARY, "w:gz") as archive:
            for name in names:
                archive.add(name)
        os.replace(_TEMPORARY, ARCHIVE)
    except (OSError, tarfile.TarError) as error:
        log.write("the checkpoint could not be packed, the last one stays: %s" % error)
        return
    log.write("%s has %d bytes" % (ARCHIVE, os.stat(ARCHIVE).st_size))
    if os.path.exists(URLS):
        _send(log)


def _send(log: Log) -> None:
    program = shutil.which("pegasus-transfer")
    if program is None:
        log.write("the checkpoint is not sent: there is no pegasus-transfer on PATH")
        return
    code = subprocess.call([program, "-m", "3", "-n", "8", "-f", URLS, "-s"], stdin=subprocess.DEVNULL)
    if code:
        log.write("the checkpoint was perhaps not sent: pegasus-transfer exited with %d" % code)


def _refuse(why: str) -> int:
    sys.stderr.write("pegasus-checkpoint: %s\n" % why)
    return 2


if __name__ == "__main__":
    main()
