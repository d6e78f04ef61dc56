"""The nearest job like a failed one that succeeded, and what differs between the two."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from markab.diagnosis.causes import peak_memory_mb
from markab.formatting import clipped, size
from markab.journal.lifecycle import State
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile

LINES_SEARCHED = 20_000
"""Lines of the plan on each side; jobs further away have little in common."""
SHOWN = 3
ARGUMENT_CHARACTERS = 200


def nearest_sibling(plan: PlanFile, states: bytearray, position: int) -> int | None:
    """Return the position of the nearest job that ran the same transformation and succeeded."""
    return next(succeeded_siblings(plan, states, position), None)


def succeeded_siblings(plan: PlanFile, states: bytearray, position: int) -> Iterator[int]:
    """Yield the positions of jobs that ran the same transformation and succeeded, the nearest first."""
    job = plan.job(position)
    if job.kind is not Kind.COMPUTE or not job.tasks:
        return
    needle = b'"transformation":' + _quoted(job.tasks[0].transformation)
    for distance in range(1, LINES_SEARCHED):
        for other in (position - distance, position + distance):
            if 0 <= other < len(plan) and states[other] == State.SUCCEEDED and needle in plan.line(other):
                yield other
        if position - distance < 0 and position + distance >= len(plan):
            break


def differences(job: PlannedJob, record: dict[str, Any], other: PlannedJob, its: dict[str, Any]) -> list[str]:
    """Return the differences between a failed job and one that succeeded, a line each."""
    lines = _arguments(_line(job), _line(other))
    mine, theirs = ({file.lfn for file in one.inputs} for one in (job, other))
    for word, files in (("only this one reads", mine - theirs), ("only that one reads", theirs - mine)):
        if files:
            more = f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
            lines.append(f"{word} {', '.join(sorted(files)[:SHOWN])}{more}")
    used, its_used = peak_memory_mb(record), peak_memory_mb(its)
    if used and its_used and max(used, its_used) > 1.5 * min(used, its_used):
        lines.append(f"memory: {size(used * 2**20)} here, {size(its_used * 2**20)} there")
    if record.get("host") and its.get("host") and record["host"] != its["host"]:
        lines.append(f"host: {record['host']} here, {its['host']} there")
    if job.site != other.site:
        lines.append(f"site: {job.site} here, {other.site} there")
    return lines


def _line(job: PlannedJob) -> str:
    return job.tasks[0].arguments if job.tasks else ""


def _arguments(mine: str, theirs: str) -> list[str]:
    if mine == theirs:
        return []
    words, its_words = _words(mine), _words(theirs)
    if len(words) == len(its_words):
        pairs = [(a, b) for a, b in zip(words, its_words, strict=True) if a != b]
        if pairs and len(pairs) <= SHOWN:
            shown = ", ".join(f"{clipped(a, 60)} here, {clipped(b, 60)} there" for a, b in pairs)
            return [f"arguments: {shown}"]
    return [f"its arguments: {clipped(theirs, ARGUMENT_CHARACTERS)}"]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _quoted(text: str) -> bytes:
    import msgspec

    return msgspec.json.encode(text)
