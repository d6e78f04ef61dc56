"""`hooks.jsonl`: which hooks of a run were started, and how they ended. One JSON object a line.

    {"event": "start", "key": [job, number, event, hook], "name": ..., "time": ..., "words": [...]}
    {"event": "end", "key": [...], "time": ..., "status": ..., "output": ..., "why": ...}

`key` is a `HookKey`. A start is on disk before its process is started, and a hook whose
start is there is never started again: at most once, because a mail or a request to a
server that is sent twice is worse than one that a power failure kept from being sent.
A start without an end: the process that ran hooks was killed, and nobody saw the hook end.

Two processes may write it, when an engine is started again while the hooks of the one
before still run: each start is written under a lock, after reading what the other wrote.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from markab.errors import StorageError
from markab.hooks.hook_events import HookCall, HookKey
from markab.transfers.beneath import open_regular

NAME = "hooks.jsonl"


class HookResult(NamedTuple):
    """A call of a hook that is recorded."""

    name: str
    """Of the job, or "workflow"."""
    event: str
    words: tuple[str, ...]
    status: int | None
    """Its exit code, or minus the signal that ended it; None: its end was not seen."""
    output: str = ""
    """The end of what it wrote."""
    why: str = ""
    """Why it was ended, or could not be started."""


class HookLog:
    """The file of one run, open for writing."""

    def __init__(self, submit_dir: Path) -> None:
        """Open it. Raises StorageError if it cannot be written."""
        self.path = submit_dir / NAME
        self._started: set[HookKey] = set()
        self._read_bytes = 0
        try:
            self._descriptor = open_regular(str(self.path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise self._failed(error) from error

    def claim(self, call: HookCall, time: float) -> bool:
        """Record the start of a call, and return True; False if it was started before.

        Raises:
            StorageError: it cannot be recorded: the hook must not be started.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._read()
                if call.key in self._started:
                    return False
                self._append(event="start", key=call.key, name=call.name, time=time, words=list(call.words))
                os.fsync(self._descriptor)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise self._failed(error) from error
        self._started.add(call.key)
        return True

    def note_end(self, key: HookKey, time: float, status: int, output: str, why: str) -> None:
        """Record the end of a call. Raises StorageError."""
        try:
            self._append(event="end", key=key, time=time, status=status, output=output, why=why)
        except OSError as error:
            raise self._failed(error) from error

    def _read(self) -> None:
        size = os.fstat(self._descriptor).st_size
        text = os.pread(self._descriptor, size - self._read_bytes, self._read_bytes)
        self._read_bytes += text.rfind(b"\n") + 1
        for entry in _entries(text):
            if entry["event"] == "start":
                self._started.add(HookKey(*entry["key"]))

    def _append(self, **entry: Any) -> None:
        """Write one line, after a line end: a line that a crash cut is left, and ends there."""
        os.write(self._descriptor, b"\n" + json.dumps(entry).encode() + b"\n")

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write {str(self.path)!r}: {error.strerror}")


def read_hook_results(submit_dir: Path) -> list[HookResult]:
    """Return what was recorded of the hooks of a run, in the order of their starts. A file that cannot be read has nothing."""
    try:
        with open(submit_dir / NAME, "rb", opener=open_regular) as file:
            text = file.read()
    except OSError:
        return []
    found: dict[tuple[Any, ...], HookResult] = {}
    for entry in _entries(text):
        key = tuple(entry["key"])
        if entry["event"] == "start":
            found[key] = HookResult(entry["name"], entry["key"][2], tuple(entry["words"]), None)
        elif key in found:
            ended = {name: entry[name] for name in ("status", "output", "why")}
            found[key] = found[key]._replace(**ended)
    return list(found.values())


def _entries(text: bytes) -> Iterator[dict[str, Any]]:
    """Yield the whole lines; what a crash cut, or something else wrote, is left out."""
    for line in text.split(b"\n"):
        try:
            entry = json.loads(line)
            key = HookKey(*entry["key"])
            needed = ("name", "words") if entry["event"] == "start" else ("status", "output", "why")
            if all(name in entry for name in needed) and isinstance(key.job, int):
                yield entry
        except (ValueError, KeyError, TypeError):
            continue
