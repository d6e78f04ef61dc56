"""Texts that are collected in parallel and written one after the other, without keeping them in memory."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import IO, BinaryIO

import msgspec

IN_MEMORY_BYTES = 1 << 20

_encoder = msgspec.json.Encoder()


class Spool:
    """The members of a JSON object or list, separated by commas; beyond 1 MB they are in a temporary file."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._file: IO[bytes] | None = None
        self.count = 0

    def item(self, value: object) -> None:
        """Add an item of a list."""
        if self.count:
            self._buffer += b",\n"
        self._add(value)

    def member(self, key: str, value: object) -> None:
        """Add a member of an object; the caller must use each key once."""
        if self.count:
            self._buffer += b",\n"
        _encoder.encode_into(key, self._buffer, -1)
        self._buffer += b":"
        self._add(value)

    def copy_to(self, out: BinaryIO) -> None:
        """Write all of it; nothing can be added afterwards."""
        if self._file:
            self._file.seek(0)
            shutil.copyfileobj(self._file, out, 1 << 20)
        out.write(self._buffer)

    def close(self) -> None:
        """Close the temporary file."""
        if self._file:
            self._file.close()

    def _add(self, value: object) -> None:
        _encoder.encode_into(value, self._buffer, -1)
        self.count += 1
        if len(self._buffer) > IN_MEMORY_BYTES:
            if not self._file:
                self._file = tempfile.TemporaryFile()
            self._file.write(self._buffer)
            self._buffer.clear()


class Spools:
    """Spools by name, created on first use, and closed together."""

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
        """Return the names of those with content, in the order of their first use."""
        return [name for name, spool in self._spools.items() if spool.count]

    def __enter__(self) -> Spools:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
