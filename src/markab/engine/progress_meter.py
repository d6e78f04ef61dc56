"""Measuring the progress of a run while its engine is running, for observers and `status.json`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from markab.errors import StorageError
from markab.journal.lifecycle import State
from markab.journal.progress import Observer, Progress, RunningJob, ScratchUse, write_progress
from markab.journal.records import OutcomeState

PUBLISH_EVERY_S = 0.1
WRITE_EVERY_S = 1.0
RATE_OVER_S = 30.0
"""The rate is that of the last half minute."""
RUNNING_SHOWN = 64


class Meter:
    """Measures rates, and limits how often the observer is called and the file is written."""

    def __init__(
        self,
        workflow: str,
        uuid: str,
        status: Path,
        observer: Observer | None,
        bytes_moved: int = 0,
    ) -> None:
        self.engine_started = self.active_before_s = 0.0
        """See `Progress`."""
        self.bytes_moved = bytes_moved
        self.retried = 0
        self.journal_bytes = 0
        self.ending: OutcomeState | None = None
        self.held = ""
        self.scratch: dict[str, ScratchUse] = {}
        self.write_problem = ""
        """Why `status.json` could not be written the last time."""
        self._workflow = workflow
        self._uuid = uuid
        self._status = status
        self._observer = observer
        self._published_s = self._written_s = float("-inf")
        self._samples: deque[tuple[float, int]] = deque()

    def overdue(self, now_s: float) -> float:
        """Return how many periods passed since the last `publish`: it is due from 1. `now_s` is monotonic."""
        period = PUBLISH_EVERY_S if self._observer else WRITE_EVERY_S
        return (now_s - self._published_s) / period

    def publish(
        self,
        now_s: float,
        epoch_s: float,
        counts: Sequence[int],
        running: dict[int, RunningJob],
        warnings: Sequence[str] = (),
        outcome: OutcomeState | None = None,
    ) -> Progress:
        """Call the observer; write the file once a second and at the end."""
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
            incomplete=counts[State.INCOMPLETE],
            retried=self.retried,
            jobs=list(islice(running.values(), RUNNING_SHOWN)),
            rate_per_s=rate,
            bytes_moved=self.bytes_moved,
            engine_started=self.engine_started,
            active_before_s=self.active_before_s,
            left_s=left / rate if rate and left and outcome is None else None,
            outcome=outcome,
            ending=self.ending,
            held=self.held if outcome is None else "",
            warnings=list(warnings),
            journal_bytes=self.journal_bytes,
            scratch=self.scratch,
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
        """Write the file; an error does not stop the run, but is reported."""
        try:
            write_progress(self._status, progress)
            self.write_problem = ""
        except StorageError as error:
            self.write_problem = str(error)
