"""Running the commands of `pegasus-kickstart`, one after the other, each measured, all within one time limit."""

import os
import signal
import subprocess
import time
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from markab.worker.deadlines import Deadlines
from markab.worker.kickstart_options import find_program
from markab.worker.record import NEVER_STARTED
from markab.worker.steady_time import steady_time

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

Streams = Tuple[int, int, int]


class Section(object):
    """One command, and how it ended."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        """The key of the record: mainjob, setup, …"""
        self.argv = list(argv)
        self.program = ""
        """The path of what was started."""
        self.start = steady_time()
        self.duration_s = 0.0
        self.pid = 0
        self.status = NEVER_STARTED
        """As `wait4` gave it."""
        self.error = "it was not started: "
        """Why it was not started."""
        self.usage: Dict[str, Any] = {}

    def skip(self, why: str) -> None:
        """Note why it is not started."""
        self.error += why

    @property
    def exit_code(self) -> int:
        """The exit code with which a shell names the end: 128 + N for signal N, 127 for what did not start."""
        if self.status == NEVER_STARTED:
            return 127
        if os.WIFSIGNALED(self.status):
            return 128 + os.WTERMSIG(self.status)
        return os.WEXITSTATUS(self.status)


class Runner(object):
    """Starts commands; passes on the signals that it gets, and sends those of the time limit."""

    def __init__(self, streams: Streams, environ: Mapping[str, str], limit_s: float, grace_s: float) -> None:
        self._streams = streams
        self._environ = dict(environ)
        self._deadlines = Deadlines(time.monotonic(), 0, limit_s, grace_s)
        self._pid = 0
        self._before: Dict[signal.Signals, Any] = {}
        """What these signals did before."""
        self._signalled = 0
        self._unsent = 0
        """A signal that came while a process was being started."""

    @property
    def is_over(self) -> bool:
        """The time limit has passed, or a signal came: only what cleans up still runs."""
        return self._deadlines.timed_out or bool(self._signalled)

    @property
    def why_over(self) -> str:
        """Why nothing more is started."""
        return "signal %d came" % self._signalled if self._signalled else "the time limit had passed"

    def __enter__(self) -> "Runner":
        self._before = {number: signal.signal(number, self._pass_on) for number in FORWARDED}
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_time)
        self._set_alarm()
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, section: Section) -> None:
        """Run a command to its end, and put into the section how it ended."""
        began_s, self._unsent = time.monotonic(), 0
        section.start = steady_time()
        stdin, stdout, stderr = self._streams
        try:
            section.program = find_program(section.argv[0], self._environ)
            child = subprocess.Popen(
                section.argv,
                executable=section.program,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._environ,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL character in an argument
            section.error = getattr(error, "strerror", None) or str(error)
            return
        self._pid = section.pid = child.pid
        try:
            if self._unsent:
                self._send(self._unsent)
            _, section.status, usage = os.wait4(child.pid, 0)
        finally:
            self._pid = 0
            child.returncode = 0  # it has been waited for
        section.duration_s = time.monotonic() - began_s
        section.usage = usage_of(usage)

    def _pass_on(self, number: int, _: object) -> None:
        self._signalled = number
        self._send(number)

    def _on_time(self, _: int, __: object) -> None:
        due = self._deadlines.due(time.monotonic())
        if due is not None:
            self._send(due)
        self._set_alarm()

    def _send(self, number: int) -> None:
        self._unsent = 0 if self._pid else number
        if self._pid:
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                pass

    def _set_alarm(self) -> None:
        at_s = self._deadlines.next_s()
        if at_s is not None:
            signal.setitimer(signal.ITIMER_REAL, max(at_s - time.monotonic(), 1e-3))


def run_sections(runner: Runner, main: Section, others: Mapping[str, List[str]]) -> List[Section]:
    """Run a program, and what goes before and after it; return all of it, in the order in which it ran.

    `setup` may fail. `prejob` may not, or the program does not run; `postjob` runs only if the program succeeded;
    `cleanup` always runs, also after a signal or the time limit.
    """
    sections: List[Section] = []

    def also(name: str) -> bool:
        """Run another command, if there is one; return whether it did not fail."""
        if name not in others:
            return True
        section = Section(name, others[name])
        sections.append(section)
        runner.run(section)
        return section.status == 0

    also("setup")
    is_ready = runner.is_over or also("prejob")
    sections.append(main)
    if runner.is_over:
        main.skip(runner.why_over)
    elif not is_ready:
        main.skip("the job before it failed")
    else:
        runner.run(main)
        if main.status == 0 and not runner.is_over:
            also("postjob")
    also("cleanup")
    return sections


def exit_code_of(sections: Sequence[Section]) -> int:
    """Return the exit code of all: that of the first that counts and failed."""
    counting = [one for one in sections if one.name in ("prejob", "mainjob", "postjob")]
    return next((one.exit_code for one in counting if one.status != 0), 0)


def usage_of(usage: Any) -> Dict[str, Any]:
    """Return what processes used, by Kickstart's names, from an `rusage`."""
    return {
        "utime": usage.ru_utime,
        "stime": usage.ru_stime,
        "maxrss": usage.ru_maxrss,
        "minflt": usage.ru_minflt,
        "majflt": usage.ru_majflt,
        "nswap": usage.ru_nswap,
        "inblock": usage.ru_inblock,
        "outblock": usage.ru_oublock,
        "msgsnd": usage.ru_msgsnd,
        "msgrcv": usage.ru_msgrcv,
        "nsignals": usage.ru_nsignals,
        "nvcsw": usage.ru_nvcsw,
        "nivcsw": usage.ru_nivcsw,
    }
