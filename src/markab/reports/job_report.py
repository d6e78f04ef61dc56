"""Everything known of a run's jobs, for `show`: the plan's line, the attempts, what they printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from markab.errors import MarkabError
from markab.formatting import duration, moment, size, tail
from markab.journal.history import Tail
from markab.journal.lifecycle import State
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.reports.status import Follower
from markab.spec.suggestions import nearest

LINES_SHOWN = 40
CAPTURED_SHOWN_BYTES = 1 << 20
FILES_SHOWN = 100


@dataclass
class AttemptStory:
    """One try of a job, as the journal tells it."""

    number: int
    site: str = ""
    start: float = 0.0
    record: dict[str, Any] | None = None
    """What the worker said; None: it has not ended."""
    after: str = ""
    """What the engine decided when it failed."""

    @property
    def end(self) -> float:
        """When it ended; 0 while it has not."""
        return float((self.record or {}).get("end", 0.0))


@dataclass
class JobStory:
    """A job: what was planned, where it stands, what happened."""

    plan: dict[str, Any]
    state: str
    attempts: list[AttemptStory]
    parents: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        attempts = [
            {"attempt": a.number, "site": a.site, "start": a.start, "record": a.record, "after": a.after}
            for a in self.attempts
        ]
        return {"job": self.plan["id"], "state": self.state, "plan": self.plan, "attempts": attempts}

    def text(self, submit_dir: Path) -> str:
        """Return it for people to read; long output of tasks is cut to its last lines."""
        lines = [f"{self.plan['id']}  ({self.plan['kind']} at {self.plan['site']}): {self.state}"]
        lines += _plan_lines(self.plan)
        if self.parents:
            lines.append("after    " + ", ".join(self.parents))
        for attempt in self.attempts:
            lines += ["", *_attempt_lines(attempt, submit_dir)]
        return "\n".join(lines) + "\n"


def read_jobs(submit_dir: str | Path | None) -> list[dict[str, Any]]:
    """Return id, kind, site, state and number of attempts of every job, in the plan's order."""
    follower = Follower(submit_dir)
    status = follower.read()
    history = follower.history
    return [
        {
            "job": job.id,
            "kind": job.kind.value,
            "site": job.site,
            "state": _shown(history.states[position], status.state == "Running"),
            "attempts": history.attempts.get(position, 0),
        }
        for position, job in enumerate(follower.plan.outline)
    ]


def read_job(submit_dir: str | Path | None, job_id: str) -> JobStory:
    """Return all that is known of a job.

    Raises:
        NotARun: no submit directory.
        MarkabError: the plan has no such job.
    """
    follower = Follower(submit_dir)
    status = follower.read()
    position = find_job(follower.plan, job_id)
    plan: dict[str, Any] = msgspec.json.decode(follower.plan.line(position))
    return JobStory(
        plan=plan,
        state=_shown(follower.history.states[position], status.state == "Running"),
        attempts=read_attempts(follower.place, position),
        parents=[follower.plan.outline[parent].id for parent in plan.get("parents", ())],
    )


def find_job(plan: PlanFile, job_id: str) -> int:
    """Return the position of a job named by its id, or by the id of the user's task that it runs."""
    if (position := plan.positions.get(job_id)) is not None:
        return position
    ending = "_" + job_id.replace("/", "-")
    for known, position in plan.positions.items():
        # The ending alone may be that of a job the planner added: stage_in_local_local_0_0 is not task 0.
        if known.endswith(ending) and any(task.id == job_id for task in plan.job(position).tasks):
            return position
    names = {known.partition("_")[2]: known for known in plan.positions}
    names |= dict(zip(plan.positions, plan.positions, strict=True))
    close = list(dict.fromkeys(names[name] for name in nearest(job_id, names)))
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"`markab show {plan.path.parent}` lists the jobs"
    )
    raise MarkabError(f"the run has no job {job_id!r}", hint=hint)


