"""Containers of a fake cloud: each is a process of this machine, started without what the tests' own environment has."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Container:
    """One that waits, runs or has ended."""

    command: Sequence[str]
    environment: Mapping[str, str]
    limit_s: float = 0.0
    grace_s: float = 30.0
    state: str = "waiting"
    code: int = 0
    """As a container runtime has it: 128 + N after signal N."""
    ended_by: str = ""
    """"" by itself, else "deadline", "deleted", or what the test said."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def start(self) -> None:
        """Run it; what it starts belongs to it."""
        with self.lock:
            if self.state != "waiting":
                return
            self.state = "running"
            self.process = subprocess.Popen(
                list(self.command),
                env={"PATH": os.environ["PATH"], "HOME": "/", **self.environment},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        threading.Thread(target=self._await, args=(self.process,), daemon=True).start()
        if self.limit_s:
            threading.Thread(target=self._limit, args=(self.process,), daemon=True).start()

    def stop(self, why: str, number: int = signal.SIGTERM) -> None:
        """End it: by a signal to its first process, and after a grace all of it."""
        with self.lock:
            if self.state == "ended":
                return
            self.ended_by = self.ended_by or why
            if self.process is None:
                self.state = "ended"
                return
            process = self.process
        if number == signal.SIGKILL:
            self.kill()
            return
        process.send_signal(number)
        threading.Thread(target=self._kill_later, args=(process,), daemon=True).start()

    def kill(self) -> None:
        """End all of it at once."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self.lock:
            self.state = "ended"
            self.code = code if code >= 0 else 128 - code

    def _limit(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(self.limit_s)
        except subprocess.TimeoutExpired:
            self.stop("deadline")

    def _kill_later(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            self.kill()


def now_text() -> str:
    """Return the time as Kubernetes writes it, with fractions so that the order is known."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
