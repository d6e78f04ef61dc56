"""Keywords of `Workflow.plan` that are no option of the planner: properties, or slips."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from markab.api.warnings import warn
from markab.planner.options import KEYWORDS


def warn_of_slips(properties: Iterable[str]) -> None:
    """Warn of each property whose name has no dot: nothing reads it, so an option was meant."""
    for name in properties:
        if "." not in name:
            like = next(iter(get_close_matches(name, KEYWORDS, n=1)), None)
            hint = f"; did you mean {like!r}?" if like else ""
            warn(f"plan() has no option {name!r}; it is taken as a property, which nothing reads{hint}")
