"""`pegasus-cluster`: run a list of command lines, one after the other or several at once.

Markab's own clusters do not use it: their worker runs the tasks. It is for job scripts and for people who call it
by hand. Needs Python alone.
"""

import getopt
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from typing import IO, Any, Dict, Iterable, List, Optional, Set

from markab.errors import BROKEN_PIPE
from markab.worker.kickstart_options import WrongCommandLine
from markab.worker.split_arguments import split_words
from markab.worker.steady_time import steady_time

USAGE = """\
usage: pegasus-cluster [-d] [-e | -f] [-S CODE] [-s FILE] [-R FILE] [-n NUMBER] [FILE]

Run the commands in FILE, by default standard input: one a line, quoted as for a shell; # begins a comment.

  -d         print what is done; twice: more
  -e         run all commands, and end with 0 whatever becomes of them
  -f         stop at the first command that fails
  -S CODE    this exit code is a success too; may be repeated
  -s FILE    append the summary to FILE; by default it is written to standard output
  -R FILE    append a line to FILE when a command starts, and one when it ends
  -n NUMBER  so many commands at once, 1 by default; auto: one a processor
  -h         print this
  -V         print the version of Pegasus with which Markab is compatible

environment: SEQEXEC_CPUS and SEQEXEC_PROGRESS_REPORT are used in place of -n and -R

exit code: 0 all commands succeeded; 1 this command line is wrong; 2 a file cannot be opened; 5 a command failed;
           128 + N signal N ended it, and with it the commands; 141 the reader of its output has gone, which ends them too
"""

WRONG_COMMAND_LINE, CANNOT_OPEN, COMMAND_FAILED = 1, 2, 5
CANNOT_START = 127 << 8
"""The wait status of a command that cannot be started, as a shell has it."""


class ListOptions(object):
    """The command line."""

    def __init__(self, words: List[str], environ: Dict[str, str]) -> None:
        try:
            pairs, files = getopt.getopt(words, "defS:s:R:n:hV")
        except getopt.GetoptError as error:
            raise WrongCommandLine(str(error)) from error
        given = dict(pairs)
        self.is_help, self.is_version = "-h" in given, "-V" in given
        self.debug = sum(letter == "-d" for letter, _ in pairs)
        self.always_succeeds, self.stops = "-e" in given, "-f" in given
        if self.always_succeeds and self.stops:
            raise WrongCommandLine("-e and -f exclude each other")
        codes = [value for letter, value in pairs if letter == "-S"]
        self.successes: Set[int] = {0, *(_number(code, "-S", 0, 255) for code in codes)}
        self.summary: str = given.get("-s", "")
        self.progress: str = given.get("-R") or environ.get("SEQEXEC_PROGRESS_REPORT", "")
        number = given.get("-n") or environ.get("SEQEXEC_CPUS") or "1"
        self.at_once = len(os.sched_getaffinity(0)) if number == "auto" else _number(number, "-n", 1, 1 << 20)
        if len(files) > 1:
            raise WrongCommandLine("one file is read, and %d are named: %s" % (len(files), " ".join(files)))
        self.file = files[0] if files else ""


