"""Everything recorded about a run's jobs, for `show`: the line of the plan, the attempts, their output."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.reuse_verdict import find_origin
from markab.formatting import duration, moment, output_lines, printable_line, size
from markab.journal.attempt_story import (
    AttemptStory,
    captured,
    environment_texts,
    error_lines,
    log_texts,
    read_attempts,
)
from markab.journal.lifecycle import State
from markab.journal.run_reader import RunReader
from markab.plan.job_lookup import find_job
from markab.reports.container_text import container_texts
from markab.reports.reused_task import REUSED, reused_rows
from markab.transfers.base import redact

LINES_SHOWN = 40
FILES_SHOWN = 100


LOST = "lost with the engine"
"""The state of a job whose attempt was alive when the last engine was killed."""


@dataclass
class JobStory:
    """A job: its plan, its state and its attempts."""

    plan: dict[str, Any]
    state: str
    attempts: list[AttemptStory]
    parents: list[str]
    label: str = ""
    submit_dir: Path = Path()
    origin: str = ""
    """The job of an earlier run that made its outputs, if it brought them."""
    task: str = ""
    """Id of the task that was named, if the job has others too: only it and its processes are shown."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        attempts = [
            {"attempt": a.number, "site": a.site, "start": a.start, "record": a.record, "after": a.after}
            for a in self.attempts
        ]
        named = {"job": self.plan["id"], "label": self.label, "state": self.state}
        if self.task:
            named["task"] = self.task
        return named | {"plan": self.plan, "attempts": attempts}

    def text(self) -> str:
        """Return it as text; long output of tasks is cut to its last lines."""
        lines = [f"{self.plan['id']}  ({self.plan['kind']} at {self.plan['site']}): {self.state}"]
        if self.label:
            lines.append(f"label    {printable_line(self.label)}")
        plan, attempts = self.plan, self.attempts
        if self.task:
            ids = [task["id"] for task in plan["tasks"]]
            lines.append(
                f"cluster  {self.task} is task {ids.index(self.task) + 1} of {len(ids)} that it runs"
            )
            task = plan["tasks"][ids.index(self.task)]
            makes = frozenset(task.get("makes", ()))
            outputs = [output for output in plan.get("outputs", ()) if output["lfn"] in makes]
            plan = {**plan, "tasks": [task], "outputs": outputs}
            attempts = [_of_task(attempt, self.task, makes) for attempt in attempts]
        lines += _plan_lines(plan)
        if self.parents:
            lines.append("after    " + ", ".join(self.parents))
        for attempt in attempts:
            lines += ["", *_attempt_lines(attempt, self.submit_dir, self.origin)]
            if self.task and attempt.record is not None and not attempt.record["invocations"]:
                lines.append(f"  {self.task} was not run in this attempt")
        return "\n".join(lines) + "\n"


def read_jobs(submit_dir: str | Path | None) -> list[dict[str, Any]]:
    """Return id, label, kind, site, state and number of attempts of every job, in the plan's order; before them, tasks that it left out."""
    run = RunReader(submit_dir)
    run.read()
    history, labels, states = run.history, run.plan.labels, run.job_states()
    return reused_rows(run.place.reused) + [
        {
            "job": job.id,
            "label": labels.get(position, ""),
            "kind": job.kind.value,
            "site": job.site,
            "state": _shown(states[position], run.has_engine),
            "attempts": history.attempts[position],
        }
        for position, job in enumerate(run.plan.outline)
    ]


def _of_task(attempt: AttemptStory, task: str, makes: frozenset[str]) -> AttemptStory:
    """Return an attempt of a cluster with the processes and outputs of one task only."""
    if attempt.record is None:
        return attempt
    ran = [one for one in attempt.record.get("invocations", ()) if one.get("task") == task]
    made = [one for one in attempt.record.get("outputs", ()) if one["lfn"] in makes]
    return replace(attempt, record={**attempt.record, "invocations": ran, "outputs": made})


