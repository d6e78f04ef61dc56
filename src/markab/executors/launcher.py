"""The process that starts tasks, and their parent: one for all tasks of an engine.

It is no wrapper around a task: it starts each directly, and nothing runs per task. The engine does not
start tasks itself because

- a process that is started with vfork inherits the peak memory of its parent: with an engine
  of 1 GB, every `/bin/true` would be recorded as having used 1 GB; this process has 11 MB;
- starting a process blocks its parent for about 0.2 ms; here that overlaps with the engine's work;
- what tasks leave behind becomes the child of this process (a "child subreaper"), so it can be
  ended with its task, and everything can be ended when the engine is killed.

It ends when the stream from the engine ends, for any reason, and no descendant outlives
it. If it is killed itself, the engine finds its tasks by their environment (`orphan_processes.py`).
One thread; imports little, since each import would be counted as memory of every task.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import sys
import time

from markab.executors.descendants import Descendants
from markab.executors.launcher_messages import Decoder, encode
from markab.executors.orphan_processes import ATTEMPT, has_engine
from markab.worker.steady_time import steady_time

TYPE_CHECKING = False  # see launcher_messages.py
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# What Python, nohup, a shell or `main` may have set to be ignored; exec resets the rest.
_RESET = [
    getattr(signal, name)
    for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM")
    if hasattr(signal, name)
]
_READ_BYTES = 1 << 16
_FDS_BYTES = socket.CMSG_SPACE(64 * array.array("i").itemsize)
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_SERIES_S = 0.05
"""After so long a series ends early: what is ready by then, and where a core is free, is decided by the engine."""
_BUSY_PAUSES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.02)
"""A program that was just written is "busy" as long as a process that was forked meanwhile has it open."""


class _Series:
    """Commands that run one after the other; one of them runs."""

    __slots__ = ("commands", "cwd", "environ", "fds", "key", "number", "replies", "start", "until")

    def __init__(
        self, cwd: str, environ: dict[bytes, bytes], key: str, commands: list[tuple[Any, ...]], fds: list[int]
    ) -> None:
        self.cwd = cwd
        self.environ = environ
        self.key = key
        self.commands = commands
        """Those that were not started yet, the next one last."""
        self.fds = fds
        self.replies: list[tuple[Any, ...]] = []
        self.number = 0
        self.start = 0.0
        """Number and start of the one that runs."""
        self.until = 0.0
        """No other is started after this time."""

    def close(self) -> None:
        """Close its streams. May be called twice."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Launcher:
    """Starts processes for the other end of `engine`, and reports to it how they ended."""

    def __init__(self, engine: socket.socket, is_ours: Callable[[bytes], bool]) -> None:
        self._engine = engine
        self._environ: dict[bytes, bytes] = {}
        self._decoder = Decoder()
        self._received: list[int] = []
        self._tasks: dict[int, _Series] = {}
        """Process → its series."""
        self._numbers: dict[int, int] = {}
        """Number → process."""
        self._descendants = Descendants(is_ours)
        self._replies: list[tuple[Any, ...]] = []
        self._unsent = b""
        # A signal interrupts `poll` by a byte in this pipe, so that none is missed before it.
        self._wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Handle messages until the stream from the engine ends; then end all processes."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        engine = self._engine.fileno()
        self._engine.setblocking(False)
        while True:
            poll.register(engine, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            for fd, events in poll.poll():
                if fd == self._wake_read:
                    os.read(fd, 4096)
                    self._reap()
                elif events & (select.POLLHUP | select.POLLERR) or (
                    events & select.POLLIN and not self._receive()
                ):
                    self._end_all()
                    return
            self._send()

    def give_up(self, why: str) -> None:
        """Kill everything, and report the reason to the engine."""
        self._end_all()
        self._replies.append(("broken", why))
        self._send()

    def _send(self) -> None:
        if self._replies:
            self._unsent += encode(self._replies)
            self._replies = []
        if self._unsent:
            try:
                sent = self._engine.send(self._unsent)
            except BlockingIOError:
                return  # it is busy: `poll` returns when it reads again
            except OSError:
                self._unsent = b""  # the engine has ended: `poll` will report it
                return
            self._unsent = self._unsent[sent:]

    def _receive(self) -> bool:
        """Handle the messages received; return False at the end of the stream."""
        try:
            data, ancillary, _, _ = self._engine.recvmsg(_READ_BYTES, _FDS_BYTES, _CLOEXEC)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        for _, _, content in ancillary:
            fds = array.array("i")
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            self._received.extend(fds)
        for message in self._decoder.feed(data):
            if message[0] == "start":
                self._start(*message[1:])
            elif message[0] == "environ":
                self._environ = _encoded(message[1])
            else:
                _, number, what = message
                if number in self._numbers:
                    pid = self._numbers[number]
                    self._tasks[pid].until = 0.0
                    _signal_group(pid, what)
        return bool(data)

    def _start(self, cwd: str, own: dict[str, str], commands: list[tuple[Any, ...]]) -> None:
        fds = self._received[:3]
        del self._received[:3]
        environ = {**self._environ, **_encoded(own)}
        series = _Series(cwd, environ, own.get(ATTEMPT, ""), commands[::-1], fds)
        series.until = steady_time() + _SERIES_S
        self._go_on(series)

    def _go_on(self, series: _Series) -> None:
        """Start the next command of a series; report how all ended if that cannot be."""
        number, program, argv, own = series.commands.pop()
        environ = {**series.environ, **_encoded(own)} if own else series.environ
        series.number = number
        series.start = steady_time()
        try:
            os.chdir(series.cwd)
            pid = _spawn(program, argv, environ, series.fds)
        except OSError as error:
            series.replies.append(("refused", number, error.errno or errno.EIO))
            self._report(series)
        except ValueError:
            series.replies.append(("refused", number, errno.EINVAL))  # a NUL in a variable
            self._report(series)
        else:
            self._tasks[pid] = series
            self._numbers[number] = pid
            if not series.commands:
                series.close()
        finally:
            os.chdir("/")

    def _report(self, series: _Series) -> None:
        series.close()
        self._replies += series.replies
        self._replies += [("unstarted", command[0]) for command in reversed(series.commands)]

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            series = self._tasks.pop(pid, None)
            if series is None:
                self._descendants.reaped(pid)
                continue
            duration_s = steady_time() - series.start
            del self._numbers[series.number]
            left = self._descendants.end(pid, self._tasks, self._is_running)
            series.replies.append(
                ("ended", series.number, pid, status, series.start, duration_s, tuple(usage), left)
            )
            if series.commands and not status and series.start + duration_s < series.until:
                self._go_on(series)
            else:
                self._report(series)

    def _is_running(self, key: str) -> bool:
        return any(task.key == key for task in self._tasks.values())

    def _end_all(self) -> None:
        self._descendants.end_all(self._tasks)


def _signal_group(pid: int, what: int) -> None:
    try:
        os.killpg(pid, what)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended, or it has become another user's: then it runs until it ends by itself


def _encoded(environ: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


def _spawn(program: str, argv: list[str], environ: dict[bytes, bytes], fds: list[int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    pauses = iter(_BUSY_PAUSES_S)
    while True:
        try:
            return os.posix_spawn(
                program, argv, environ, file_actions=actions, setpgroup=0, setsigmask=(), setsigdef=_RESET
            )
        except OSError as error:
            pause_s = next(pauses, None)
            if error.errno != errno.ETXTBSY or pause_s is None:
                raise
            time.sleep(pause_s)


def _limit_open_files(soft: int) -> None:
    """Give tasks the limit that the engine had, before it raised its own."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main() -> None:
    """Serve the engine at the other end of stdin.

    The last arguments of the command line are the number of the engine, and how many files a task may open.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # The socket must not be inherited by tasks, nor have a number that their streams will get.
    engine = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    os.chdir("/")
    _limit_open_files(int(sys.argv[-1]))
    launcher = Launcher(engine, has_engine(sys.argv[-2]))
    try:
        launcher.serve()
    except Exception as error:  # a bug: the engine reports it, and all tasks must end
        launcher.give_up(f"{type(error).__name__}: {error}")
