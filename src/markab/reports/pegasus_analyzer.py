"""The failures of a run in the formats of Pegasus' analyzer: its JSON, and its text.

In the JSON, an unknown string is "-". Markab's own keys are `causes`, the groups of equal
failures, those that block most jobs first; `undelivered`, the results that were not delivered,
each with the reason; and among the numbers of jobs `incomplete`, those done in part, if there are any.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause, failed_invocation
from markab.diagnosis.failed_job import FailedJob, examine_failed_job
from markab.diagnosis.failure_analysis import Analysis, Analyzer
from markab.formatting import output_lines, tail
from markab.journal.attempt_record import AttemptRecord
from markab.journal.attempt_story import captured
from markab.plan.model import PlannedJob
from markab.provenance.stampede_states import last_states

NONE = "-"
OUTPUT_LINES = 10
"""Number of lines shown of a job's output: the last ones."""
_LINE = 80
DETAILS_TITLE = "Failed jobs' details".center(_LINE, "*")


def to_json(run: Analyzer, analysis: Analysis) -> dict[str, Any]:
    """Return the failures of a run as plain data."""
    braindump = run.braindump
    state = {"Success": "success", "Running": "running", "Not started": "running"}.get(
        analysis.state, "failure"
    )
    workflow = {
        "wf_uuid": run.uuid or NONE,
        "dag_file_name": run.dag or NONE,
        "submit_hostname": braindump.get("submit_hostname") or NONE,
        "submit_dir": str(run.place.path),
        "user": braindump.get("user") or NONE,
        "planner_version": braindump.get("planner_version") or NONE,
        "wf_name": braindump.get("pegasus_wf_name") or run.plan.header.workflow,
        "wf_status": state,
        "parent_wf_name": NONE,
        "parent_wf_uuid": NONE,
        "jobs": {
            "total": len(run.plan),
            "success": analysis.left["succeeded"],
            "failed": analysis.left["failed"],
            "held": analysis.held,
            "unsubmitted": analysis.not_started,
            **({"incomplete": analysis.left["incomplete"]} if analysis.left["incomplete"] else {}),
            "job_details": _details_by_state(run, analysis),
        },
    }
    return {
        "root_wf_uuid": run.uuid or NONE,
        "submit_directory": str(run.place.path),
        "workflows": {"root": workflow},
        "left": analysis.left,
        "causes": [_cause(run, group) for group in analysis.groups],
        "undelivered": [one._asdict() for one in analysis.undelivered],
    }


