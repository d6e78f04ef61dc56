"""Wait for any of many processes to end, or for a thread to say that it has something.

Uses a pidfd for each process (Linux 5.3): that works in any thread and leaves the signals
and the other children of the program alone. Elsewhere a thread waits for each process.
"""

from __future__ import annotations

import os
import select
import threading


class Ends:
    """A set of processes that are watched. Only `wake` may be called from other threads.

    Processes are not reaped here: their numbers stay theirs until the caller does that.
    """

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._pid_of: dict[int, int] = {}
        self._ended: list[int] = []
        self._lock = threading.Lock()

    def watch(self, pid: int) -> None:
        """Begin to watch a child of ours."""
        try:
            fd = os.pidfd_open(pid)
        except (AttributeError, OSError):
            threading.Thread(target=self._wait_for, args=(pid,), daemon=True).start()
            return
        self._pid_of[fd] = pid
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_s: float) -> list[int]:
        """Return the processes that have ended since; [] after `timeout_s`, or after `wake`."""
        pids = []
        for fd, _ in self._poll.poll(max(0, -int(-timeout_s * 1000 // 1))):
            if fd == self._wake_read:
                self._drain()
                continue
            self._poll.unregister(fd)
            os.close(fd)
            pids.append(self._pid_of.pop(fd))
        if self._ended:
            with self._lock:
                pids += self._ended
                self._ended = []
        return pids

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
        """Stop watching. May be called twice."""
        for fd in self._pid_of:
            os.close(fd)
        self._pid_of.clear()
        for fd in (self._wake_read, self._wake_write):
            if fd >= 0:
                os.close(fd)
        self._wake_read = self._wake_write = -1

    def _drain(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            pass  # that was all

    def _wait_for(self, pid: int) -> None:
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return  # reaped already: whoever did that knows that it ended
        with self._lock:
            self._ended.append(pid)
        self.wake()