def _number(text: str, letter: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise WrongCommandLine("%s %r must be a whole number from %d to %d" % (letter, text, least, most))
    return number


class ListedCommand(object):
    """A line of the file, while it runs."""

    def __init__(self, number: int, line: int, words: List[str]) -> None:
        self.number = number
        self.line = line
        self.words = words
        self.app = shutil.which(words[0]) or words[0]
        self.start = steady_time()
        self.began_s = time.monotonic()
        self.pid = 0
        self.status = CANNOT_START

    @property
    def duration_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.began_s


class CommandList(object):
    """Runs commands, and counts them."""

    def __init__(self, options: ListOptions, out: IO[str], progress: Optional[IO[str]]) -> None:
        self._options = options
        self._out = out
        self._progress = progress
        self._running: Dict[int, ListedCommand] = {}
        self.lines = self.tasks = self.succeeded = self.failed = 0
        self.signal = 0
        """The signal that ended everything; 0: none did."""

    def run(self, lines: Iterable[str]) -> None:
        """Run the commands in these lines."""
        for line in lines:
            self.lines += 1
            words = self._words(line)
            if not words:
                continue
            while len(self._running) >= self._options.at_once:
                self._wait()
            if self.signal or (self.failed and self._options.stops):
                break
            self._start(words)
        while self._running:
            self._wait()

    def stop(self, number: int, _frame: Any = None) -> None:
        """Start nothing more, and pass a signal on to what runs."""
        self.signal = number
        for pid in list(self._running):
            os.kill(pid, number)

    def abandon(self) -> None:
        """End what runs, and wait for it, without telling."""
        self.stop(signal.SIGTERM)
        for pid in list(self._running):
            os.waitpid(pid, 0)

    def _words(self, line: str) -> List[str]:
        if line.lstrip().startswith("#"):
            return []
        try:
            return split_words(line.rstrip("\n"), os.environ)
        except ValueError as error:
            self.tasks += 1
            self.failed += 1
            _say("line %d cannot be split into words: %s" % (self.lines, error))
            return []

    def _start(self, words: List[str]) -> None:
        self.tasks += 1
        command = ListedCommand(self.tasks, self.lines, words)
        self._out.flush()
        try:
            child = subprocess.Popen(words, executable=command.app)
        except (OSError, ValueError) as error:
            _say("line %d: cannot start %r: %s" % (command.line, words[0], error))
            self._end(command)
            return
        child.returncode = 0  # it is waited for here, not by Popen
        command.pid = child.pid
        self._running[child.pid] = command
        if self.signal:  # it came after the process was made, and before it was known here
            os.kill(child.pid, self.signal)
        self._note(command, "start")
        if self._options.debug:
            print("# started %d: %s" % (command.number, " ".join(words)), file=self._out)

    def _wait(self) -> None:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None, "only a call that does not wait returns nothing"
        # `stop` no longer knows it when its number may be that of another process.
        command = self._running.pop(ended.si_pid, None)
        _, status = os.waitpid(ended.si_pid, 0)
        if command is not None:
            command.status = status
            self._end(command)

    def _end(self, command: ListedCommand) -> None:
        status = command.status
        is_success = os.WIFEXITED(status) and os.WEXITSTATUS(status) in self._options.successes
        self.succeeded += is_success
        self.failed += not is_success
        self._note(command, "end")
        facts = command.number, _moment(command.start), command.duration_s, status, command.line
        print(
            '[cluster-task id=%d, start="%s", duration=%.3f, status=%d, line=%d, pid=%d, app="%s"]'
            % (*facts, command.pid, _escaped(command.app)),
            file=self._out,
        )

    def _note(self, command: ListedCommand, what: str) -> None:
        if self._progress is not None:
            words = " ".join(command.words)
            status = "" if what == "start" else " status=%d" % command.status
            self._progress.write(
                "%s %s %d%s %s\n" % (_moment(time.time()), what, command.number, status, words)
            )
            self._progress.flush()


def main() -> None:
    """Be the program. If the reader of its output has gone, as `head` goes, it ends without a word."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer must not be written, and fail again, when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


def run(words: List[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        options = ListOptions(words, dict(os.environ))
    except WrongCommandLine as error:
        _say("%s\n  hint: pegasus-cluster -h lists the options" % error)
        return WRONG_COMMAND_LINE
    if options.is_help or options.is_version:
        from markab import PEGASUS_VERSION

        sys.stdout.write(USAGE if options.is_help else PEGASUS_VERSION + "\n")
        return 0
    opened: List[IO[str]] = []
    try:
        lines = _open(options.file, "r", opened) if options.file else sys.stdin
        progress = _open(options.progress, "a", opened) if options.progress else None
        summary = _open(options.summary, "a", opened) if options.summary else sys.stdout
        return _run(options, lines, progress, summary)
    except BrokenPipeError:
        raise
    except OSError as error:
        _say("cannot open %r: %s" % (error.filename, error.strerror))
        return CANNOT_OPEN
    finally:
        for file in opened:
            file.close()


def _open(path: str, mode: str, opened: List[IO[str]]) -> IO[str]:
    file = open(path, mode, encoding="utf-8", errors="surrogateescape")
    opened.append(file)
    return file


def _run(options: ListOptions, lines: IO[str], progress: Optional[IO[str]], summary: IO[str]) -> int:
    start, began_s = steady_time(), time.monotonic()
    all_lines = lines.readlines()  # a signal does not end a call that waits for more
    cluster = CommandList(options, sys.stdout, progress)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, cluster.stop)
    try:
        cluster.run(all_lines)
        sys.stdout.flush()
    except BrokenPipeError:
        cluster.abandon()
        raise
    print(
        '[cluster-summary stat="%s", lines=%d, tasks=%d, succeeded=%d, failed=%d, extra=0, duration=%.3f, start="%s", pid=%d, app="%s"]'
        % (
            "fail" if cluster.failed or cluster.signal else "ok",
            *(cluster.lines, cluster.tasks, cluster.succeeded, cluster.failed),
            time.monotonic() - began_s,
            _moment(start),
            os.getpid(),
            _escaped(os.path.abspath(sys.argv[0])),
        ),
        file=summary,
    )
    summary.flush()
    if cluster.signal:
        return 128 + cluster.signal
    return COMMAND_FAILED if cluster.failed and not options.always_succeeds else 0


def _moment(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(timespec="milliseconds")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _say(message: str) -> None:
    print("pegasus-cluster: %s" % message, file=sys.stderr)
