"""Warnings to the author of a script."""

from __future__ import annotations

import sys


def warn(message: str) -> None:
    """Write a warning to the log of the script, or to stderr when it keeps none."""
    import logging

    log = logging.getLogger("markab.api")
    if log.hasHandlers():
        log.warning(message)
    else:
        print(f"warning: {message}", file=sys.stderr)
