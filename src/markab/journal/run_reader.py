"""Reading a run from outside, repeatedly, while an engine may be running it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markab.journal.attempt_record import AttemptSuccess
from markab.journal.history import History
from markab.journal.lock import holder
from markab.journal.progress import Progress, read_progress
from markab.journal.reader import JournalReader, Line
from markab.journal.records import EntryOf, decoder
from markab.journal.skipped_jobs import mark_skipped
from markab.plan.braindump import Braindump, read_braindump
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir, find_submit_dir

STATES = {
    "success": "Success",
    "failed": "Failure",
    "halted": "Halted",
    "interrupted": "Halted",
    "removed": "Removed",
}
"""How the last engine ended → the state of the run."""


class RunReader:
    """A run as recorded in its files: plan, journal, lock and status file.

    Each `read` costs only what happened since the last. A subclass that
    needs more of each record than the history does extends `take`, and sets with
    `depth` how much of a worker's record is decoded.
    """

    depth: type[AttemptSuccess] = AttemptSuccess

    def __init__(self, submit_dir: str | Path | None) -> None:
        """Open a run; None is the current directory. Reads no journal yet.

        Raises:
            NotARun: there is none.
            NewerFormat, CorruptPlan: its plan cannot be read.
        """
        self.place: SubmitDir = find_submit_dir(submit_dir)
        self.plan = PlanFile(self.place.plan)
        self.history = History(self.plan.header)
        self.braindump: Braindump = (
            read_braindump(self.place.braindump) if self.place.braindump.exists() else {}
        )
        self.has_engine = False
        """An engine was running it when that was last checked."""
        self._journal = JournalReader(self.place.journal)
        self._decode = decoder(self.depth)

    def look_for_engine(self) -> bool:
        """Return whether an engine is running it, and set `has_engine`."""
        self.has_engine = holder(self.place.lock) is not None
        return self.has_engine

    def read(self) -> None:
        """Apply the records written since the last call.

        Raises:
            CorruptJournal: the journal is damaged.
        """
        for line in self.new_lines():
            self.take(self._decode(line[2]), line)

    def new_lines(self) -> Iterator[Line]:
        """Return the lines written since the last call, for a caller that processes each itself."""
        # The lock is checked before the journal is read: an engine that ends in between has written everything.
        self.look_for_engine()
        return self._journal.lines()

    def take(self, entry: EntryOf[Any], line: Line) -> None:
        """Apply the next record, which is in a line of the journal."""
        self.history.apply(entry)

    def job_states(self) -> bytearray:
        """Return the state of every job as of the last `read`; one that waits, and never will run, is SKIPPED."""
        states = bytearray(self.history.states)
        mark_skipped(states, self.plan.outline, self.history.served)
        return states

    @property
    def state(self) -> str:
        """`Not started`, `Refused`, `Running`, `Success`, `Failure`, `Halted` or `Removed`, as of the last `read`."""
        if self.has_engine:
            return "Running"
        if self.history.refusal is not None:
            return "Refused"
        if not self.history.runs:
            return "Not started"
        return STATES.get(self.history.outcome or "", "Halted")

    @property
    def engine_crashed(self) -> bool:
        """The last engine was killed, and no other has opened the run since."""
        return bool(self.history.runs) and not self.has_engine and self.history.outcome is None

    @property
    def uuid(self) -> str:
        """Of the workflow; empty when the braindump does not have it."""
        return self.braindump.get("wf_uuid") or ""

    @property
    def dag(self) -> str:
        """What Pegasus' tools call the run: its name and `.dag`."""
        name = self.braindump.get("pegasus_wf_name") or self.plan.header.workflow
        return self.braindump.get("dag") or f"{name}.dag"

    def engine_progress(self) -> Progress | None:
        """Return the progress that the running engine last wrote; None when none runs, or it wrote none yet.

        An engine writes nothing before it has taken the lock, so a status file older
        than that is of one before it. Both times are of the file system's clock.
        """
        if not self.has_engine:
            return None
        try:
            is_its_own = self.place.status.stat().st_mtime_ns >= self.place.lock.stat().st_mtime_ns
        except OSError:
            return None
        return read_progress(self.place.status) if is_its_own else None

    def close(self) -> None:
        """Close the plan."""
        self.plan.close()
