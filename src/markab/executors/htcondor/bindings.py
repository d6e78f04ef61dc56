"""A schedd through HTCondor's Python bindings, which run in a process of their own (`gateway.py`)."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from markab.errors import ExecutorUnavailable
from markab.executors.htcondor.schedd import Ad, refusal

TIMEOUT_S = 60.0


def are_installed() -> bool:
    """Return whether this Python has the bindings."""
    return find_spec("htcondor2") is not None


class Bindings:
    """See `Schedd`."""

    def __init__(self, contact: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """Start the process, and do not wait for it."""
        self._contact = contact
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self._start()

    def submit(self, path: Path) -> int:
        """Send the file, which the process reads."""
        answer = self._ask(do="submit", path=str(path), spools=bool(self._contact))
        if "error" in answer:
            raise refusal(answer["error"])
        return int(answer["cluster"])

    def query(self, constraint: str) -> Sequence[Ad]:
        """Ask for jobs in the queue."""
        return self._ads("query", constraint)

    def history(self, constraint: str) -> Sequence[Ad]:
        """Ask for those that have left it."""
        return self._ads("history", constraint)

    def retrieve(self, constraint: str) -> None:
        """Bring files of completed jobs back."""
        if "error" in (answer := self._ask(do="retrieve", constraint=constraint)):
            raise ExecutorUnavailable(_line(answer["error"]))

    def remove(self, constraint: str) -> None:
        """Request that jobs be removed."""
        if "error" in (answer := self._ask(do="remove", constraint=constraint)):
            raise ExecutorUnavailable(_line(answer["error"]))

    def close(self) -> None:
        """End the process."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        if (process := self._process) is not None:
            self._process = None
            with suppress(OSError):
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def _ads(self, what: str, constraint: str) -> list[Ad]:
        answer = self._ask(do=what, constraint=constraint)
        if "error" in answer:
            raise ExecutorUnavailable(_line(answer["error"]))
        ads: list[Ad] = answer["ads"]
        return ads

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "markab.executors.htcondor.gateway", self._contact],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the engine, which then cancels in order
        )
        return self._process

    def _ask(self, **request: str | bool) -> dict[str, Any]:
        if self._is_closed:
            raise ExecutorUnavailable("this engine is ending")
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            return json.loads(self._line(process.stdout.fileno()))  # type: ignore[no-any-return]
        except (OSError, ValueError) as error:
            self._end()  # what it still answers would be taken for the answer to another request
            raise ExecutorUnavailable(f"the schedd gives no answer: {error}") from error

    def _line(self, fd: int) -> bytes:
        """Return the next line of the answers; raise OSError if there is none in time."""
        give_up_s = time.monotonic() + self._timeout_s
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([fd], [], [], max(0.0, give_up_s - time.monotonic()))
            if not ready:
                raise OSError(f"not within {self._timeout_s:.0f} s")
            piece = os.read(fd, 1 << 20)
            if not piece:
                raise OSError("the process that asks it ended")
            text += piece
        return text


def _line(text: str) -> str:
    return " ".join(text.split())
