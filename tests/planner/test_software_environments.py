"""Software environments: from profiles to the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.errors import PlanningError
from markab.plan.model import SoftwareEnvironment

TEXT = "numpy==2.0\n# a comment with -r in it\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "requirements.txt").write_text(TEXT)
    (tmp_path / "environment.yml").write_text("dependencies: [numpy]\n")
    return Bench(tmp_path)


def within(**keys: str) -> Entry:
    return {"markab": {f"environment.{key}": value for key, value in keys.items()}}


def test_the_plan_has_the_text_of_each_file_once(bench: Bench) -> None:
    made = bench.plan(
        task("a", profiles=within(requirements="requirements.txt")),
        task("b", profiles=within(requirements="requirements.txt")),
        task("c", profiles=within(conda="environment.yml", modules="gcc/12  openmpi")),
        task("d"),
    )

    names = [made[f"tool_{name}"].tasks[0].environment for name in "abcd"]
    assert names[0] == names[1] != names[2] and names[3] == ""
    assert {
        names[0]: SoftwareEnvironment("pip", "requirements.txt", TEXT),
        names[2]: SoftwareEnvironment(
            "conda", "environment.yml", "dependencies: [numpy]\n", ["gcc/12", "openmpi"]
        ),
    } == made.header.environments
    assert not made.planned.warnings


def test_a_property_a_transformation_and_a_manifest_of_pixi_can_ask_for_one(bench: Bench) -> None:
    (bench.path / "pixi.toml").write_text("[workspace]\n")
    bench.transformations[0]["profiles"] = within(conda="pixi.toml")
    made = bench.plan(task("a"), properties={"markab.environment.modules": "gcc"})

    assert [SoftwareEnvironment("pixi", "pixi.toml", "[workspace]\n", ["gcc"])] == list(
        made.header.environments.values()
    )
    assert not made.planned.warnings


def test_a_task_that_is_not_run_needs_no_environment(bench: Bench) -> None:
    made = bench.plan(
        task("a", profiles={"dagman": {"NOOP": "true"}, **within(requirements="absent.txt")}), task("b")
    )

    assert made["tool_a"].tasks[0].environment == "" and not made.header.environments


def test_tasks_of_a_cluster_keep_their_environments(bench: Bench) -> None:
    tasks = [task("a", profiles=within(requirements="requirements.txt")), task("b")]
    made = bench.plan(*tasks, cluster=["horizontal"], properties={"pegasus.clusters.num": "1"})

    (job,) = [job for job in made.jobs if len(job.tasks) == 2]
    assert [True, False] == [bool(one.environment) for one in job.tasks]


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        (within(requirements="none.txt"), "none.txt', which cannot be read: No such file"),
        (within(requirements="requirements.txt", conda="environment.yml"), "has both"),
        (within(modules="gcc --help"), "'--help', which is no name of a module"),
        (within(modules="a;b"), "'a;b', which is no name"),
        (within(requirements="binary"), "which is no such file"),
        (within(requirements="beside.txt"), "refers to other files: -r other.txt"),
        (within(requirements="local.txt"), r"refers to other files: x @ file:///x"),
    ],
)
def test_what_cannot_be_an_environment_is_an_error_with_its_owner(
    bench: Bench, profiles: Entry, message: str
) -> None:
    (bench.path / "binary").write_bytes(b"\xff\xfe\x00")
    (bench.path / "beside.txt").write_text("numpy\n-r other.txt\n")
    (bench.path / "local.txt").write_text("x @ file:///x\n")
    with pytest.raises(PlanningError) as caught:
        bench.plan(task("a", profiles=profiles), task("b", profiles=profiles))

    (problem,) = caught.value.problems
    assert message in problem.message and "'tool'" in problem.message and problem.hint


def test_a_misspelt_key_is_known_by_its_neighbour(bench: Bench) -> None:
    (warning,) = bench.plan(task("a", profiles={"markab": {"environment.requirement": "x"}})).planned.warnings

    assert "environment.requirements" in warning.hint
