"""The engine's end of the watchdog: started with the first task, told where tasks run."""

from __future__ import annotations

import subprocess
import sys

from markab.executors import watchdog


class Guarding:
    """A process that ends our tasks should we be killed; see `watchdog.py`."""

    def __init__(self, engine_number: str) -> None:
        self._number = engine_number
        self._process: subprocess.Popen[bytes] | None = None
        self._told: set[str] = set()

    def guard(self, work: str, spared: set[int]) -> None:
        """See to it that tasks below the directory `work` will not outlive us; cheap when called again.

        The number of the new process is added to `spared`.
        """
        if work in self._told:
            return
        self._told.add(work)
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, self._number],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
            spared.add(self._process.pid)
        self._tell(work.encode() + b"\n")

    def close(self) -> None:
        """Tell it that we end well. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            self._tell(b"\n", process)
            if process.stdin is not None:
                process.stdin.close()
            process.wait()

    def _tell(self, line: bytes, process: subprocess.Popen[bytes] | None = None) -> None:
        process = process or self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # somebody killed it: the next start of the run looks for leftovers all the same