def _details_by_state(run: Analyzer, analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Return the details of the jobs that failed, that will be tried again, and of which no end is known."""
    details: dict[str, dict[str, Any]] = {}
    failed = [position for group in analysis.groups for position in group.jobs]
    if failed:
        details["failed_jobs_details"] = _details(run, failed)
    known = set(failed)
    retried = [
        p for p in run.bad_at if p not in known and run.ok_at[p] < 0 and p not in run.history.under_way
    ]
    if retried:
        details["failing_jobs_details"] = _details(run, retried, "FAILING")
    lost = [] if analysis.state == "Running" else sorted(run.history.under_way)
    if lost:
        details["unknown_jobs_details"] = {
            run.plan.outline[p].id: _detail(run, run.plan.job(p), p, {}, "UNKNOWN") for p in lost
        }
    return details


def _cause(run: Analyzer, group: CauseGroup) -> dict[str, Any]:
    """Return a group of equal failures as plain data."""
    return {
        **group.cause.to_json(),
        "transformation": group.transformation,
        "jobs": [run.plan.outline[position].id for position in group.jobs],
        "holds_up": group.blocked,
        "first": _failed_job(examine_failed_job(run, group.jobs[0])),
    }


def _failed_job(found: FailedJob) -> dict[str, Any]:
    """Return one failed job as plain data."""
    return {
        "job": found.job.id,
        "command": found.failed_command,
        "site": found.job.site,
        "host": found.host,
        "directory": found.directory,
        "attempts": found.tries,
        "inputs": found.inputs,
        "memory": found.memory,
        "sibling": found.sibling,
        "differs": found.differs,
        "files": dict(found.files()),
        "stdout": tail(found.stdout, OUTPUT_LINES),
        "stderr": tail(found.stderr, OUTPUT_LINES),
    }


def pegasus_text(
    run: Analyzer,
    analysis: Analysis,
    *,
    summary: bool = False,
    quiet: int = 0,
    verbose: int = 0,
    commands: bool = False,
) -> str:
    """Return the failures in the text of Pegasus' analyzer: counts, then a block for each failed job."""
    left = analysis.left
    counts = [
        ("succeeded", left["succeeded"]),
        ("failed", left["failed"]),
        ("held", analysis.held),
        ("unsubmitted", analysis.not_started),
    ]
    also = (
        ("done in part", "incomplete"),
        ("cancelled", "cancelled"),
        ("lost", "lost"),
        ("under way", "running"),
    )
    counts += [(label, left[word]) for label, word in also if left[word]]
    state = {"Success": "success", "Failure": "failure"}.get(analysis.state, analysis.state.lower())
    lines = summary_lines(run.place.path, state, len(run.plan), counts)
    if refusal := run.history.refusal:
        lines += [f"refused: {refusal.why}", f"  hint: {refusal.hint}", ""]
    if lack := run.history.no_room:
        lines += [f"stopped: {lack.why}", f"  hint: {lack.hint}", ""]
    if summary or not analysis.groups:
        return "\n".join(lines) + "\n"
    lines += [DETAILS_TITLE, ""]
    for group in analysis.groups:
        for position in group.jobs:
            job, record = run.plan.job(position), run.records(position)[-1]
            one = _detail(run, job, position, record, _last_state(record))
            cause = replace(run.cause(job, record), rule=group.cause.rule, certainty=group.cause.certainty)
            lines += job_block(one, cause, lines_shown(quiet, verbose), commands)
    return "\n".join(lines) + "\n"


def summary_lines(place: Path, state: str, total: int, counts: Sequence[tuple[str, int]]) -> list[str]:
    """Return the first lines: the state of a run, and its numbers of jobs by state."""
    numbers = [("Total jobs", total), *((f"# jobs {label:<11}", number) for label, number in counts)]
    return [
        "",
        "Summary".center(_LINE, "*"),
        "",
        f" Submit Directory   : {place}",
        f" Workflow Status    : {state}",
        *(f" {label:<18} : {n:6d} ({100 * n / total if total else 0:.2f}%)" for label, n in numbers),
        "",
    ]


def lines_shown(quiet: int, verbose: int) -> int:
    """Return how many lines of a job's output are printed."""
    return 0 if quiet else 10**6 if verbose else 4 * OUTPUT_LINES


def job_block(one: dict[str, Any], cause: Cause, lines_shown: int, commands: bool) -> list[str]:
    """Return the block of a failed job; `one` has its details as in the JSON."""
    lines = [
        one["job_name"].center(_LINE, "="),
        "",
        f" last state: {one['state']}",
        f"       site: {one['site']}",
        f"submit file: {one['submit_file']}",
        f"output file: {one['stdout_file']}",
        f" error file: {one['stderr_file']}",
        f"      cause: {cause.title}",
        f"    verdict: {cause.verdict}",
    ]
    if cause.remedy:
        lines.append(f"     remedy: {cause.remedy}")
    lines.append("")
    for number, task in enumerate(one["tasks"].values(), 1):
        lines += [
            f"Task #{number} - Summary".center(_LINE, "-"),
            "",
            f"site        : {one['site']}",
            f"hostname    : {one['hostname']}",
            f"executable  : {task['executable']}",
            f"arguments   : {task['arguments']}",
            f"exitcode    : {task['exitcode']}",
            f"working dir : {one['work_dir']}",
            "",
        ]
        if commands:
            words = "" if task["arguments"] == NONE else f" {task['arguments']}"
            directory = "" if one["work_dir"] == NONE else f"cd {shlex.quote(one['work_dir'])} && "
            lines[-1:] = [f"invocation  : {directory}{shlex.quote(task['executable'])}{words}", ""]
    for stream in ("stdout", "stderr"):
        if lines_shown and one[f"{stream}_text"] != NONE:
            printed = output_lines(one[f"{stream}_text"], lines_shown)
            lines += [f" {stream} ".center(_LINE, "-"), "", *printed, ""]
    return lines


def _details(run: Analyzer, positions: list[int], state: str = "") -> dict[str, Any]:
    """Return the details of jobs; `state` is that of their last attempt unless given."""
    details = {}
    for position in positions:
        record = run.records(position)[-1]
        job = run.plan.job(position)
        details[job.id] = _detail(run, job, position, record, state or _last_state(record))
    return details


def _detail(
    run: Analyzer, job: PlannedJob, position: int, record: dict[str, Any], state: str
) -> dict[str, Any]:
    ran = {entry.get("task"): entry for entry in record.get("invocations", ())}
    argv = failed_invocation(record).get("argv") or []
    tasks = {}
    for number, task in enumerate(job.tasks, 1):
        entry = ran.get(task.id)
        if entry is None and ran:
            continue
        words = (entry or {}).get("argv", [])
        tasks[str(number)] = {
            "task_submit_seq": number,
            "exitcode": shell_exit_code((entry or {}).get("status", -1)),
            "executable": task.executable,
            "arguments": shlex.join(words[1:]) if words else task.arguments or NONE,
            "transformation": task.transformation,
            "abs_task_id": task.id,
        }

    def file(stream: str) -> str:
        name = record.get(f"{stream}_file")
        return str(Path(run.place.path) / name) if name else NONE

    return {
        "job_name": job.id,
        **({"label": job.label} if job.label else {}),
        "state": state,
        "site": job.site,
        "hostname": record.get("host") or NONE,
        "work_dir": record.get("cwd") or NONE,
        "submit_file": f"{run.place.plan}:{position + 2}",
        "stdout_file": file("stdout"),
        "stderr_file": file("stderr"),
        "executable": argv[0] if argv else job.tasks[0].executable if job.tasks else NONE,
        "argv": shlex.join(argv[1:]) if argv else job.tasks[0].arguments if job.tasks else NONE,
        "pre_executable": NONE,
        "pre_argv": NONE,
        "submit_dir": str(run.place.path),
        "subwf_dir": NONE,
        "stdout_text": captured(record, "stdout", run.place.path) or NONE,
        "stderr_text": captured(record, "stderr", run.place.path)
        or (record.get("error") or {}).get("message", NONE),
        "tasks": tasks,
    }


def _last_state(record: dict[str, Any]) -> str:
    """Return the last state that Pegasus would record for an attempt."""
    return last_states(msgspec.convert(record, AttemptRecord))[-1][0]


def shell_exit_code(status: int) -> int:
    """Return a raw wait status as a shell's exit code: 128 + N if signal N ended it; -1: never started."""
    if status < 0:
        return -1
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
