"""What makes a job something else than what it was in an earlier run: one text a difference. Pure.

The differences are those that count for reuse by content (`reuse/content_key.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from markab.diagnosis.earlier_jobs import ComparedJob
from markab.formatting import clipped, shown_path
from markab.plan.model import PlannedJob, PlannedTask

SHOWN = 120
DIGITS = 8


def job_changes(before: ComparedJob, now: ComparedJob) -> list[str]:
    """Return what changed; empty: nothing that counts and is known."""
    return [
        *_programs(before.job, now.job),
        *_inputs(before, now),
        *_tasks(before.job, now.job),
        *_names("outputs", _outputs(before.job), _outputs(now.job)),
        *_values("the text of a success", before.job.success_messages, now.job.success_messages),
        *_values("the text of a failure", before.job.failure_messages, now.job.failure_messages),
    ]


def why_again(before: ComparedJob | None, now: ComparedJob) -> str:
    """Return why a job runs that an earlier run ran too."""
    if before is None:
        return "no earlier run of this workflow made its outputs"
    if changes := job_changes(before, now):
        return f"it runs again because {'; '.join(changes)}"
    return f"no earlier run made its outputs of the same; nothing that is recorded changed since {before.run.name}"


def _programs(before: PlannedJob, now: PlannedJob) -> Iterator[str]:
    """Yield the installed programs that changed; staged ones are inputs."""
    programs = [job.content.programs if job.content else {} for job in (before, now)]
    for (path, sha256), (path_now, sha256_now) in zip(*(one.items() for one in programs), strict=False):
        if sha256 != sha256_now:
            is_other = "" if path == path_now else f", and was {_path(path)}"
            yield f"{_path(path_now)} changed{is_other} ({_checksums(sha256, sha256_now)})"
    for one, other in zip_longest(before.tasks, now.tasks):
        if one and other and one.transformation != other.transformation:
            yield f"its transformation changed: {one.transformation} → {other.transformation}"


def _inputs(before: ComparedJob, now: ComparedJob) -> Iterator[str]:
    lfns = [{one.lfn for one in facts.job.inputs} for facts in (before, now)]
    yield from _names("inputs", *lfns)
    for lfn in sorted(lfns[0] & lfns[1]):
        sha256, sha256_now = before.checksums.get(lfn), now.checksums.get(lfn)
        if sha256 and sha256_now and sha256 != sha256_now:
            name = _path(now.paths[lfn]) if lfn in now.paths else f"its input {lfn!r}"
            yield f"{name} changed ({_checksums(sha256, sha256_now)})"


def _tasks(before: PlannedJob, now: PlannedJob) -> Iterator[str]:
    if len(before.tasks) != len(now.tasks):
        yield f"it runs {len(now.tasks)} tasks, and ran {len(before.tasks)}"
        return
    for one, other in zip(before.tasks, now.tasks, strict=True):
        yield from _values("its arguments", one.arguments, other.arguments)
        for stream in ("stdin", "stdout", "stderr"):
            yield from _values(f"its {stream}", getattr(one, stream), getattr(other, stream))
        yield from _environment(one, other)


def _environment(before: PlannedTask, now: PlannedTask) -> Iterator[str]:
    for name in sorted(before.env.keys() | now.env.keys()):
        yield from _values(f"the variable {name}", before.env.get(name), now.env.get(name))


def _outputs(job: PlannedJob) -> set[str]:
    return {one.lfn for one in job.outputs}


def _names(what: str, before: set[str], now: set[str]) -> Iterator[str]:
    parts = [
        f"{word} {', '.join(map(repr, sorted(names)))}"
        for word, names in (("now", now - before), ("no longer", before - now))
        if names
    ]
    if parts:
        yield f"its {what} changed: {clipped(', '.join(parts), SHOWN)}"


def _values(what: str, before: object, now: object) -> Iterator[str]:
    if before != now:
        yield f"{what} changed: {_shown(before)} → {_shown(now)}"


def _shown(value: object) -> str:
    if value is None or value == [] or value == "":
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return clipped(text, SHOWN)


def _path(path: str) -> str:
    return shown_path(Path(path))


def _checksums(before: str, now: str) -> str:
    return f"sha256 {before[:DIGITS]}… → {now[:DIGITS]}…"
