"""Output of commands: text for people, JSON, and whether the stream is a terminal.

Everything that a command prints passes here: names, errors and the output of tasks
come from outside, and `echo` lets none of their characters control the terminal.
"""

from __future__ import annotations

import os
from typing import TextIO

import click

from markab.formatting import json_text, printable


def is_terminal(stream: TextIO) -> bool:
    """Return whether lines can be redrawn: the stream is a terminal, and plain text was not requested."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


def echo(text: str, *, err: bool = False, nl: bool = True, file: TextIO | None = None) -> None:
    """Print text for people to stdout, stderr (`err`) or another stream, and flush it; `nl` adds a line end."""
    click.echo(printable(text), file=file, nl=nl, err=err)


def echo_json(value: object, *, nl: bool = True) -> None:
    """Print a value as indented JSON, which is exact and in ASCII."""
    click.echo(json_text(value), nl=nl)


def clear_screen() -> None:
    """Erase a terminal, and put the cursor at its top."""
    click.echo("\033[H\033[2J", nl=False)