def read_job(submit_dir: str | Path | None, job_id: str) -> JobStory:
    """Return everything recorded about a job, named by its id or that of a task.

    Raises:
        NotARun: no submit directory.
        MarkabError: the plan has no such job.
    """
    run = RunReader(submit_dir)
    run.read()
    position = find_job(run.plan, job_id)
    tasks = [task.id for task in run.plan.job(position).tasks]
    plan: dict[str, Any] = msgspec.json.decode(run.plan.line(position))
    _redact_places(plan)
    attempts = read_attempts(run.place.journal, position)
    made = [a.record["reused"] for a in attempts if a.record and a.record.get("reused")]
    origin = find_origin(run.plan.header.reuse, made[-1]["run"], made[-1]["job"]).text() if made else ""
    return JobStory(
        plan=plan,
        state=_shown(run.job_states()[position], run.has_engine),
        attempts=attempts,
        parents=[run.plan.title(parent) for parent in plan.get("parents", ())],
        label=run.plan.job(position).label,
        submit_dir=run.place.path,
        origin=origin,
        task=job_id if len(tasks) > 1 and job_id in tasks else "",
    )


def job_states() -> list[str]:
    """Return the states that a job may have in a report."""
    return [*(state.name.lower() for state in State), LOST, REUSED]


def _redact_places(plan: dict[str, Any]) -> None:
    """Take the secrets out of the URLs of files."""
    for file in [*plan.get("inputs", ()), *plan.get("transfers", ())]:
        for place in [*file.get("sources", ()), *file.get("destinations", ())]:
            place["url"] = redact(place["url"])
    for registration in plan.get("registrations", ()):
        registration["pfn"] = redact(registration["pfn"])


def _shown(state: int, running: bool) -> str:
    if state in (State.QUEUED, State.RUNNING) and not running:
        return LOST
    return State(state).name.lower()


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    lines = []
    for task in plan.get("tasks", ()):
        lines.append(f"task     {task['id']}: {task['executable']} {task.get('arguments', '')}".rstrip())
        for stream in ("stdin", "stdout", "stderr"):
            if task.get(stream):
                lines.append(f"  {stream:<6} {task[stream]}")
        lines += [f"  env    {key}={value}" for key, value in task.get("env", {}).items()]
        lines += [f"  meta   {key}={value}" for key, value in task.get("metadata", {}).items()]
    lines += _listed("reads", [file["lfn"] for file in plan.get("inputs", ())])
    lines += _listed("makes", [file["lfn"] for file in plan.get("outputs", ())])
    lines += _listed(
        "moves",
        [
            f"{t['lfn']}: {t['sources'][0]['url']} -> {', '.join(p['url'] for p in t['destinations'])}"
            for t in plan.get("transfers", ())
        ],
    )
    lines += _listed("enters", [f"{r['lfn']} = {r['pfn']}" for r in plan.get("registrations", ())])
    lines += _listed("removes", plan.get("removes", []))
    asks = [
        f"{key} {plan[key]}" for key in ("cores", "memory_mb", "gpus", "retries", "priority") if plan.get(key)
    ]
    if asks:
        lines.append("asks     " + ", ".join(asks))
    if plan.get("why"):
        lines.append(f"why      {plan['why']}")
    return lines


def _listed(label: str, items: list[str]) -> list[str]:
    lines = [
        f"{label if position == 0 else '':<8} {item}" for position, item in enumerate(items[:FILES_SHOWN])
    ]
    if len(items) > FILES_SHOWN:
        lines.append(f"{'':<8} … and {len(items) - FILES_SHOWN:,} more")
    return lines


