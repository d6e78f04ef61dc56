"""Of edited files, exactly the jobs that use them and what depends on those are affected."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.planned_workflow import Bench, MadePlan, task
from markab.engine.affected_jobs import affected_jobs, checkpoints_of, readers_of
from markab.plan.model import Input, Kind, Output, PlannedJob


def names(plan: MadePlan, *lfns: str) -> set[str]:
    return {plan.jobs[position].id for position in affected_jobs(plan.jobs, lfns)}


def test_a_job_that_only_shares_a_stage_in_job_is_not_affected(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.has("a", "b")
    plan = bench.plan(task("1", "a", "x"), task("2", "b", "y"), task("3", "x", "z"))
    assert {job for job in names(plan, "a") if job.startswith("tool")} == {"tool_1", "tool_3"}
    assert {job.kind for job in plan.jobs if job.id in names(plan, "a")} >= {Kind.STAGE_IN, Kind.STAGE_OUT}
    assert not names(plan, "other")
    assert readers_of(plan.jobs, ["a"]) == ["tool_1"]


def test_what_the_workflow_says_follows_a_job_follows_it_again() -> None:
    jobs = [
        PlannedJob("stage", Kind.STAGE_IN, "local"),
        PlannedJob("a", Kind.COMPUTE, "local", parents=[0], inputs=[Input("f")]),
        PlannedJob("b", Kind.COMPUTE, "local", parents=[0, 1]),
        PlannedJob("c", Kind.COMPUTE, "local", parents=[0]),
    ]
    assert affected_jobs(jobs, ["f"]) == [1, 2]


def test_the_checkpoints_of_jobs_are_named() -> None:
    job = PlannedJob("a", Kind.COMPUTE, "local", outputs=[Output("x"), Output("c", checkpoint=True)])
    assert checkpoints_of([job]) == ["c"]


@st.composite
def workflows(draw: st.DrawFn) -> list[tuple[list[str], str]]:
    """Return tasks as (files read, file made): inputs i0…, and files of tasks before it."""
    tasks: list[tuple[list[str], str]] = []
    for number in range(draw(st.integers(1, 8))):
        known = ["i0", "i1", *(made for _, made in tasks)]
        tasks.append((draw(st.lists(st.sampled_from(known), unique=True, max_size=3)), f"f{number}"))
    return tasks


@settings(max_examples=30, deadline=None)
@given(
    made=workflows(), cleanup=st.sampled_from(["inplace", "leaf", "none"]), size=st.sampled_from([None, "1"])
)
def test_in_any_workflow_the_affected_tasks_are_the_descendants_of_the_file(
    made: list[tuple[list[str], str]], cleanup: str, size: str | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        bench.has("i0", "i1")
        entries = [task(makes, " ".join(reads), makes) for reads, makes in made]
        more: dict[str, Any] = {"properties": {"pegasus.stageout.clusters": size}} if size else {}
        plan = bench.plan(*entries, cleanup=cleanup, **more)
    wanted = {"i0"}
    for reads, makes in made:
        if not wanted.isdisjoint(reads):
            wanted.add(makes)
    found = [plan.jobs[position] for position in affected_jobs(plan.jobs, ["i0"])]
    assert {job.tasks[0].id for job in found if job.kind is Kind.COMPUTE} == wanted - {"i0"}
    for job in plan.jobs:  # whatever moves or registers one of the files is affected, and nothing else
        if job.kind is not Kind.COMPUTE and job.kind is not Kind.CLEANUP:
            assert (job in found) == bool(set(_files(job)) & wanted), job


def _files(job: PlannedJob) -> Iterator[str]:
    yield from (file.lfn for file in job.transfers)
    yield from (file.lfn for file in job.registrations)
