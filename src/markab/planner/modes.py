"""`pegasus.mode`: bundles of defaults. Any single property overrides them.

Pegasus documents three retries for production while its code grants one;
three is what we grant.
"""

from __future__ import annotations

from typing import NamedTuple

from markab.plan.model import Integrity
from markab.transfers.base import TRANSFER_ATTEMPTS


class Mode(NamedTuple):
    """Defaults of one mode."""

    retries: int
    """`dagman.retry`."""
    integrity: Integrity
    """`pegasus.integrity.checking`."""
    transfer_attempts: int
    """Tries of one transfer inside one attempt of its job."""
    hold_limit_s: int
    """`markab.hold.limit`."""


MODES = {
    "production": Mode(3, "full", TRANSFER_ATTEMPTS, 1800),
    "development": Mode(1, "none", 1, 30),
    "tutorial": Mode(1, "full", 1, 30),
    "debug": Mode(0, "full", 1, 30),
}