def _attempt_lines(attempt: AttemptStory, submit_dir: Path, origin: str) -> list[str]:
    begun = moment(attempt.start) if attempt.start else "?"
    record = attempt.record
    if record is None:
        return [f"attempt {attempt.number}, {begun}: has not ended{_native(attempt)}"]
    verdict = "succeeded" if record.get("ok") else "failed"
    took = duration(attempt.end - attempt.start) if attempt.end and attempt.start else "?"
    lines = [f"attempt {attempt.number}, {begun}: {verdict} after {took}"]
    lines[0] += f" on {record['host']}" if record.get("host") else ""
    lines[0] += _native(attempt)
    if attempt.after:
        lines[0] += f"; {attempt.after}"
    lines += [f"  {line}" for line in error_lines(record)]
    if record.get("cwd"):
        lines.append(f"  in     {record['cwd']}{_kept(record)}")
    lines += [f"  with   {text}" for text in environment_texts(record)]
    lines += [f"  container {text}" for text in container_texts(record)]
    lines += _script_lines(record, "pre")
    for invocation in record.get("invocations", ()):
        lines += _invocation_lines(invocation)
    lines += _script_lines(record, "post")
    lines += _files(record, origin)
    for stream in ("stdout", "stderr"):
        if text := captured(record, stream, submit_dir):
            lines.append(f"  {stream}:")
            lines += [f"    {line}" for line in output_lines(text, LINES_SHOWN)]
    if record.get("undeclared"):
        word = "not declared" if record.get("kept") else "not kept, as they are not declared"
        lines.append(f"  {word} as outputs: {', '.join(record['undeclared'])}")
    for name, text in log_texts(record):
        lines.append(f"  log {name}:")
        lines += [f"    {line}" for line in output_lines(text, LINES_SHOWN)]
    return lines


def _kept(record: dict[str, Any]) -> str:
    """Return whether the directory of an attempt, which was kept, is still there."""
    if not record.get("kept"):
        return ""
    return "  (kept)" if os.path.isdir(record["cwd"]) else "  (kept, and removed since)"


def _native(attempt: AttemptStory) -> str:
    words = f", {attempt.native_id} at site {attempt.site!r}" if attempt.native_id else ""
    if attempt.record is None and attempt.host:
        words += f", on {attempt.host}"
    if attempt.holds:
        words += f", held by its site {'once' if attempt.holds == 1 else f'{attempt.holds} times'}"
    return words + (f": {attempt.held}" if attempt.held and attempt.record is None else "")


def _script_lines(record: dict[str, Any], which: str) -> list[str]:
    script = record.get(which)
    if not script:
        return []
    return [f"  {which.upper()} script:", *(f"  {line}" for line in _invocation_lines(script))]


def _invocation_lines(invocation: dict[str, Any]) -> list[str]:
    import shlex

    used = [f"{duration(invocation.get('duration_s', 0.0))} of wall time"]
    if "utime_s" in invocation:
        used.append(f"{duration(invocation['utime_s'] + invocation.get('stime_s', 0.0))} of processor time")
    if "maxrss_kb" in invocation:
        used.append(f"{size(invocation['maxrss_kb'] * 1024)} of memory")
    lines = [f"  ran    {shlex.join(invocation.get('argv', []))}", f"  used   {', '.join(used)}"]
    if (status := invocation.get("status", 0)) != 0:
        lines.append(f"  ended  {wait_status(status)}")
    return lines


def _files(record: dict[str, Any], origin: str) -> list[str]:
    earlier = record.get("reused")
    done = "brought" if earlier else "made  "
    lines = [f"  {done} {made['lfn']}, {size(made.get('size', 0))}" for made in record.get("outputs", ())]
    if earlier:
        lines.append(f"  as made by {origin}")
    lines += [
        f"  moved  {moved['lfn']}, {size(moved.get('bytes', 0))}, from {moved.get('source', '?')}"
        for moved in record.get("transfers", ())
    ]
    if len(lines) > FILES_SHOWN:
        lines[FILES_SHOWN:] = [f"  … and {len(lines) - FILES_SHOWN:,} more files"]
    return lines


def wait_status(status: int) -> str:
    """Return a raw wait status as text: 256 is exit code 1, 9 is killed by SIGKILL; -1: never started."""
    import signal

    if status < 0:
        return "never started"
    if status & 0x7F:
        number = status & 0x7F
        try:
            return f"by {signal.Signals(number).name}"
        except ValueError:
            return f"by signal {number}"
    return f"with exit code {status >> 8}"
