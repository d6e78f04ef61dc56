"""Texts that are collected at the same time and written one after the other, without holding them in memory."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

IN_MEMORY_BYTES = 1 << 20

_encode = msgspec.json.Encoder().encode


class Spool:
    """The members of a JSON object or list, separated by commas; past 1 MB they are in a temporary file."""

    def __init__(self) -> None:
        self._file: Any = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)
        self.count = 0

    def item(self, value: object) -> None:
        """Add an item of a list."""
        self._file.write((b",\n" if self.count else b"") + _encode(value))
        self.count += 1

    def member(self, key: str, value: object) -> None:
        """Add a member of an object; the caller sees to it that keys differ."""
        self._file.write((b",\n" if self.count else b"") + _encode(key) + b":" + _encode(value))
        self.count += 1

    def copy_to(self, out: BinaryIO) -> None:
        """Write all of it."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, out, 1 << 20)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()


class Spools:
    """Spools by name, made when first asked for, and closed together."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._spools: dict[str, Spool] = {}

    def __getitem__(self, name: str) -> Spool:
        spool = self._spools.get(name)
        if spool is None:
            spool = self._spools[name] = Spool()
            self._stack.callback(spool.close)
        return spool

    def names(self) -> list[str]:
        """Return the names of those that hold something, in the order they were first asked for."""
        return [name for name, spool in self._spools.items() if spool.count]

    def __enter__(self) -> Spools:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
