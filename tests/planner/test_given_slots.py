"""The slots of this machine that a plan gives to its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import DocumentError, PlanningError
from markab.plan.model import GivenSlots
from markab.planner.planning import dry_run, plan


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def give(bench: Bench, name: str, **slots: str) -> None:
    """Add a site that gives these slots in its profiles."""
    path = bench.path / name
    servers = [{"url": f"file://{path}", "operation": "all"}]
    scratch = {"type": "sharedScratch", "path": str(path), "fileServers": servers}
    pegasus = {f"slots.{key}": value for key, value in slots.items()}
    bench.sites.append({"name": name, "directories": [scratch], "profiles": {"pegasus": pegasus}})
    bench.transformations[0]["sites"].append(
        {"name": name, "type": "installed", "pfn": str(bench.path / "bin" / "tool")}
    )


def test_a_plan_gives_none_unless_something_says_so(bench: Bench) -> None:
    assert GivenSlots() == bench.plan(task("a")).header.slots


def test_properties_and_forwarded_options_give_slots(bench: Bench) -> None:
    properties = {"markab.slots.cores": "3", "markab.slots.memory": "2 GB", "markab.slots.gpus": "0"}

    assert GivenSlots(3, 2048, 0) == bench.plan(task("a"), properties=properties).header.slots
    made = bench.plan(task("a"), properties=properties, forward=["gpus=2", "--cores=4", "max-jobs=7", "grid"])
    assert GivenSlots(4, 2048, 2) == made.header.slots and made.header.max_jobs == 7


def test_the_largest_of_the_sites_where_jobs_run_counts_unless_a_property_says_otherwise(
    bench: Bench,
) -> None:
    give(bench, "one", gpus="1", memory="4 GB")
    give(bench, "two", gpus="2", cores="8")
    give(bench, "unused", gpus="9")
    tasks = [task(f"t{n}", profiles={"selector": {"execution.site": n}}) for n in ("one", "two")]

    assert GivenSlots(8, 4096, 2) == bench.plan(*tasks).header.slots
    made = bench.plan(*tasks, properties={"markab.slots.gpus": "1"})
    assert GivenSlots(8, 4096, 1) == made.header.slots
    assert [] == made.planned.warnings


def test_the_smallest_amounts_are_accepted(bench: Bench) -> None:
    least = {"markab.slots.cores": "1", "markab.slots.memory": "1 MB", "markab.slots.gpus": "0"}
    assert GivenSlots(1, 1, 0) == bench.plan(task("a"), properties=least).header.slots

    give(bench, "one", cores="1", memory="1", gpus="0")
    assert GivenSlots(1, 1, 0) == bench.plan(task("a"), sites=["one"]).header.slots


def test_slots_that_are_no_amounts_are_errors(bench: Bench) -> None:
    wrong = {"markab.slots.cores": "0", "markab.slots.memory": "much", "markab.slots.gpus": "-1"}
    with pytest.raises(DocumentError) as caught:
        dry_run(bench.options(task("a"), properties=wrong))
    assert [
        "property 'markab.slots.memory' is 'much' (command line); it must be an amount such as '2048' (MB) or '2 GB'",
        "property 'markab.slots.cores' is '0' (command line); it must be a whole number from 1",
        "property 'markab.slots.gpus' is '-1' (command line); it must be a whole number from 0",
    ] == [problem.message for problem in caught.value.problems]

    give(bench, "one", cores="0", memory="some", gpus="many")
    with pytest.raises(PlanningError) as refused:
        plan(bench.options(task("a"), sites=["one"]))
    assert [
        "profile pegasus.slots.cores of site 'one' is '0'; it must be a whole number",
        "profile pegasus.slots.memory of site 'one' is 'some'; it must be an amount such as '2048' (MB) or '2 GB'",
        "profile pegasus.slots.gpus of site 'one' is 'many'; it must be a whole number",
    ] == [problem.message for problem in refused.value.problems]


def test_an_option_that_the_run_does_not_have_cannot_be_handed_on(bench: Bench) -> None:
    with pytest.raises(DocumentError) as caught:
        dry_run(bench.options(task("a"), forward=["gpu=1", "what"]))
    assert [
        "--forward hands on an option of the run, and it has no option 'gpu' | did you mean 'gpus'?",
        "--forward hands on an option of the run, and it has no option 'what' | "
        "what can be handed on: cores, memory, gpus, max-jobs",
    ] == [f"{problem.message} | {problem.hint}" for problem in caught.value.problems]
