"""Output of commands: paths as they are typed, JSON, and whether the stream is a terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

import click

from markab.formatting import relative_path


def is_terminal(stream: TextIO) -> bool:
    """Return whether lines can be redrawn: the stream is a terminal, and plain text was not requested."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


def shown_path(path: Path) -> str:
    """Return a path as it is typed: relative below the current directory, quoted if necessary."""
    import shlex

    return shlex.quote(str(relative_path(path)))


def echo_json(value: object) -> None:
    """Print a value as indented JSON."""
    import json

    click.echo(json.dumps(value, indent=2, default=str))
