"""Warnings to the author of a script."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def warn(message: str) -> None:
    """Write a warning to the log of the script, or to stderr when it keeps none."""
    import logging

    log = logging.getLogger("markab.api")
    if log.hasHandlers():
        log.warning(message)
    else:
        print(f"warning: {message}", file=sys.stderr)


def warn_of_slips(properties: Iterable[str]) -> None:
    """Warn of each property of `plan()` whose name has no dot: nothing reads it, so an option was meant."""
    from difflib import get_close_matches

    from markab.planner.options import KEYWORDS

    for name in properties:
        if "." not in name:
            like = next(iter(get_close_matches(name, KEYWORDS, n=1)), None)
            hint = f"; did you mean {like!r}?" if like else ""
            warn(f"plan() has no option {name!r}; it is taken as a property, which nothing reads{hint}")
