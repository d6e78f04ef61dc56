"""Output of commands: text for people, JSON, and whether the stream is a terminal.

Everything that a command prints passes here: names, errors and the output of tasks
come from outside, and `echo` lets none of their characters control the terminal.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, NoReturn, TextIO

import click

from markab.errors import StorageError
from markab.formatting import json_text, printable


class ReaderGone(Exception):
    """The reader of stdout has closed it, as `head` does."""


class _Stdout:
    """Stdout of a program: what cannot be written is an error of Markab, whoever writes it; `--help` is click's.

    Everything else is that of the stream, which is None if the program was started without one.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _Stdout:
        return _Stdout(self._stream.buffer if self._stream is not None else None)

    def isatty(self) -> bool:
        return self._stream is not None and bool(self._stream.isatty())

    def write(self, data: Any) -> int:
        if self._stream is None:
            raise StorageError("the output cannot be written: stdout is closed", _ELSEWHERE)
        if data == "":
            return 0  # click tries that, and ignores the error, to find out whether a stream takes text
        try:
            return int(self._stream.write(data))
        except OSError as error:
            self._refuse(error)

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        # What is still in the buffer must not be written, and fail again, when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if error.errno == errno.EPIPE:
            raise ReaderGone from None
        raise StorageError(f"the output cannot be written: {error.strerror}", _ELSEWHERE) from error


_ELSEWHERE = "write it elsewhere, for example with `> FILE`"


def guard_stdout() -> None:
    """Make errors of stdout ones of Markab, and print a question mark for each character that a stream does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stdout = _Stdout(sys.stdout)


def is_terminal(stream: TextIO) -> bool:
    """Return whether lines can be redrawn: the stream is a terminal, and plain text was not requested."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


def echo(text: str, *, err: bool = False, nl: bool = True, file: TextIO | None = None) -> None:
    """Print text for people to stdout, stderr (`err`) or another stream, and flush it; `nl` adds a line end.

    Errors and progress that cannot be shown are no reason to stop: only of stdout an error is raised.
    """
    try:
        click.echo(printable(text), file=file, nl=nl, err=err)
    except OSError:
        if not err and file is None:
            raise


def echo_json(value: object, *, nl: bool = True) -> None:
    """Print a value as indented JSON, which is exact and in ASCII."""
    click.echo(json_text(value), nl=nl)


def echo_bytes(data: bytes) -> None:
    """Write bytes, such as a picture, to stdout."""
    sys.stdout.flush()
    writer = sys.stdout.buffer
    rest = memoryview(data)
    while rest:  # without a buffer, as with PYTHONUNBUFFERED, a write may take only a part
        rest = rest[writer.write(rest) :]
    writer.flush()


def clear_screen() -> None:
    """Erase a terminal, and put the cursor at its top."""
    click.echo("\033[H\033[2J", nl=False)
