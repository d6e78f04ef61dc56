"""How far a run is: what observers see, and what `status.json` says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from markab.errors import StorageError
from markab.journal.lifecycle import State
from markab.journal.records import OutcomeState
from markab.plan.atomic_file import replacing

PUBLISH_EVERY_S = 0.1
WRITE_EVERY_S = 1.0
RATE_OVER_S = 30.0
"""The rate is that of the last half minute."""
RUNNING_SHOWN = 64


class RunningJob(msgspec.Struct, omit_defaults=True):
    """An attempt that is alive."""

    id: str
    site: str
    attempt: int
    start: float
    """UTC epoch seconds when it was given to its executor."""
    held: str = ""
    """Why its site keeps it and does not run it."""


class Progress(msgspec.Struct, omit_defaults=True):
    """How far a run is at one moment; `status.json` is this as JSON, defaults left out."""

    workflow: str
    uuid: str
    time: float
    """UTC epoch seconds."""
    total: int
    """Jobs of the plan. The seven counts below add up to it."""
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
    """Never ran, because a parent failed."""
    retried: int = 0
    """Attempts that failed and were followed by another, in this call of the engine."""
    jobs: list[RunningJob] = []
    """Those that are alive, longest first; at most 64 of them."""
    rate_per_s: float = 0.0
    """Jobs that succeeded per second, of late."""
    bytes_moved: int = 0
    """By transfers, since the run began."""
    elapsed_s: float = 0.0
    """Since this engine started."""
    left_s: float | None = None
    """Estimate of the time to the end; None: no idea."""
    outcome: OutcomeState | None = None
    """Set when the engine has ended."""
    ending: OutcomeState | None = None
    """Set while the engine ends before everything is done, because it was asked to."""
    held: str = ""
    """Why nothing new is started at the moment, such as a full disk; what runs goes on."""
    warnings: list[str] = []
    """What else the user should know."""
    journal_bytes: int = 0
    """Length of the journal when this was true."""

    @property
    def done(self) -> float:
        """The part of the jobs that succeeded, from 0 to 1."""
        return self.succeeded / self.total if self.total else 1.0


Observer = Callable[[Progress], None]


class Meter:
    """Measures rates, and limits how often observers and the file are bothered."""

    def __init__(
        self,
        workflow: str,
        uuid: str,
        status: Path,
        observer: Observer | None,
        started_s: float,
        bytes_moved: int = 0,
    ) -> None:
        self.bytes_moved = bytes_moved
        self.retried = 0
        self.journal_bytes = 0
        self.ending: OutcomeState | None = None
        self.held = ""
        self.write_problem = ""
        """Why `status.json` could not be written the last time."""
        self._workflow = workflow
        self._uuid = uuid
        self._status = status
        self._observer = observer
        self._started_s = started_s
        self._published_s = self._written_s = float("-inf")
        self._samples: deque[tuple[float, int]] = deque()

    def is_due(self, now_s: float) -> bool:
        """Say whether `publish` would tell anybody. `now_s` is monotonic."""
        period = PUBLISH_EVERY_S if self._observer else WRITE_EVERY_S
        return now_s - self._published_s >= period

    def publish(
        self,
        now_s: float,
        epoch_s: float,
        counts: Sequence[int],
        running: dict[int, RunningJob],
        warnings: Sequence[str] = (),
        outcome: OutcomeState | None = None,
    ) -> Progress:
        """Tell the observer, and once a second and at the end the file."""
        self._published_s = now_s
        self._sample(now_s, counts[State.SUCCEEDED])
        rate = self._rate()
        left = sum(counts[: State.SUCCEEDED])
        progress = Progress(
            workflow=self._workflow,
            uuid=self._uuid,
            time=epoch_s,
            total=sum(counts),
            unready=counts[State.WAITING],
            ready=counts[State.READY] + counts[State.PAUSED],
            queued=counts[State.QUEUED],
            running=counts[State.RUNNING],
            succeeded=counts[State.SUCCEEDED],
            failed=counts[State.FAILED],
            skipped=counts[State.SKIPPED],
            retried=self.retried,
            jobs=list(islice(running.values(), RUNNING_SHOWN)),
            rate_per_s=rate,
            bytes_moved=self.bytes_moved,
            elapsed_s=now_s - self._started_s,
            left_s=left / rate if rate and left and outcome is None else None,
            outcome=outcome,
            ending=self.ending,
            held=self.held if outcome is None else "",
            warnings=list(warnings),
            journal_bytes=self.journal_bytes,
        )
        if outcome is not None or now_s - self._written_s >= WRITE_EVERY_S:
            self._written_s = now_s
            self._write(progress)
        if self._observer is not None:
            self._observer(progress)
        return progress

    def _sample(self, now_s: float, succeeded: int) -> None:
        self._samples.append((now_s, succeeded))
        while now_s - self._samples[0][0] > RATE_OVER_S:
            self._samples.popleft()

    def _rate(self) -> float:
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def _write(self, progress: Progress) -> None:
        """Write the file; a run does not stop for it, but says so."""
        try:
            write_status(self._status, progress)
            self.write_problem = ""
        except StorageError as error:
            self.write_problem = str(error)


def write_status(path: Path, progress: Progress) -> None:
    """Replace `status.json`. It may be lost with the power: the journal knows better."""
    with replacing(path, durable=False) as file:
        file.write(msgspec.json.encode(progress) + b"\n")


def read_status(path: Path) -> Progress | None:
    """Return what the engine last said; None when it never did, or what it said cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None


def mark_outcome(path: Path, outcome: OutcomeState) -> None:
    """Correct the outcome in `status.json`, when it was decided while no engine was alive."""
    progress = read_status(path)
    if progress is not None:
        progress.outcome, progress.jobs = outcome, []
        write_status(path, progress)
