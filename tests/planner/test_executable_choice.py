"""Which entries of the transformation catalog count, and which profiles a tag adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import PlanningError
from markab.planner.executables import MAPPER, SELECTOR


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench whose tool is installed, and stageable from two other sites."""
    bench = Bench(tmp_path)
    path = bench.transformations[0]["sites"][0]["pfn"]
    for name in ("local", "elsewhere"):
        copy = tmp_path / "bin" / f"tool-{name}"
        copy.write_text(Path(path).read_text())
        copy.chmod(0o755)
        bench.transformations[0]["sites"].append({"name": name, "type": "stageable", "pfn": str(copy)})
    return bench


def used(bench: Bench, **properties: str) -> str:
    """Return the name of the program that the task runs, or of the one that is staged first for it."""
    keys = {"mapper": MAPPER, "selector": SELECTOR}
    planned = bench.plan(
        task("t", makes="out"), properties={keys[key]: value for key, value in properties.items()}
    )
    staged = [job.transfers[0].sources[0].url for job in planned.jobs if job.kind.value == "stage_in"]
    (program,) = [job.tasks[0].executable for job in planned.jobs if job.tasks]
    return Path(staged[0] if staged else program).name


@pytest.mark.parametrize("key", ["mapper", "selector"])
def test_the_properties_say_which_entries_count(bench: Bench, key: str) -> None:
    bench.transformations[0]["sites"][1:] = reversed(bench.transformations[0]["sites"][1:])

    assert used(bench) == used(bench, **{key: "installed"}) == "tool"
    assert used(bench, **{key: "Staged"}) == "tool-elsewhere"
    assert used(bench, **{key: "Submit"}) == "tool-local"


def test_a_task_without_an_entry_that_counts_is_named_with_the_property(bench: Bench) -> None:
    del bench.transformations[0]["sites"][1:]

    with pytest.raises(PlanningError) as caught:
        used(bench, mapper="Staged")

    (problem,) = caught.value.problems
    assert problem.message == (
        "transformation 'tool' has no executable that counts: "
        "pegasus.catalog.transformation.mapper = Staged (needed by task 't')"
    )
    assert problem.hint.startswith("remove pegasus.catalog.transformation.mapper")


def tagged(bench: Bench, tag: str) -> dict[str, str]:
    bench.sites = [
        {
            "name": "condorpool",
            "profiles": {"env": {"A": "site", "B": "site", "C": "site"}},
            "x-tags": [
                {"name": "gpu", "profiles": {"env": {"B": "tag", "C": "tag"}, "pegasus": {"cores": "3"}}}
            ],
        }
    ]
    bench.transformations[0]["profiles"] = {"env": {"C": "transformation"}}
    made = bench.plan(task("t", makes="out", profiles={"pegasus": {"tag": tag}, "env": {"B": "job"}}))
    (job,) = [job for job in made.jobs if job.tasks]
    warned = [warning.message for warning in made.planned.warnings if warning.kind == "unknown-tag"]
    return {**job.tasks[0].env, "cores": str(job.cores), "warned": ", ".join(warned)}


def test_profiles_of_a_tag_stand_between_those_of_the_site_and_of_the_transformation(bench: Bench) -> None:
    found = tagged(bench, "gpu")

    assert {"A": "site", "B": "tag", "C": "transformation", "cores": "3"}.items() <= found.items()
    assert found["warned"] == ""


def test_a_tag_that_no_site_has_is_a_warning(bench: Bench) -> None:
    found = tagged(bench, "gpus")

    assert {"A": "site", "B": "site", "cores": "1"}.items() <= found.items()
    assert found["warned"] == "profile pegasus.tag = 'gpus' does nothing: no site has this tag (task 't')"
