"""`-v` and `-q`: how much is said. Python's logging goes to stderr, warnings and worse by default."""

from __future__ import annotations

from typing import Any

import click


def verbosity(function: Any) -> Any:
    """Give a command `-v` and `-q`, which may be repeated."""
    function = click.option("-q", "--quiet", count=True, help="Say less; twice: errors only.")(function)
    return click.option("-v", "--verbose", count=True, help="Say more; may be repeated.")(function)


def set_verbosity(verbose: int, quiet: int = 0) -> None:
    """Let the log through from the level that was asked for."""
    import logging

    levels = [logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG]
    level = levels[max(0, min(len(levels) - 1, 1 + verbose - quiet))]
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
