"""Which hooks are to be run, from the records of a journal. Pure.

The workflow has two events for each engine that opens the run: `start` and `end`. A job
has both for each of its attempts; a task that shares its job with others has them when
the attempt has ended, if it was run. An end is also `success` or `error`; that of an
attempt that was cancelled is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from markab.formatting import clipped
from markab.journal.attempt_record import AttemptRecord
from markab.journal.records import AttemptEnd, AttemptRunning, AttemptStart, EntryOf, RunEnd, RunStart
from markab.plan.model import Hook
from markab.provenance.stampede_states import exit_code, exit_status, failed_status
from markab.transfers.error_kinds import ErrorKind

START, SUCCESS, ERROR, END = "start", "on_success", "on_error", "at_end"
"""The events, as Pegasus names them for hooks."""
LONGEST_ERROR = 1000
"""Characters of the cause of a failure that a hook is told."""

_EVENTS = {"start": (START,), "success": (SUCCESS,), "error": (ERROR,), "end": (END,), "all": (START, END)}
"""`_on` of a hook → the events at which it is run."""


class HookKey(NamedTuple):
    """Identifies one call of a hook in the life of a run."""

    job: int
    """Position; -1: the workflow."""
    number: int
    """Of the attempt; of the workflow, of the engine, from 0."""
    event: str
    hook: int
    """Its place among the hooks of the job or the workflow."""


class HookCall(NamedTuple):
    """A hook that is to be run."""

    key: HookKey
    name: str
    """Of the job, or "workflow"."""
    words: Sequence[str]
    variables: Mapping[str, str]
    """For its environment."""
    outputs: tuple[str | None, str | None] = (None, None)
    """What the task wrote to its stdout and its stderr, if there is no file of it."""


class JobHooks(NamedTuple):
    """The hooks of the tasks of a job."""

    hooks: Sequence[Hook]
    is_cluster: bool = False
    """It has several tasks."""


class HookEvents:
    """Takes the records of a journal, oldest first, and yields the hooks to be run."""

    def __init__(
        self,
        workflow: Sequence[Hook],
        of_job: Callable[[int], JobHooks],
        local_sites: frozenset[str],
        submit_dir: str,
        uuid: str,
        title: str,
    ) -> None:
        """Args: `of_job` gives the hooks of the job at a position; `title` is the name of the workflow with its number."""
        self._workflow = workflow
        self._of_job = of_job
        self._local_sites = local_sites
        self._submit_dir = submit_dir
        self._uuid = uuid
        self._title = title
        self._engines = 0
        self._open: dict[int, str] = {}
        """Job with hooks of which an attempt is under way → its name."""
        self._begun: set[int] = set()
        """Those of them that run."""

    def of(self, entry: EntryOf[AttemptRecord]) -> Iterator[HookCall]:
        """Yield the calls for the next record."""
        handler = _HANDLERS.get(entry.__class__)
        return handler(self, entry) if handler is not None else iter(())

    # -- the workflow --------------------------------------------------------------

    def _run_start(self, it: RunStart) -> Iterator[HookCall]:
        self._engines = it.restart + 1
        yield from self._of_workflow(it.time, (START,), {})

    def _run_end(self, it: RunEnd) -> Iterator[HookCall]:
        status = {"PEGASUS_STATUS": "0" if it.outcome == "success" else "1", "MARKAB_OUTCOME": it.outcome}
        yield from self._of_workflow(it.time, (SUCCESS if it.outcome == "success" else ERROR, END), status)

    def _of_workflow(
        self, time: float, events: Sequence[str], status: Mapping[str, str]
    ) -> Iterator[HookCall]:
        for place, hook in enumerate(self._workflow):
            for event in _matching(hook, events):
                key = HookKey(-1, self._engines - 1, event, place)
                yield HookCall(
                    key,
                    "workflow",
                    hook.words,
                    {**self._about(event, time), "PEGASUS_JOBID": self._uuid, **status},
                )

    # -- jobs ----------------------------------------------------------------------

    def _start(self, it: AttemptStart) -> Iterator[HookCall]:
        if not self._of_job(it.job).hooks:
            return
        self._open[it.job] = it.id
        if it.site in self._local_sites:  # the executor runs it at once
            yield from self._began(it.job, it.attempt, it.time)

    def _is_running(self, it: AttemptRunning) -> Iterator[HookCall]:
        yield from self._began(it.job, it.attempt, it.time)

    def _began(self, job: int, attempt: int, time: float) -> Iterator[HookCall]:
        if (name := self._open.get(job)) is None or job in self._begun:
            return
        self._begun.add(job)
        job_hooks = self._of_job(job)
        if not job_hooks.is_cluster:
            for place, hook in enumerate(job_hooks.hooks):
                yield from self._calls(job, attempt, place, hook, time, (START,), {"PEGASUS_JOBID": name})

    def _end(self, it: AttemptEnd[AttemptRecord]) -> Iterator[HookCall]:
        if (name := self._open.get(it.job)) is None:
            return
        record = it.record
        if record.start is not None:
            yield from self._began(it.job, it.attempt, min(record.start, it.time))
        del self._open[it.job]
        self._begun.discard(it.job)
        job_hooks = self._of_job(it.job)
        for place, hook in enumerate(job_hooks.hooks):
            ended = _end_of_task(record, hook.task) if job_hooks.is_cluster else _end_of_job(record)
            if ended is not None:
                events, status = ended
                about = {"PEGASUS_JOBID": name, "PEGASUS_STATUS": str(status), **self._output_files(record)}
                if record.error is not None and ERROR in events:
                    about["MARKAB_ERROR"] = clipped(record.error.message.replace("\0", ""), LONGEST_ERROR)
                for call in self._calls(it.job, it.attempt, place, hook, it.time, events, about):
                    yield call._replace(outputs=(record.stdout, record.stderr))

    def _calls(
        self,
        job: int,
        attempt: int,
        place: int,
        hook: Hook,
        time: float,
        events: Sequence[str],
        about: Mapping[str, str],
    ) -> Iterator[HookCall]:
        for event in _matching(hook, events):
            own = {"MARKAB_TASK": hook.task, "MARKAB_ATTEMPT": str(attempt)}
            variables = {**self._about(event, time), **about, **own}
            yield HookCall(HookKey(job, attempt, event, place), about["PEGASUS_JOBID"], hook.words, variables)

    def _output_files(self, record: AttemptRecord) -> dict[str, str]:
        """Return the files that have the output of an attempt, where it was too long for its record."""
        files = {"PEGASUS_STDOUT": record.stdout_file, "PEGASUS_STDERR": record.stderr_file}
        return {name: f"{self._submit_dir}/{file}" for name, file in files.items() if file}

    def _about(self, event: str, time: float) -> dict[str, str]:
        iso = datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="seconds")
        return {
            "PEGASUS_EVENT": event,
            "PEGASUS_EVENT_TIMESTAMP": str(int(time)),
            "PEGASUS_EVENT_TIMESTAMP_ISO": iso,
            "PEGASUS_SUBMIT_DIR": self._submit_dir,
            "PEGASUS_WFID": self._title,
        }


_HANDLERS: Mapping[type, Callable[[HookEvents, Any], Iterator[HookCall]]] = {
    RunStart: HookEvents._run_start,
    RunEnd: HookEvents._run_end,
    AttemptStart: HookEvents._start,
    AttemptRunning: HookEvents._is_running,
    AttemptEnd: HookEvents._end,
}


def _matching(hook: Hook, events: Sequence[str]) -> Iterator[str]:
    return (event for event in events if event in _EVENTS[hook.on])


def _end_of_job(record: AttemptRecord) -> tuple[Sequence[str], int]:
    """Return the events of an attempt that ended, and its status."""
    status = exit_code(exit_status(record))
    if record.ok:
        return (SUCCESS, END), status
    if record.error is not None and record.error.kind == ErrorKind.CANCELLED:
        return (END,), status
    return (ERROR, END), status


def _end_of_task(record: AttemptRecord, task: str) -> tuple[Sequence[str], int] | None:
    """Return the events of a task of a cluster and its status; None: this attempt did not run it."""
    statuses = [invocation.status for invocation in record.invocations if invocation.task == task]
    if not statuses:
        return None
    if not any(statuses):
        return (START, SUCCESS, END), 0
    return (START, ERROR, END), exit_code(failed_status(statuses))
