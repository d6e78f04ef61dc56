"""What a machine lacks for the jobs of a plan: each resource is named once, whatever the number of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.planner.machine_needs import NO_NEEDS, Need, Needs, free_disk_mb, lacks
from markab.planner.planning import dry_run
from markab.spec.units import MOST

MACHINE = Need(2, 4096, 0, 1000)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def asking(name: str, **pegasus: str) -> dict[str, object]:
    return task(name, profiles={"pegasus": pegasus})


def test_the_jobs_of_this_machine_are_counted_by_what_they_need(bench: Bench) -> None:
    needs = dry_run(
        bench.options(
            asking("a", cores="4", diskspace="5 GB"),
            asking("b", gpus="1"),
            asking("c", cores="4", diskspace="5 GB"),
            task("d"),
        )
    ).needs

    assert {Need(4, 0, 0, 5120): 2, Need(1, 0, 1, 0): 1, Need(1, 0, 0, 0): 1} == needs.jobs
    assert ["'a'", "'b'", "'d'"] == list(needs.examples.values())
    assert (f"{bench.path}/wf-scratch",) == needs.scratch


def test_what_a_machine_has_is_not_named() -> None:
    assert [] == list(lacks(NO_NEEDS, MACHINE))
    assert [] == list(lacks(Needs({MACHINE: 3}, {MACHINE: "a"}, ("/s",)), MACHINE))


def test_each_resource_that_is_lacking_is_named_once_with_the_largest_request() -> None:
    jobs = {Need(3, 8192, 2, 0): 5, Need(8, 0, 0, 2000): 1, Need(2, 0, 0, 0): 9}
    examples = dict(zip(jobs, ("'five'", "'big'", "'small'"), strict=True))

    found = list(lacks(Needs(jobs, examples, ("/s",)), MACHINE))

    assert [
        "5 jobs need more than there is, up to 2 GPUs ('five'), and this machine has no GPUs: a run here is refused",
        "6 jobs need more than there is, up to 8 cores ('big'), and this machine has 2 cores: "
        "each runs alone, with what there is",
        "5 jobs need more than there is, up to 8.0 GB of memory ('five'), and this machine has 4.0 GB of memory: "
        "each runs alone, with what there is",
        "job 'big' needs 2.0 GB of disk, and this machine has 1.0 GB of free disk below /s: "
        "the disk may become full",
    ] == [lack.message for lack in found]
    assert all(lack.hint for lack in found)


def test_the_room_of_a_directory_that_does_not_exist_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    assert free_disk_mb([f"{tmp_path}/not/yet"]) == pytest.approx(free_disk_mb([str(tmp_path)]), rel=0.1)
    assert free_disk_mb([]) == MOST