def read_attempts(place: SubmitDir, position: int) -> list[AttemptStory]:
    """Return the attempts of one job, oldest first."""
    stories: dict[int, AttemptStory] = {}
    needle = b'"job":%d,' % position
    for body in Tail(place.journal).new():
        if needle not in body:  # decoding everything would take ten times as long
            continue
        record: dict[str, Any] = msgspec.json.decode(body)
        if record.get("job") != position:
            continue
        story = stories.setdefault(record["attempt"], AttemptStory(record["attempt"]))
        match record["event"]:
            case "start":
                story.site, story.start = record["site"], record["time"]
            case "end":
                story.record = record["record"]
            case "retry":
                pause_s = record.get("pause_s", 0.0)
                story.after = f"tried again after {duration(pause_s)}" if pause_s else "tried again"
            case "undone":
                story.after = f"to be run again: {record['why']}"
            case "give-up":
                story.after = f"given up: {record.get('why', 'no retry is left')}"
    return [stories[number] for number in sorted(stories)]


def captured(record: dict[str, Any], stream: str, submit_dir: Path) -> str:
    """Return what a task wrote to `stdout` or `stderr`: the whole of it when short, else its end."""
    if text := record.get(stream):
        return str(text)
    name = record.get(f"{stream}_file")
    if not name:
        return ""
    try:
        with open(submit_dir / name, "rb") as file:
            file.seek(max(0, (submit_dir / name).stat().st_size - CAPTURED_SHOWN_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(cannot read {name}: {error.strerror})"


def error_lines(record: dict[str, Any]) -> list[str]:
    """Return what went wrong in an attempt, one error a line, hints below."""
    lines = []
    for error in [record.get("error"), *record.get("also", ())]:
        if error:
            lines.append(f"{error['message']}")
            if error.get("hint"):
                lines.append(f"  hint: {error['hint']}")
    return lines


def _shown(state: int, running: bool) -> str:
    if state in (State.QUEUED, State.RUNNING) and not running:
        return "lost with the engine"
    return State(state).name.lower()


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    lines = []
    for task in plan.get("tasks", ()):
        lines.append(f"task     {task['id']}: {task['executable']} {task.get('arguments', '')}".rstrip())
        for stream in ("stdin", "stdout", "stderr"):
            if task.get(stream):
                lines.append(f"  {stream:<6} {task[stream]}")
        lines += [f"  env    {key}={value}" for key, value in task.get("env", {}).items()]
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


def _attempt_lines(attempt: AttemptStory, submit_dir: Path) -> list[str]:
    begun = moment(attempt.start) if attempt.start else "?"
    record = attempt.record
    if record is None:
        return [f"attempt {attempt.number}, {begun}: has not ended"]
    verdict = "succeeded" if record.get("ok") else "failed"
    took = duration(attempt.end - attempt.start) if attempt.end and attempt.start else "?"
    lines = [f"attempt {attempt.number}, {begun}: {verdict} after {took} on {record.get('host', '?')}"]
    if attempt.after:
        lines[0] += f"; {attempt.after}"
    lines += [f"  {line}" for line in error_lines(record)]
    if record.get("cwd"):
        lines.append(f"  in     {record['cwd']}")
    for invocation in record.get("invocations", ()):
        lines += _invocation_lines(invocation)
    lines += _files(record)
    for stream in ("stdout", "stderr"):
        if text := captured(record, stream, submit_dir):
            lines.append(f"  {stream}:")
            lines += [f"    {line}" for line in tail(text, LINES_SHOWN).split("\n")]
    return lines


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


def _files(record: dict[str, Any]) -> list[str]:
    lines = [f"  made   {made['lfn']}, {size(made.get('size', 0))}" for made in record.get("outputs", ())]
    lines += [
        f"  moved  {moved['lfn']}, {size(moved.get('bytes', 0))}, from {moved.get('source', '?')}"
        for moved in record.get("transfers", ())
    ]
    if len(lines) > FILES_SHOWN:
        lines[FILES_SHOWN:] = [f"  … and {len(lines) - FILES_SHOWN:,} more files"]
    return lines


def wait_status(status: int) -> str:
    """Return a raw wait status in words: 256 is exit code 1, 9 is killed by SIGKILL; -1: never started."""
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
