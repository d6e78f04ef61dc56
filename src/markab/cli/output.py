"""How commands print: paths as they are typed, JSON, and whether a terminal can be drawn on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

import click


def is_terminal(stream: TextIO) -> bool:
    """Say whether lines can be drawn over: it is a terminal, and the user did not ask for plain text."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


def shown_path(path: Path) -> str:
    """Return a path as the user would type it: relative below the current directory, quoted if need be."""
    import shlex

    try:
        return shlex.quote(str(path.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(path))


def echo_json(value: object) -> None:
    """Print a value as indented JSON."""
    import json

    click.echo(json.dumps(value, indent=2, default=str))
