"""One hook while it runs: started without a shell, ended when it takes too long, its output kept in part."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from markab.hooks.hook_events import HookCall

KEPT_BYTES = 4096
"""So much is kept of what a hook writes: the end."""
READ_BYTES = 1 << 16
READS_A_TURN = 8
"""A hook that writes without end waits for us, and not we for it."""
GRACE_S = 5.0
"""Between SIGTERM and SIGKILL."""
NOT_STARTED = 127


class HookProcess:
    """A hook that was started. Nothing here waits; `is_over` is called until it says so."""

    def __init__(
        self, call: HookCall, submit_dir: Path, environment: Mapping[str, str], now_s: float
    ) -> None:
        """Start it in the submit directory, as the leader of a session of its own."""
        self.call = call
        self.status = 0
        """Of its end: its exit code, or minus the signal."""
        self.why = ""
        """Why it was ended, or could not be started."""
        self._began_s = now_s
        self._end: Callable[[float], None] | None = None
        self._kill_s = float("inf")
        self._output = b""
        self._files: list[Path] = []
        variables = {**environment, **call.variables, **self._output_files(submit_dir)}
        try:
            self._child: subprocess.Popen[bytes] | None = subprocess.Popen(
                call.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=submit_dir,
                env=variables,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._child, self.status, self.why = None, NOT_STARTED, f"cannot be started: {reason}"
            return
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)

    @property
    def output(self) -> str:
        """The end of what it wrote."""
        return self._output.decode("utf-8", "replace")

    def is_over(self, now_s: float, limit_s: float) -> bool:
        """Read what it wrote, end it if it has taken more than `limit_s` (0: for ever), and return whether it has ended."""
        if self._child is None:
            return True
        self._read(self._child)
        code = self._child.poll()
        if code is not None:
            self._read(self._child)  # what its own children write from now on is lost
            self.status = code
            self._close(self._child)
            self._child = None
            return True
        if limit_s and not self.why and now_s - self._began_s >= limit_s:
            self.why = f"it took more than {limit_s:g} s, and was ended"
            self._kill_s = now_s + GRACE_S
            self._signal(signal.SIGTERM)
        if now_s >= self._kill_s:
            self._signal(signal.SIGKILL)
        return False

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for _ in range(READS_A_TURN):
            try:
                data = os.read(child.stdout.fileno(), READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            self._output = (self._output + data)[-KEPT_BYTES:]

    def _signal(self, number: int) -> None:
        assert self._child is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    def _close(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        child.stdout.close()
        for file in self._files:
            file.unlink(missing_ok=True)

    def _output_files(self, submit_dir: Path) -> dict[str, str]:
        """Write the output of the task, as far as it is in the record only, into files that live as long as the hook."""
        variables = {}
        for name, text in zip(("PEGASUS_STDOUT", "PEGASUS_STDERR"), self.call.outputs, strict=True):
            if name in self.call.variables or text is None:
                continue
            file = submit_dir / f".hook-{os.getpid()}-{id(self)}-{name[8:].lower()}.tmp"
            with suppress(OSError):
                file.write_text(text, encoding="utf-8", errors="replace")
                self._files.append(file)
                variables[name] = str(file)
        return variables
