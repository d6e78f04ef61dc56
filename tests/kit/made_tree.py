"""A tree of two runs made by hand.

root:   write → in.yml;  a → a.txt;  [inner]: a.txt → m.txt;  end: m.txt → end.txt
inner:  b: a.txt → b.txt;  c: b.txt → m.txt
"""

from __future__ import annotations

from pathlib import Path

from kit.made_run import began, compute, end, ended, failed, gave_up, made, make_run, process, start
from markab.journal.records import Entry
from markab.plan.child_directory import child_directory
from markab.plan.model import (
    SUB_WORKFLOWS,
    ChildPlan,
    Input,
    Kind,
    Output,
    PlannedJob,
    PlanSite,
    local_directory,
)

INNER = "pegasus-plan_inner"
INNER_UUID = "9b1d"


def make_tree(directory: Path, *, is_planned: bool = True, fails: bool = False) -> Path:
    """Write the submit directories; without `is_planned`, the run is over, and the sub-workflow never began."""
    root = [
        _job("write", makes="in.yml"),
        _job("a", makes="a.txt"),
        PlannedJob(
            id=INNER,
            kind=Kind.SUBWORKFLOW,
            site=SUB_WORKFLOWS,
            staging="local",
            parents=[0, 1],
            inputs=[Input(lfn="in.yml"), Input(lfn="a.txt")],
            outputs=[Output(lfn="m.txt")],
            child=ChildPlan(document="in.yml"),
        ),
        _job("end", 2, reads="m.txt", makes="end.txt"),
    ]
    inner = [_job("b", reads="a.txt", makes="b.txt"), _job("c", 0, reads="b.txt", makes="m.txt")]
    scratch = local_directory("local", f"{directory}/scratch")
    sites = {"local": PlanSite(scratch=scratch), SUB_WORKFLOWS: PlanSite(SUB_WORKFLOWS)}
    happened: list[Entry] = [began(), *_done(0, "in.yml"), *_done(1, "a.txt")]
    if not is_planned:
        return make_run(directory, root, [*happened, ended("interrupted")], sites=sites)
    make_run(
        directory / child_directory(2, INNER),
        inner,
        [began(), *_done(0, "b.txt"), *(_broken(1) if fails else [*_done(1, "m.txt"), ended("success")])],
        workflow="inner",
        uuid=INNER_UUID,
        root="7a3c",
        sites={"local": PlanSite(scratch=scratch)},
    )
    last = _broken(2) if fails else [*_done(2, "m.txt"), *_done(3, "end.txt"), ended("success")]
    return make_run(directory, root, [*happened, *last], sites=sites)


def _job(name: str, *parents: int, reads: str = "", makes: str = "") -> PlannedJob:
    inputs = [Input(lfn=reads)] if reads else []
    return compute(name, *parents, inputs=inputs, outputs=[Output(lfn=makes)])


def _done(job: int, lfn: str) -> list[Entry]:
    task = lfn.partition(".")[0]
    return [start(job), end(job, outputs=[made(lfn)], invocations=[process(task)])]


def _broken(job: int) -> list[Entry]:
    return [start(job), failed(job), gave_up(job), ended("failed")]
