"""The engine's end of the launcher: requests processes, and receives how they ended; see `launcher.py`."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markab.executors.launcher_messages import Decoder, encode
from markab.executors.orphan_processes import ENGINE
from markab.worker.exit_judgement import signal_name

_READ_BYTES = 1 << 16  # the ends of about 200 tasks; memory for more than that takes longer than a read
_SILENT_S = 1.0
"""After so long without an answer it may have been stopped."""
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from markab.executors.launcher import main; main()"
_ROOT = str(Path(__file__).parents[2])


class ProcessStart(NamedTuple):
    """What a process is started with."""

    number: int
    program: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    """Its own variables."""


class ProcessEnded(NamedTuple):
    """A process has ended."""

    number: int
    pid: int
    status: int
    """As `wait4` gave it."""
    start: float
    duration_s: float
    usage: resource.struct_rusage
    left: bool
    """It left processes behind that may have written into its streams until just now, or still do."""


class ProcessRefused(NamedTuple):
    """The system does not start it."""

    number: int
    errno: int


class ProcessUnstarted(NamedTuple):
    """Its series ended before it: one that came before failed, got a signal, or took long."""

    number: int


class ProcessLost(NamedTuple):
    """The launcher was killed, so the state is unknown; the process may be running."""

    number: int
    why: str


Event = ProcessEnded | ProcessRefused | ProcessUnstarted | ProcessLost


class LauncherClient:
    """Starts processes through a launcher, which is started by the first call, and again after it was killed.

    One thread makes all calls, but any thread may call `wake`.
    """

    def __init__(self, environ: Mapping[str, str], engine_number: str, open_files: int) -> None:
        """Make one; nothing is started yet.

        Args:
            environ: what all processes get, extended by their own.
            open_files: how many files a process may open (soft limit).
        """
        self._open_files = open_files
        self._environ = environ
        self._engine_number = engine_number
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._decoder = Decoder()
        self._under_way: set[int] = set()
        self._why = ""
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.epoll()
        self._poll.register(self._wake_read, select.EPOLLIN)

    def open(self) -> None:
        """Start the launcher, if there is none; returns before it is ready."""
        if self._socket is not None:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, _ROOT, self._engine_number, str(self._open_files)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=self._environ,
                start_new_session=True,
            )
        ours.settimeout(_SILENT_S)
        self._socket = ours
        self._decoder = Decoder()
        self._why = ""
        self._poll.register(ours, select.EPOLLIN)
        self._send(("environ", {**self._environ, ENGINE: self._engine_number}))

    @property
    def pid(self) -> int:
        """Number of the launcher's process; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def start(
        self,
        commands: Sequence[ProcessStart],
        cwd: str,
        environ: Mapping[str, str],
        fds: tuple[int, int, int],
    ) -> None:
        """Request a series of processes, one after the other until one fails; `wait` reports on each.

        Args:
            environ: for all of them; a command's own variables come on top.
            fds: what stdin, stdout and stderr become; the caller may close them afterwards.

        Raises:
            OSError: too many descriptors are in transit; nothing was requested.
        """
        self.open()
        plain = [(one.number, one.program, list(one.argv), dict(one.environ)) for one in commands]
        self._send(("start", cwd, dict(environ), plain), fds)
        self._under_way.update(one.number for one in commands)

    def signal(self, number: int, what: int) -> None:
        """Send a signal to the group of a process, unless it does not run; nothing of its series starts after it."""
        if number in self._under_way:
            self._send(("signal", number, int(what)))

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what happened since; [] after `timeout_s`, or after `wake`."""
        events: list[Event] = []
        ready = self._poll.poll(max(0.0, timeout_s))
        if not ready and timeout_s > 0:
            self._go_on()
        for fd, _ in ready:
            if fd == self._wake_read:
                self._drain()
            else:
                events += self._receive()
        return events

    def fileno(self) -> int:
        """Return a descriptor that can be read when `wait` would return something at once."""
        return self._poll.fileno()

    def wake(self) -> None:
        """Make `wait` return soon, or its next call return at once."""
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            pass  # the pipe is full of calls already
        except OSError:
            if self._wake_write >= 0:
                raise

    def close(self) -> None:
        """End all processes and the launcher. May be called twice."""
        self._drop()
        self._poll.close()
        for fd in (self._wake_read, self._wake_write):
            if fd >= 0:
                os.close(fd)
        self._wake_read = self._wake_write = -1

    def _send(self, message: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        assert self._socket is not None
        data = encode(message)
        while data:
            try:
                sent = socket.send_fds(self._socket, [data], list(fds)) if fds else self._socket.send(data)
            except TimeoutError:
                self._go_on()
                continue
            except (BrokenPipeError, ConnectionResetError):
                return  # it was killed: `wait` will detect it
            data, fds = data[sent:], ()

    def _go_on(self) -> None:
        """Let the launcher go on: it is silent, and a task may have stopped it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)

    def _receive(self) -> list[Event]:
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            return self._launcher_ended()
        events: list[Event] = []
        for replies in self._decoder.feed(data):
            for what, *rest in replies:
                if what == "broken":
                    self._why = f" ({rest[0]})"
                    continue
                self._under_way.discard(rest[0])
                if what == "refused":
                    events.append(ProcessRefused(*rest))
                elif what == "unstarted":
                    events.append(ProcessUnstarted(*rest))
                else:
                    rest[5] = resource.struct_rusage(rest[5])
                    events.append(ProcessEnded(*rest))
        return events

    def _launcher_ended(self) -> list[Event]:
        assert self._process is not None
        status = self._drop()
        how = f"by {signal_name(-status)}" if status < 0 else f"with exit code {status}"
        why = f"the process that starts tasks was ended {how}{self._why}"
        lost, self._under_way = self._under_way, set()
        return [ProcessLost(number, why) for number in sorted(lost)]

    def _drop(self) -> int:
        """Close the stream, wait for the launcher's end, return how it ended."""
        if self._socket is None or self._process is None:
            return 0
        self._poll.unregister(self._socket)
        self._go_on()
        self._socket.close()
        self._socket = None
        process, self._process = self._process, None
        return process.wait()

    def _drain(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            pass  # that was all
