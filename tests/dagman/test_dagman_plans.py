"""What is planned for DAGMan, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab import operations
from markab.errors import PlanningError
from markab.plan.run_command import run_command


def refusals(bench: Bench, *tasks: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(PlanningError) as caught:
        operations.plan(bench.options(*tasks, engine="dagman", **options))
    assert not list(bench.path.glob("*/pegasus")), "nothing is written"
    return [problem.message for problem in caught.value.problems]


def test_the_dag_stands_beside_the_plan_and_says_how_it_is_started(tmp_path: Path) -> None:
    planned = operations.plan(Bench(tmp_path).options(task("a"), engine="dagman"))

    assert planned.submit_dir is not None
    assert "JOB tool_a " in (planned.submit_dir / "w-0.dag").read_text()
    assert run_command(planned.submit_dir).startswith("condor_submit_dag ")
    assert run_command(planned.submit_dir).endswith("/w-0.dag")


def test_a_plan_for_the_engine_of_markab_has_no_dag(tmp_path: Path) -> None:
    planned = operations.plan(Bench(tmp_path).options(task("a")))

    assert planned.submit_dir is not None
    assert not (planned.submit_dir / "dagman").exists()
    assert run_command(planned.submit_dir).startswith("markab run ")


def test_what_dagman_cannot_do_is_refused_all_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.has("inner.yml")
    child = {"type": "pegasusWorkflow", "id": "s", "file": "inner.yml", "arguments": [], "uses": []}

    found = refusals(bench, child, reuse_policy="content", cleanup="constraint")

    assert [any(word in one for one in found) for word in ("sub-workflow", "by content", "'constraint'")] == [
        True,
        True,
        True,
    ]


def test_a_site_of_another_batch_system_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sites.append(
        {
            "name": "condorpool",
            "profiles": {"pegasus": {"style": "glite"}},
            "grids": [{"type": "batch", "contact": "h", "scheduler": "slurm", "jobtype": "compute"}],
            "directories": [
                {
                    "type": "sharedScratch",
                    "path": str(tmp_path / "scratch"),
                    "fileServers": [{"operation": "all", "url": f"file://{tmp_path}/scratch"}],
                }
            ],
        }
    )

    assert any("go to Slurm" in one for one in refusals(bench, task("a")))


def test_a_directory_that_a_dag_cannot_name_is_refused(tmp_path: Path) -> None:
    found = refusals(Bench(tmp_path), task("a"), dir=tmp_path / "my runs")

    assert [one for one in found if "a blank" in one]


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match="--engine 'condor' is unknown"):
        operations.plan(Bench(tmp_path).options(task("a"), engine="condor"))


@pytest.mark.parametrize("then", ["run", "start"])
def test_planning_and_running_at_once_is_refused_before_anything_is_written(
    tmp_path: Path, then: operations.Then
) -> None:
    with pytest.raises(PlanningError, match="not run by Markab") as caught:
        operations.plan(Bench(tmp_path).options(task("a"), engine="dagman"), then=then)

    assert "markab plan --engine dagman" in caught.value.problems[0].hint
    assert not list(tmp_path.glob("*/pegasus"))
