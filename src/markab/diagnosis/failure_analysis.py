"""The failures of a run: its failed jobs grouped by cause, and the other jobs counted by state.

The journal is read once. Of each end of an attempt only its offset is kept, so that
a million jobs fit in memory; records are read again for the jobs that failed.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from markab.diagnosis.attempt_cause import attempt_cause, failed_task
from markab.diagnosis.bad_hosts import blame_hosts
from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause
from markab.diagnosis.failure_rules import ATTEMPTS_DIFFER, CERTAIN
from markab.diagnosis.undelivered import Undelivered, undelivered_results
from markab.journal.lifecycle import State
from markab.journal.reader import Line
from markab.journal.records import AttemptEnd, AttemptStart, EntryOf, Refresh, RunStart, Undone, decode
from markab.journal.run_reader import RunReader
from markab.plan.model import PlannedJob
from markab.spec.gc_pause import without_garbage_collection
from markab.transfers.error_kinds import ErrorKind

BITS = 62
"""Groups whose blocked jobs are counted apart; all further groups count as one."""

LEFT = (
    "succeeded",
    "failed",
    "incomplete",
    "failing",
    "running",
    "cancelled",
    "lost",
    "blocked",
    "unsubmitted",
)
"""The states in which a job can be: `incomplete` did what it could without jobs that failed, `failing` failed and has a retry left, `blocked` has an ancestor
that failed permanently, `unsubmitted` was never started although no ancestor failed."""


@dataclass
class Analysis:
    """The failures of a run."""

    state: str
    """Of the run; see `RunReader.state`."""
    groups: list[CauseGroup]
    """Those that block most jobs first, then in the order of the plan."""
    left: dict[str, int]
    """State of jobs (see LEFT) → their number."""
    examples: dict[str, list[str]]
    """State of jobs → the first few, with their labels."""
    held: int = 0
    timed_out: int = 0
    """Failed jobs that exceeded their wall time."""
    engine_crashed: bool = False
    undelivered: list[Undelivered] = field(default_factory=list)
    """The results that were not delivered."""

    @property
    def has_failure(self) -> bool:
        """There is a failure that no running engine will retry."""
        ended_badly = self.engine_crashed or self.state in ("Removed", "Refused")
        return bool(self.left["failed"] or self.left["incomplete"] or self.left["lost"] or ended_badly)

    @property
    def not_started(self) -> int:
        """Jobs of which the last engine started no attempt."""
        return self.left["blocked"] + self.left["unsubmitted"]


class Analyzer(RunReader):
    """A run that is read for its failures."""

    def __init__(self, submit_dir: str | Path | None) -> None:
        """Open a run; raises as `RunReader` does."""
        super().__init__(submit_dir)
        self.ok_at = array("q", [-1]) * len(self.plan)
        """Position → offset of its successful end in the journal; -1: it has none that counts."""
        self.bad_at: dict[int, list[int]] = {}
        """Position → offsets of its failed ends, oldest first; in the order of the first failure."""
        self._began_at = 0
        """Offset of the last `run-start`."""
        self._journal_file: BinaryIO | None = None

    def read(self) -> None:
        """Apply the records written since the last call; raises as that of `RunReader`."""
        with without_garbage_collection():
            super().read()

    def take(self, entry: EntryOf[Any], line: Line) -> None:
        """Process the next record, and keep the offset of an end."""
        self.history.apply(entry)
        if entry.__class__ is AttemptStart:  # nearly half of all records
            return
        if isinstance(entry, AttemptEnd):
            if entry.record.ok:
                self.ok_at[entry.job] = line[0]
            else:
                self.bad_at.setdefault(entry.job, []).append(line[0])
        elif isinstance(entry, RunStart):
            self._began_at = line[0]
        elif isinstance(entry, Undone):
            self.ok_at[entry.job] = -1
        elif isinstance(entry, Refresh):
            for job in entry.jobs:
                self.ok_at[job] = -1

    def record_at(self, place: int) -> dict[str, Any]:
        """Return the worker's record in the end of an attempt at an offset of the journal."""
        if self._journal_file is None:
            self._journal_file = open(self.place.journal, "rb")
        self._journal_file.seek(place)
        end = decode(self._journal_file.readline()[9:])
        assert isinstance(end, AttemptEnd)
        return end.record

    def records(self, position: int) -> list[dict[str, Any]]:
        """Return the records of a job's failed attempts, oldest first."""
        return [self.record_at(place) for place in self.bad_at.get(position, ())]

    def cause(self, job: PlannedJob, record: dict[str, Any]) -> Cause:
        """Return why an attempt failed."""
        return attempt_cause(self.plan, job, record, self.place.path, self.history.room[1])

    def analyze(self) -> Analysis:
        """Read the new records, and return the failures of the run.

        Raises:
            CorruptJournal: the journal is damaged.
        """
        self.read()
        return self.analysis()

    def analysis(self) -> Analysis:
        """Return the failures of the run at its last `read`."""
        with without_garbage_collection():
            return self._analysis()

    def _analysis(self) -> Analysis:
        states = self.history.states
        groups = self.group_causes(p for p in sorted(self.bad_at) if states[p] == State.FAILED)
        blame_hosts(self.plan, states, groups, self._host_of_failure, self._host_of_success)
        self._count_blocked(groups)
        groups.sort(key=lambda group: -(group.blocked + len(group.jobs)))
        left: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        for position, word in enumerate(self._left()):
            left[word] += 1
            if len(few := examples.setdefault(word, [])) < 3:
                few.append(self.plan.title(position))
        kinds: Counter[str] = Counter()
        for group in groups:
            kinds[group.cause.kind] += len(group.jobs)
        return Analysis(
            self.state,
            groups,
            {word: left[word] for word in LEFT},
            examples,
            held=kinds[ErrorKind.HELD],
            timed_out=kinds[ErrorKind.TIMEOUT],
            engine_crashed=self.engine_crashed,
            undelivered=self.undelivered(),
        )

    def undelivered(self) -> list[Undelivered]:
        """Return the results that were not delivered, as of the last `read`."""
        is_over = self.state == "Failure"
        return list(undelivered_results(self.plan, self.history.states, self.records, is_over=is_over))

    def _host_of_failure(self, position: int) -> str:
        return str(self.record_at(self.bad_at[position][-1]).get("host", ""))

    def _host_of_success(self, position: int) -> str:
        place = self.ok_at[position]
        return str(self.record_at(place).get("host", "")) if place >= 0 else ""

    def close(self) -> None:
        """Close the journal and the plan."""
        if self._journal_file is not None:
            self._journal_file.close()
            self._journal_file = None
        super().close()

    def failing(self) -> list[int]:
        """Return the jobs that failed and will be tried again, in the order of the plan."""
        final = (State.FAILED, State.INCOMPLETE, State.SUCCEEDED)
        return [position for position in sorted(self.bad_at) if self.history.states[position] not in final]

    def passed_at_last(self) -> list[int]:
        """Return the jobs that succeeded after attempts that failed, in the order of the plan."""
        return [p for p in sorted(self.bad_at) if self.history.states[p] == State.SUCCEEDED]

    def group_causes(self, positions: Iterable[int]) -> list[CauseGroup]:
        """Return the causes of the last failed attempts of these jobs, equal failures together, in their order."""
        groups: dict[tuple[str, str, str, str], CauseGroup] = {}
        for position in positions:
            job = self.plan.job(position)
            record = self.record_at(self.bad_at[position][-1])
            cause, task = self.cause(job, record), failed_task(job, record)
            if len(self.bad_at[position]) > 1:
                cause = self._unless_attempts_differ(job, position, cause)
            runs = task.transformation if task is not None else job.kind.value
            key = (runs, cause.kind, cause.rule, _without(cause.signature(job.id), job))
            groups.setdefault(key, CauseGroup(cause, runs)).jobs.append(position)
        return list(groups.values())

    def _unless_attempts_differ(self, job: PlannedJob, position: int, cause: Cause) -> Cause:
        """Return the cause of a job's last attempt; if others ended by other rules, as one of several, none of which is named."""
        rules = {cause.rule}
        for place in self.bad_at[position][:-1]:
            if (
                place < self._began_at
            ):  # before an earlier call of the engine ended: something was corrected since
                continue
            record = self.record_at(place)
            if (record.get("error") or {}).get("kind") not in (ErrorKind.CANCELLED, ErrorKind.LOST):
                rules.add(self.cause(job, record).rule)
        return cause if len(rules) == 1 else replace(cause, rule=ATTEMPTS_DIFFER, certainty=CERTAIN)

    def _count_blocked(self, groups: list[CauseGroup]) -> None:
        """Count, for each group, the jobs below its jobs. Parents stand above their children."""
        self._blocked = bytearray(len(self.plan))
        if not groups:
            return
        above = array("Q", bytes(8 * len(self.plan)))
        failed = bytearray(len(self.plan))
        for number, group in enumerate(groups):
            for position in group.jobs:
                above[position] = 1 << min(number, BITS)
                failed[position] = 1
        seen: Counter[int] = Counter()
        for position, job in enumerate(self.plan.outline):
            if failed[position]:
                continue
            bits = 0
            for parent in job.parents:
                bits |= above[parent]
            if bits and self.history.states[position] != State.SUCCEEDED:
                above[position] = bits
                self._blocked[position] = 1
                seen[bits] += 1
        for bits, number in seen.items():
            for place in range(min(len(groups), BITS)):
                if bits >> place & 1:
                    groups[place].blocked += number

    def _left(self) -> Iterator[str]:
        states, under_way = self.history.states, self.history.under_way
        goes_on = self.has_engine
        for position, state in enumerate(states):
            if state == State.SUCCEEDED:
                yield "succeeded"
            elif state == State.FAILED:
                yield "failed"
            elif state == State.INCOMPLETE:
                yield "incomplete"
            elif position in under_way:
                yield "running" if goes_on else "lost"
            elif self._blocked[position]:
                yield "blocked"
            elif position in self.bad_at:
                kind = (self.record_at(self.bad_at[position][-1]).get("error") or {}).get("kind")
                if kind in (ErrorKind.CANCELLED, ErrorKind.LOST):
                    yield "unsubmitted" if goes_on else kind
                else:
                    yield "failing"
            else:
                yield "unsubmitted"


def _without(signature: str, job: PlannedJob) -> str:
    """Return a signature without the names of the job's tasks and files."""
    names = {task.id for task in job.tasks}
    names.update(file.lfn for file in job.inputs[:20])
    names.update(file.lfn for file in job.outputs[:20])
    for name in sorted(names, key=len, reverse=True):
        if len(name) > 2:
            signature = signature.replace(name, "#")
    return signature
