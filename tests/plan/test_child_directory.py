from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from kit.made_run import compute, make_run
from markab.errors import CorruptPlan
from markab.plan.child_directory import cache_file, child_directory, child_runs, planned_directory, runs_below
from markab.plan.model import SUB_WORKFLOWS, ChildPlan, Kind, PlannedJob, PlanSite
from markab.plan.plan_file import PlanFile

SITES = {"local": PlanSite(), SUB_WORKFLOWS: PlanSite(SUB_WORKFLOWS)}


def sub(id: str, run: Path | str = "") -> PlannedJob:
    return PlannedJob(
        id=id, kind=Kind.SUBWORKFLOW, site=SUB_WORKFLOWS, child=ChildPlan("" if run else "x.yml", str(run))
    )


def test_the_directory_of_no_attempt_has_the_name_of_another_job(tmp_path: Path) -> None:
    """Ids of jobs have dots, and digits after them."""
    root = make_run(tmp_path / "run", [sub("x"), sub("x.2"), sub("x.cache")], sites=SITES)
    for position, job in enumerate(("x", "x.2", "x.cache")):
        make_run(root / child_directory(position, job), [compute("a")])
    make_run(root / child_directory(0, "x", 2), [compute("a")])

    with closing(PlanFile(root / "plan.jsonl")) as plan:
        found = {child.job: child.path.name for child in child_runs(root, plan)}
    assert found == {"x": "x+2", "x.2": "x.2", "x.cache": "x.cache"}
    assert planned_directory(root, 1, "x.2", 3) == "00/00/x.2"
    assert not (root / cache_file(child_directory(0, "x"))).exists()


def test_runs_that_have_each_other_as_sub_workflows_are_an_error_and_no_endless_tree(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    make_run(a, [sub("to_b", b)], sites=SITES)
    make_run(b, [sub("to_a", a)], sites=SITES)
    above = make_run(tmp_path / "above", [sub("to_a", a)], sites=SITES)

    for run in (a, b, above):
        with pytest.raises(CorruptPlan, match="leads back to it"):
            list(runs_below(run))
