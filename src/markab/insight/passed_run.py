"""What smells in a run, also in one that passed: memory above the request or far below it, slow jobs, files that are not kept."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from markab.diagnosis.causes import peak_memory_mb
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.failure_rules import CERTAIN, POSSIBLE
from markab.engine.missing_results import read_missing_results
from markab.formatting import count, duration, shown_path, size
from markab.insight.verdict import Evidence, FailureVerdict, NextStep
from markab.journal.undeclared_files import undeclared_text
from markab.plan.run_command import run_command

NAMED = 100
"""Jobs of a remark whose names are listed."""
LEAST_SEEN = 5
"""Jobs of a transformation from which a slow one can be told."""
SLOW = 5
SLOW_FROM_S = 60.0
WASTE = 4
"""A request so many times the peak is far above it."""
WASTE_FROM_MB = 1024


def remarks_on(run: Analyzer) -> Iterator[FailureVerdict]:
    """Yield what is not as it should be, although it is no failure."""
    place = shown_path(run.place.path)
    above: list[tuple[int, float, int]] = []
    used: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for position, offset in enumerate(run.ok_at):
        if offset < 0:
            continue
        record = run.record_at(offset)
        if not record.get("invocations"):
            continue
        job = run.plan.job(position)
        name = job.tasks[0].transformation if job.tasks else job.kind.value
        times[name].append(_took_s(record))
        peak_mb = peak_memory_mb(record)
        if peak_mb and job.memory_mb:
            used[name].append((position, peak_mb, job.memory_mb))
            if peak_mb > job.memory_mb:
                above.append((position, peak_mb, job.memory_mb))
    yield from _above_request(run, place, above)
    yield from _far_below(run, place, used)
    yield from _slow(run, place, times)
    yield from _undelivered_and_lost(run, place)
    if run.plan.header.integrity == "none":
        yield FailureVerdict(
            "F26",
            CERTAIN,
            [],
            "no file of this run is verified",
            "the property pegasus.integrity.checking is 'none': a file that is damaged on its way is not noticed",
            [Evidence(shown_path(run.place.plan), 1, "integrity: none")],
            [NextStep("plan without that property; see what was moved", f"markab statistics {place}")],
        )


def _took_s(record: dict[str, Any]) -> float:
    return float(sum(one.get("duration_s", 0.0) for one in record["invocations"]))


def _above_request(
    run: Analyzer, place: str, above: list[tuple[int, float, int]]
) -> Iterator[FailureVerdict]:
    if not above:
        return
    above.sort(key=lambda one: one[2] - one[1])
    position, peak_mb, asked_mb = above[0]
    name = run.plan.outline[position].id
    yield FailureVerdict(
        "F53",
        CERTAIN,
        [run.plan.outline[one].id for one, _, _ in above[:NAMED]],
        f"{count(len(above), 'job')} used more memory than requested, and was not killed"
        if len(above) == 1
        else f"{count(len(above), 'job')} used more memory than requested, and were not killed",
        f"{name} used {size(peak_mb * 2**20)}, and asked for {size(asked_mb * 2**20)}: "
        "where a site enforces requests, it is killed",
        [Evidence(*_record_place(run, position), f"peak {size(peak_mb * 2**20)}")],
        [
            NextStep(f"ask for {size(1.1 * peak_mb * 2**20)}: the profile pegasus.memory"),
            NextStep("see what it used", f"markab show {place} {name}"),
        ],
    )


def _far_below(
    run: Analyzer, place: str, used: dict[str, list[tuple[int, float, int]]]
) -> Iterator[FailureVerdict]:
    for name, seen in used.items():
        position, peak_mb, asked_mb = max(seen, key=lambda one: one[1])
        if asked_mb < WASTE_FROM_MB or asked_mb < WASTE * peak_mb or len(seen) < LEAST_SEEN:
            continue
        yield FailureVerdict(
            "F53",
            CERTAIN,
            [run.plan.outline[one].id for one, _, _ in seen[:NAMED]],
            f"{count(len(seen), 'job')} of {name} asked for far more memory than any used",
            f"the largest peak is {size(peak_mb * 2**20)}, the request {size(asked_mb * 2**20)}: "
            "fewer of them run at once than could",
            [Evidence(*_record_place(run, position), f"peak {size(peak_mb * 2**20)}")],
            [
                NextStep(f"ask for {size(1.1 * peak_mb * 2**20)}: the profile pegasus.memory"),
                NextStep("see what each used", f"markab statistics {place} -s jobs"),
            ],
        )


def _slow(run: Analyzer, place: str, times: dict[str, list[float]]) -> Iterator[FailureVerdict]:
    """Yield the jobs that have been under way for much longer than others of their transformation took."""
    if not run.has_engine:
        return
    now_s = time.time()
    for position, attempt in run.history.under_way.items():
        job = run.plan.job(position)
        seen = times.get(job.tasks[0].transformation if job.tasks else job.kind.value, [])
        began_s = attempt.since
        if len(seen) < LEAST_SEEN or not began_s:
            continue
        usual_s, taken_s = statistics.median(seen), now_s - began_s
        if taken_s > max(SLOW * usual_s, SLOW_FROM_S):
            yield FailureVerdict(
                "F57",
                POSSIBLE,
                [job.id],
                f"{job.id} has been under way for {duration(taken_s)}",
                f"{count(len(seen), 'job')} like it took {duration(usual_s)} (median): it may hang, or have more to do",
                [Evidence(shown_path(run.place.journal), 0, f"started {duration(taken_s)} ago")],
                [NextStep("see what it prints", f"markab logs {place} {job.id}")],
            )


def _undelivered_and_lost(run: Analyzer, place: str) -> Iterator[FailureVerdict]:
    if text := undeclared_text(run.history, run.plan, run.place.path):
        yield FailureVerdict(
            "F71",
            CERTAIN,
            [],
            "files were written that are not declared as outputs",
            text.partition(" (`")[0],
            [Evidence(shown_path(run.place.journal), 0, "the records of these jobs list them")],
            [NextStep("declare what is to be kept with add_outputs; see the jobs", f"markab show {place}")],
        )
    if not run.has_engine and (text := read_missing_results(run.place.path)):
        yield FailureVerdict(
            "F68",
            CERTAIN,
            [],
            "results are no longer where they were delivered",
            text,
            [Evidence(shown_path(run.place.plan), 0, "the plan has the places of the results")],
            [NextStep("make them again", run_command(run.place.path), mutating=True)],
        )


def _record_place(run: Analyzer, position: int) -> tuple[str, int]:
    """Return the journal, and the line of the successful end of a job."""
    with open(run.place.journal, "rb") as file:
        number = 1 + file.read(run.ok_at[position]).count(b"\n")
    return shown_path(run.place.journal), number
