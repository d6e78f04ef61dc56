"""Why a job does not run now, as data: the answer of a scheduler's `why_waiting`."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Why(Enum):
    """What a job waits for."""

    PARENTS = "parents"
    """A parent has not finished yet: `unfinished_parents` of the scheduler names them."""
    FAILED_PARENT = "failed-parent"
    """A job before it failed, so it will not run."""
    STOPPED = "stopped"
    """Nothing new is started: the run was halted or removed, or a job failed and it does not keep going."""
    PAUSE = "pause"
    """The pause before a retry."""
    MAX_JOBS = "max-jobs"
    """The limit of jobs that may run at once is reached."""
    MAX_IDLE = "max-idle"
    """The limit of jobs that may wait in the queues of their sites is reached."""
    CATEGORY = "category"
    """The limit of its category is reached."""
    AUXILIARY = "auxiliary"
    """The limit of auxiliary jobs without a limited category is reached."""
    SLOT = "slot"
    """A resource of this machine is in use."""
    RESERVED = "reserved"
    """What it needs is free, and kept for a larger job that waited long enough."""
    SPACE = "space"
    """There is no room for its files in the scratch directory, which has a bound."""
    ON_HOLD = "on-hold"
    """Its site holds the attempt, and does not run it."""
    TURN = "turn"
    """Nothing: it starts next."""


class WaitingReason(NamedTuple):
    """Why one job waits, and the facts of that; fields that do not belong to `why` have their defaults."""

    why: Why
    parents: int = 0
    """PARENTS: how many have not succeeded."""
    pause_s: float = 0.0
    """PAUSE: its whole length."""
    category: str = ""
    """CATEGORY: its name."""
    limit: int = 0
    """MAX_JOBS, CATEGORY, AUXILIARY: how many may run at once; MAX_IDLE: how many may wait."""
    resource: str = ""
    """SLOT: the first that is short: `cores`, `memory_mb` or `gpus`."""
    wanted: int = 0
    """SLOT: how much of it the job needs; SPACE: bytes."""
    used: int = 0
    """SLOT: how much of it running jobs use; SPACE: bytes of files and of what runs."""
    total: int = 0
    """SLOT: how much of it there is; SPACE: the bound in bytes."""
    text: str = ""
    """ON_HOLD: the site's reason."""
