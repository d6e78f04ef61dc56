"""The hooks of one run: read from its journal, started as many at a time as allowed, and reaped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from markab.hooks.hook_events import HookCall, HookEvents, JobHooks
from markab.hooks.hook_log import HookLog
from markab.hooks.hook_process import HookProcess
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, EntryOf, decoder
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import planned_directory
from markab.plan.model import ChildPlan, Hook, Kind, RunHooks
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir

AHEAD = 1000
"""So many calls wait in memory; others wait in the journal."""
REMEMBERED_JOBS = 4096


class HookQueue:
    """The hooks of one run: those that are due, and those that run."""

    def __init__(self, submit_dir: Path, environment: Mapping[str, str]) -> None:
        """Open a run. Raises as `PlanFile`, `read_braindump` and `HookLog`."""
        directory = SubmitDir(submit_dir)
        self._plan = PlanFile(directory.plan)
        header, braindump = self._plan.header, read_braindump(directory.braindump)
        self._hooks = header.hooks or RunHooks()
        self._directory = directory.path
        self._environment = environment
        self._log: HookLog | None = None
        title = str(braindump.get("pegasus_wf_name") or header.workflow)
        self._outline = lru_cache(REMEMBERED_JOBS)(self._read_outline)
        self._events = HookEvents(
            self._hooks.workflow,
            self._of_job,
            header.local_sites,
            str(directory.path),
            str(braindump.get("wf_uuid") or ""),
            title,
        )
        self._bodies = JournalReader(directory.journal)
        self._decode = decoder(AttemptRecord)
        self._due: deque[HookCall] = deque()
        self._running: list[HookProcess] = []
        self._planned: dict[int, tuple[str, int]] = {}
        """Sub-workflow whose attempt is under way, or was when it was last looked for → the name of its job, and the attempt."""
        self._over: set[int] = set()
        """Those whose attempt has ended."""

    @property
    def is_idle(self) -> bool:
        """No hook runs, and none is due."""
        return not self._running and not self._due

    @property
    def running(self) -> int:
        """How many hooks run."""
        return len(self._running)

    def turn(self, others: int = 0) -> bool:
        """Look at the hooks that run, read the journal, and start hooks; return whether all of the journal was read.

        `others` is how many hooks of other runs run: they count too.
        """
        self._reap()
        is_read = len(self._due) < AHEAD
        if is_read:
            for body in self._bodies.bodies():
                entry = self._decode(body)
                self._due.extend(self._events.of(entry))
                self._note_child(entry)
                if len(self._due) >= AHEAD:
                    is_read = False
                    break
        while self._due and len(self._running) + others < self._hooks.at_once:
            call = self._due.popleft()
            self._log = self._log or HookLog(self._directory)
            if self._log.claim(call, time.time()):
                self._running.append(HookProcess(call, self._directory, self._environment, time.monotonic()))
        return is_read

    def _reap(self) -> None:
        now_s, running = time.monotonic(), []
        for process in self._running:
            if process.is_over(now_s, self._hooks.limit_s):
                assert self._log is not None, "its start was recorded"
                self._log.note_end(process.call.key, time.time(), process.status, process.output, process.why)
            else:
                running.append(process)
        self._running = running

    def children(self) -> Iterator[Path]:
        """Yield the submit directories of sub-workflows that started, or were under way, since the last call."""
        for position, (job, attempt) in self._planned.items():
            child = self._outline(position).child
            name = (
                child.run
                if child and child.run
                else planned_directory(self._directory, position, job, attempt)
            )
            if name:
                yield self._directory / name
        for position in self._over:
            self._planned.pop(position, None)
        self._over.clear()

    def _note_child(self, entry: EntryOf[AttemptRecord]) -> None:
        if isinstance(entry, AttemptStart):
            if self._outline(entry.job).kind is Kind.SUBWORKFLOW:
                self._planned[entry.job] = entry.id, entry.attempt
                self._over.discard(entry.job)
        elif isinstance(entry, AttemptEnd) and entry.job in self._planned:
            self._over.add(entry.job)

    def _of_job(self, position: int) -> JobHooks:
        found = self._outline(position)
        return JobHooks(found.hooks, len(found.tasks) > 1)

    def _read_outline(self, position: int) -> _Outline:
        return msgspec.json.decode(self._plan.line(position), type=_Outline)


class _Outline(msgspec.Struct):
    """What matters here of a job; the same keys as `PlannedJob`."""

    kind: Kind
    hooks: list[Hook] = []
    tasks: list[_AnyTask] = []
    child: ChildPlan | None = None


class _AnyTask(msgspec.Struct):
    """A task of a job, of which only the number matters."""
