"""The progress of a run, as observers receive it and as `status.json` contains it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from markab.formatting import size
from markab.journal.records import OutcomeState
from markab.plan.atomic_file import read_regular, replacing


class RunningJob(msgspec.Struct, omit_defaults=True):
    """An attempt that is alive."""

    id: str
    site: str
    attempt: int
    start: float
    """UTC epoch seconds when it was given to its executor."""
    held: str = ""
    """Why its site keeps it and does not run it."""
    queued: bool = False
    """It waits in the queue of its site."""
    reason: str = ""
    """Why it waits there, in the site's own words."""
    native_id: str = ""
    """The site's own id of it."""
    host: str = ""
    """Where it runs, as the site says."""
    label: str = ""
    """As `PlannedJob.label`."""


class ScratchUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """How full the scratch of a site is, of a run with a bound on it; all in bytes."""

    bound: int
    present: int = 0
    """Files in it, as measured when they appeared."""
    peak: int = 0
    """The most that this was while this engine ran."""
    reserved: int = 0
    """What running jobs may add."""
    predicted: int = 0
    """The most at any time if jobs run one after the other, as planned."""

    def text(self, site: str) -> str:
        """Return it in a line, for people."""
        running = f", running jobs may add {size(self.reserved)}" if self.reserved else ""
        return (
            f"scratch at {site}: {size(self.present)} of {size(self.bound)}{running}; "
            f"at most {size(self.peak)} so far, {size(self.predicted)} as planned"
        )


class Progress(msgspec.Struct, omit_defaults=True):
    """How far a run is at one moment; `status.json` is this as JSON, defaults left out."""

    workflow: str
    uuid: str
    time: float
    """UTC epoch seconds."""
    total: int
    """Jobs of the plan. The eight counts below add up to it."""
    unready: int = 0
    """Waiting for a parent."""
    ready: int = 0
    """Waiting for a slot, or for the pause before a retry to end."""
    queued: int = 0
    """Given to an executor and not seen running."""
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    """Did not run, because a parent failed."""
    incomplete: int = 0
    """Done in part, because of parents that failed."""
    retried: int = 0
    """Attempts that failed and were followed by another, in this call of the engine."""
    jobs: list[RunningJob] = []
    """Those that are alive, longest first; at most 64 of them."""
    rate_per_s: float = 0.0
    """Jobs that succeeded per second, recently."""
    bytes_moved: int = 0
    """By transfers, since the run began."""
    engine_started: float = 0.0
    """UTC epoch seconds when this engine opened the run."""
    active_before_s: float = 0.0
    """How long engines before it were at work."""
    left_s: float | None = None
    """Estimate of the time to the end; None: unknown."""
    outcome: OutcomeState | None = None
    """Set when the engine has ended."""
    ending: OutcomeState | None = None
    """Set while the engine ends before everything is done, because that was requested."""
    held: str = ""
    """Why nothing new is started at the moment, such as a full disk; running jobs continue."""
    warnings: list[str] = []
    """What else the user should know."""
    journal_bytes: int = 0
    """Length of the journal when this was true."""
    scratch: dict[str, ScratchUse] = {}
    """By site, with a bound on scratch."""

    @property
    def done(self) -> float:
        """The part of the jobs that succeeded, from 0 to 1."""
        return self.succeeded / self.total if self.total else 1.0

    def active_s(self, until: float) -> float:
        """Return the active time of the run (see `journal/run_times.py`) if this engine worked until then."""
        return self.active_before_s + max(0.0, until - self.engine_started)


Observer = Callable[[Progress], None]


def write_progress(path: Path, progress: Progress) -> None:
    """Replace `status.json`. A power loss may take it back: the journal is authoritative."""
    with replacing(path, durable=False) as file:
        file.write(msgspec.json.encode(progress) + b"\n")


def read_progress(path: Path) -> Progress | None:
    """Return what the engine last wrote; None when it never did, or it cannot be read."""
    try:
        return msgspec.json.decode(read_regular(path), type=Progress)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def mark_outcome(path: Path, outcome: OutcomeState) -> None:
    """Correct the outcome in `status.json`, when it was decided while no engine was alive."""
    progress = read_progress(path)
    if progress is not None:
        progress.outcome, progress.jobs = outcome, []
        write_progress(path, progress)
