"""Why a run failed: its causes with evidence and next steps, those of its sub-workflows, and what one job of it met.

The verdicts are those of `diagnosis/failure_analysis.py`, which `markab analyze` shows too; here each gets the lines on
which it rests, what the disk says now, and what to do. Reads a run that an engine is running as well; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause
from markab.diagnosis.edited_files import command_to_plan_again
from markab.diagnosis.error_rules import rule_of_stop
from markab.diagnosis.failed_ancestors import failed_ancestors
from markab.diagnosis.failed_job import FailedJob, examine_failed_job
from markab.diagnosis.failure_analysis import Analysis, Analyzer
from markab.diagnosis.failure_rules import ATTEMPTS_DIFFER, BAD_HOST, CERTAIN, UNKNOWN_RULE
from markab.diagnosis.waiting import WaitingReasons
from markab.engine.retry_policy import next_memory_mb
from markab.formatting import clipped, count, printable_line, shown_path, size
from markab.insight.found_facts import find_facts
from markab.insight.next_steps import next_steps, step_of_remedy
from markab.insight.passed_run import remarks_on
from markab.insight.pegasus_run import explain_pegasus_run
from markab.insight.verdict import Evidence, Explanation, FailureVerdict, NextStep
from markab.journal.attempt_story import CAPTURED_SHOWN_BYTES
from markab.journal.lifecycle import State
from markab.operations.run_names import Run, find_directory, find_run
from markab.operations.tree_jobs import run_of_job
from markab.plan.child_directory import root_directory, runs_below
from markab.plan.job_lookup import find_job
from markab.plan.model import Kind
from markab.plan.run_command import run_command
from markab.provenance.pegasus_directory import find_pegasus_directory
from markab.reports.hook_failures import hook_warnings
from markab.reports.status import status_of

EXAMINED = 20
"""Causes that are looked into on the disk; of further ones there is what the run recorded."""
BEHIND_NAMED = 3
JOBS_SEARCHED = 20_000
"""Jobs after one that failed among which those that depend on it are looked for."""
LAST_LINES = 20
"""Of each stream, of a failure that no rule explains."""
TEXT_CHARACTERS = 300
_LOGS_SHOWN = ("stderr", "stdout")


def explain(run: Run = None, job: str | None = None, *, everything: bool = False) -> Explanation:
    """Return why a run failed, or one job of it; with `everything`, also what is not as it should be where nothing failed.

    Raises:
        MarkabError: the run has no such job.
        NotARun, CorruptPlan, CorruptJournal: the run cannot be read.
    """
    if job is None and (pegasus := find_pegasus_directory(find_directory(run))) is not None:
        return explain_pegasus_run(pegasus)
    place = find_run(run)
    if job is not None:
        place, job = run_of_job(place, job)
        with closing(Analyzer(place)) as reader:
            found = _of_job(reader, reader.analyze(), job)
        inside = {one.jobs[0] for one in found.verdicts if one.rule == "F85"}
        for below in runs_below(place) if inside else ():
            if below.name.partition("/")[0] in inside:
                with closing(Analyzer(below.path)) as inner:
                    _add_below(found, _of_run(inner, inner.analyze(), everything=False), below.name)
        return found
    with closing(Analyzer(place)) as reader:
        found = _of_run(reader, reader.analyze(), everything=everything)
    for below in runs_below(place):
        with closing(Analyzer(below.path)) as inner:
            _add_below(found, _of_run(inner, inner.analyze(), everything=everything), below.name)
    return found


def _of_run(run: Analyzer, analysis: Analysis, *, everything: bool) -> Explanation:
    verdicts = [*_of_engine(run, analysis)]
    verdicts += _verdicts(run, analysis.groups)
    for verdict in _verdicts(run, run.group_causes(run.failing())):
        verdict.note = "is tried again" if run.has_engine else "would be tried again"
        verdicts.append(verdict)
    remarks = []
    if everything:
        for verdict in _verdicts(run, run.group_causes(run.passed_at_last())):
            verdict.note = "succeeded at a later attempt"
            remarks.append(verdict)
        remarks += remarks_on(run)
    return _explanation(run, analysis, verdicts, remarks)


def _explanation(
    run: Analyzer, analysis: Analysis, verdicts: list[FailureVerdict], remarks: Sequence[FailureVerdict] = ()
) -> Explanation:
    status = status_of(run)
    notes = [status.note] if status.note else []
    notes += hook_warnings(run.plan.header, run.place.path)
    is_open = not run.has_engine and analysis.state != "Success"
    return Explanation(
        run=shown_path(run.place.path),
        workflow=run.plan.header.workflow,
        state=analysis.state,
        verdicts=verdicts,
        failed=analysis.left["failed"],
        notes=notes,
        goes_on=run_command(root_directory(run.place)) if is_open else "",
        remarks=list(remarks),
    )


def _of_job(run: Analyzer, analysis: Analysis, name: str) -> Explanation:
    """Return what one job met: its own failure, those that hold it back, or what it waits for."""
    position = find_job(run.plan, name)
    states = run.job_states()
    job = run.plan.job(position)
    if states[position] in (State.SKIPPED, State.INCOMPLETE):
        above = failed_ancestors(run.plan, run.history.states, position)
        found = _explanation(run, analysis, _verdicts(run, _groups_with(analysis, above)))
        found.failed = len(above)
        what = "was not started" if states[position] == State.SKIPPED else "was done in part"
        found.notes.append(f"{job.id} {what}: {count(len(above), 'job')} before it failed")
        return found
    if states[position] == State.FAILED:
        group = next(group for group in analysis.groups if position in group.jobs)
        (own,) = run.group_causes([position])
        own.cause, own.blocked = group.cause if group.cause.rule == BAD_HOST else own.cause, group.blocked
        found = _explanation(run, analysis, _verdicts(run, [own]))
        found.failed = 1
        return found
    verdicts = _verdicts(run, run.group_causes([position])) if position in run.bad_at else []
    found = _explanation(run, analysis, [] if states[position] == State.SUCCEEDED else verdicts)
    if states[position] == State.SUCCEEDED:
        found.notes.append(f"{job.id} succeeded" + (" at a later attempt" if verdicts else ""))
        for verdict in verdicts:
            verdict.note = "succeeded at a later attempt"
        found.remarks = verdicts
        return found
    status = status_of(run)
    waits = WaitingReasons(
        run.plan,
        run.history,
        status.state,
        run.history.last_time,
        status.held,
        status.on_hold,
        status.in_queue,
    )
    reason = waits.of(position)
    what = reason.reason if reason else "under way" if position in run.history.under_way else "not started"
    found.notes.append(f"{job.id}: {what}; `markab why-idle {found.run} {quote(job.id)}` says more")
    return found


def _groups_with(analysis: Analysis, positions: Iterable[int]) -> list[CauseGroup]:
    wanted = set(positions)
    return [group for group in analysis.groups if not wanted.isdisjoint(group.jobs)]


def _add_below(found: Explanation, inner: Explanation, name: str) -> None:
    """Add what failed in a sub-workflow; its causes take the place of the failure of its job."""
    job = name.rpartition("/")[2]
    above = [one for one in found.verdicts if one.rule == "F85" and one.jobs == [job]]
    for verdict in [*inner.verdicts, *inner.remarks]:
        verdict.workflow = f"{name}/{verdict.workflow}".rstrip("/")
        verdict.blocked += sum(one.blocked for one in above)
        verdict.behind += [one for outer in above for one in outer.behind]
    if inner.verdicts:
        found.verdicts = [one for one in found.verdicts if one not in above]
        found.verdicts += inner.verdicts
        found.verdicts.sort(key=lambda one: -one.blocked)
    found.failed += inner.failed
    found.remarks += inner.remarks


# -- what the engine met -----------------------------------------------------------


def _of_engine(run: Analyzer, analysis: Analysis) -> Iterator[FailureVerdict]:
    """Yield what kept the engine from going on."""
    history = run.history
    place = shown_path(run.place.path)
    for stop, event in ((history.refusal, "refused"), (history.no_room, "no-room")):
        if stop is not None and not run.has_engine:
            number, _ = _last_line_with(run.place.journal, b'"event":"%s"' % event.encode())
            steps = [one for one in [step_of_remedy(stop.hint)] if one is not None]
            steps.append(NextStep("look what it asks for", f"markab show {place}"))
            yield FailureVerdict(
                rule_of_stop(event, stop.why),
                CERTAIN,
                [],
                "the engine did not run it" if event == "refused" else "the engine ended before all was done",
                stop.why,
                [Evidence(shown_path(run.place.journal), number, clipped(stop.why, TEXT_CHARACTERS))],
                steps,
            )
    if analysis.engine_crashed:
        running = [run.plan.outline[position].id for position in list(history.under_way)[:BEHIND_NAMED]]
        number, event = _last_line_with(run.place.journal, b'"event":')
        yield FailureVerdict(
            "F83",
            CERTAIN,
            running,
            "the engine stopped unexpectedly",
            "the journal ends without a `run-end`, and no engine holds its lock: it was killed, or its machine went down",
            [Evidence(shown_path(run.place.journal), number, f"the last record is a '{event}'")],
            [
                NextStep(
                    "continue: what succeeded is kept", run_command(root_directory(run.place)), mutating=True
                )
            ],
            blocked=analysis.not_started,
        )


def _last_line_with(path: Path, needle: bytes) -> tuple[int, str]:
    """Return the number of the last line of the journal that has a text, and its event; 0: there is none."""
    found, event = 0, ""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if needle in line:
                found = number
                _, _, rest = line.partition(b'"event":"')
                event = rest.partition(b'"')[0].decode("utf-8", "replace")
    return found, event


# -- what jobs met -----------------------------------------------------------------


def _verdicts(run: Analyzer, groups: Sequence[CauseGroup]) -> list[FailureVerdict]:
    groups = sorted(groups, key=lambda group: (-group.blocked, group.jobs[0]))
    numbers = _line_numbers(run, [run.bad_at[group.jobs[0]][-1] for group in groups])
    plan_again = command_to_plan_again(run, are_properties_edited=False) if groups else ""
    return [
        _verdict(run, group, numbers[run.bad_at[group.jobs[0]][-1]], plan_again, is_examined=n < EXAMINED)
        for n, group in enumerate(groups)
    ]


def _line_numbers(run: Analyzer, offsets: Iterable[int]) -> dict[int, int]:
    """Return the numbers of the lines of the journal that begin at these offsets."""
    found: dict[int, int] = {}
    number, at = 1, 0
    if not run.place.journal.exists():
        return found
    with open(run.place.journal, "rb") as file:
        for offset in sorted(set(offsets)):
            while at < offset:
                block = file.read(min(1 << 20, offset - at))
                if not block:
                    break
                number += block.count(b"\n")
                at += len(block)
            found[offset] = number
    return found


def _verdict(
    run: Analyzer, group: CauseGroup, line: int, plan_again: str, *, is_examined: bool
) -> FailureVerdict:
    position = group.jobs[0]
    job, cause = run.plan.job(position), group.cause
    place = shown_path(run.place.path)
    verdict = FailureVerdict(
        cause.rule,
        cause.certainty,
        [run.plan.outline[one].id for one in group.jobs],
        _what(run, group),
        cause.title,
        blocked=group.blocked,
        behind=_behind(run, position) if group.blocked and is_examined else [],
    )
    found = examine_failed_job(run, position) if is_examined else None
    record = found.record if found else run.record_at(run.bad_at[position][-1])
    verdict.evidence.append(_recorded(run, record, cause, line))
    first: list[NextStep] = []
    if found is not None:
        _add_measured(run, verdict, found, line)
        facts = find_facts(run, job, cause)
        verdict.evidence += facts.evidence
        first = facts.steps or _larger_request(run, found, cause)
        verdict.cause = facts.cause or verdict.cause
    name = quote(job.id)
    verdict.steps = next_steps(
        cause,
        first,
        look=f"markab logs {place} {name}",
        by_hand=f"markab analyze {place} --debug-job {name}" if job.tasks else "",
        plan_again=plan_again,
        goes_on="" if run.has_engine else run_command(root_directory(run.place)),
    )
    return verdict


def _what(run: Analyzer, group: CauseGroup) -> str:
    position = group.jobs[0]
    job = run.plan.job(position)
    record = run.record_at(run.bad_at[position][-1])
    host = f" on {record['host']}" if record.get("host") else ""
    argv = next((one["argv"] for one in record.get("invocations", ()) if one.get("status")), ())
    ran = f": {clipped(' '.join(argv), 120)}" if argv else ""
    return printable_line(f"{job.kind.value} {group.transformation} at {job.site}{host}{ran}")


def _behind(run: Analyzer, position: int) -> list[str]:
    """Return the names of the first few jobs that depend on a job: those of the workflow, if there are any."""
    below = {position}
    own: list[str] = []
    others: list[str] = []
    outline = run.plan.outline
    for other in range(position + 1, min(len(outline), position + JOBS_SEARCHED)):
        if not below.isdisjoint(outline[other].parents):
            below.add(other)
            is_own = outline[other].kind in (Kind.COMPUTE, Kind.SUBWORKFLOW)
            (own if is_own else others).append(outline[other].id)
            if len(own) == BEHIND_NAMED:
                break
    return own or others[:BEHIND_NAMED]


def _recorded(run: Analyzer, record: dict[str, Any], cause: Cause, line: int) -> Evidence:
    """Return the line on which a cause rests, with its place."""
    text = printable_line(clipped(cause.line or cause.title, TEXT_CHARACTERS))
    name = record.get(f"{cause.stream}_file") if cause.stream else None
    if name:
        path = run.place.path / str(name)
        return Evidence(shown_path(path), cause.number + _lines_before(path), text)
    within = f"line {cause.number} of {cause.stream}" if cause.stream and cause.number else ""
    return Evidence(shown_path(run.place.journal), line, text, within)


def _lines_before(path: Path) -> int:
    """Return how many lines of a long file come before the part in which causes are looked for."""
    try:
        with open(path, "rb") as file:
            left = path.stat().st_size - CAPTURED_SHOWN_BYTES
            number = 0
            while left > 0 and (block := file.read(min(1 << 20, left))):
                number += block.count(b"\n")
                left -= len(block)
            return number
    except OSError:
        return 0


def _add_measured(run: Analyzer, verdict: FailureVerdict, found: FailedJob, line: int) -> None:
    """Add what was measured, how the attempts ended, what a similar job has that succeeded, and of the unknown all that it printed."""
    journal = shown_path(run.place.journal)
    if verdict.rule in ("F51", "F52", "F55") and found.memory:
        verdict.evidence.append(Evidence(journal, line, f"memory: {found.memory}"))
    if verdict.rule == "F56":
        took_s = found.record.get("end", 0) - found.record.get("start", 0)
        limit = f"; it was given {found.job.max_wall_s:g} s" if found.job.max_wall_s else ""
        verdict.evidence.append(Evidence(journal, line, f"it ran for {took_s:.1f} s{limit}"))
    if verdict.rule == ATTEMPTS_DIFFER:
        verdict.evidence += [Evidence(journal, line, clipped(text, TEXT_CHARACTERS)) for text in found.tries]
        verdict.cause = "its attempts ended in different ways; which of them is the cause is not known"
    if found.sibling and found.differs:
        other = f"{found.sibling} succeeded; it differs: {'; '.join(found.differs)}"
        plan_line = run.plan.positions[found.sibling] + 2
        verdict.evidence.append(
            Evidence(shown_path(run.place.plan), plan_line, clipped(other, TEXT_CHARACTERS))
        )
    if verdict.rule == UNKNOWN_RULE:
        for stream in _LOGS_SHOWN:
            verdict.evidence += _last_lines(run, found, stream, line)


def _larger_request(run: Analyzer, found: FailedJob, cause: Cause) -> list[NextStep]:
    """Return the step that asks for more memory: as much as the engine would give the next attempt after a proven kill."""
    asked_mb = found.record.get("memory_mb") or found.job.memory_mb
    if cause.rule != "F52" or not asked_mb:
        return []
    is_remote = found.job.site in run.plan.header.remote_sites
    more_mb = next_memory_mb(found.record, asked_mb, 0 if is_remote else run.history.room[1])
    if more_mb <= asked_mb:
        return []
    return [
        NextStep(
            f"ask for {size(more_mb * 2**20)}, with the profile pegasus.memory, or give it less to do at once"
        )
    ]


def _last_lines(run: Analyzer, found: FailedJob, stream: str, line: int) -> Iterator[Evidence]:
    text = (found.stderr if stream == "stderr" else found.stdout).rstrip("\n")
    if not text:
        return
    name = found.record.get(f"{stream}_file")
    path = run.place.path / str(name) if name else run.place.journal
    before = _lines_before(path) if name else 0
    lines = text.split("\n")
    for number in range(max(0, len(lines) - LAST_LINES), len(lines)):
        shown = printable_line(clipped(lines[number], TEXT_CHARACTERS))
        if not shown.strip():
            continue
        if name:
            yield Evidence(shown_path(path), before + number + 1, shown)
        else:
            yield Evidence(shown_path(path), line, shown, f"line {number + 1} of {stream}")
