"""Warnings to the author of a script."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from markab.formatting import printable


def warn(message: str) -> None:
    """Write a warning to the log of the script, or to stderr if it has no log handler."""
    import logging

    message = printable(message)
    log = logging.getLogger("markab.api")
    if log.hasHandlers():
        log.warning(message)
    else:
        print(f"warning: {message}", file=sys.stderr)


def warn_of_unknown_options(properties: Iterable[str]) -> None:
    """Warn of each property of `plan()` whose name has no dot: it has no effect, and is probably a misspelt option."""
    from difflib import get_close_matches

    from markab.planner.options import KEYWORDS

    for name in properties:
        if "." not in name:
            like = next(iter(get_close_matches(name, KEYWORDS, n=1)), None)
            hint = f"; did you mean {like!r}?" if like else ""
            warn(f"plan() has no option {name!r}; it is set as a property without effect{hint}")
