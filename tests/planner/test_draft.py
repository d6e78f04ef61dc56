"""Removing and merging jobs of a draft, without a plan."""

from __future__ import annotations

import pytest

from markab.errors import PlanningError
from markab.plan.model import Kind, PlannedJob
from markab.planner.draft import Draft
from markab.planner.graph import levels_of
from markab.planner.placement import Executable, Placement, Program, merge_placements, merge_resources
from markab.planner.task_files import files_of_job, inputs_of, outputs_of
from markab.spec.model import Task, Transformation, TransformationSite, Use, Workflow
from markab.spec.profiles import Resources


def a_task(name: str, reads: str = "", makes: str = "") -> Task:
    uses = [Use(lfn, "input") for lfn in reads.split()] + [Use(lfn, "output") for lfn in makes.split()]
    return Task(name, name="tool", uses=uses)


def placement(
    site: str = "local", resources: Resources | None = None, staged_as: str | None = None
) -> Placement:
    at = TransformationSite("local", "installed", "/bin/tool")
    executable = Executable(Transformation("tool"), at, staged_as)
    return Placement(
        site,
        "local",
        "condorio",
        (Program(executable, (), {}),),
        resources or Resources(),
        False,
        (executable,) if staged_as else (),
    )


def draft_of(*tasks: Task, parents: list[list[int]]) -> Draft:
    draft = Draft(Workflow("5.0", "w", list(tasks)), list(tasks))
    levels = levels_of(parents)
    assert levels is not None
    draft.set_graph(parents, levels)
    draft.producer = {
        use.lfn: number for number, task in enumerate(tasks) for use in task.uses if use.type == "output"
    }
    draft.placements = [placement() for _ in tasks]
    return draft


@pytest.fixture
def diamond() -> Draft:
    """Tasks a → b, c → d."""
    return draft_of(
        a_task("a", makes="x"),
        a_task("b", "x", "y"),
        a_task("c", "x", "z"),
        a_task("d", "y z"),
        parents=[[], [0], [0], [1, 2]],
    )


def test_at_first_each_task_is_a_job(diamond: Draft) -> None:
    assert [(0, (0,)), (1, (1,)), (2, (2,)), (3, (3,))] == list(diamond.task_jobs())
    assert 4 == diamond.count_jobs()


def test_children_of_a_removed_job_no_longer_wait_for_it(diamond: Draft) -> None:
    diamond.remove(0, "reuse", "x exists")

    assert [[], [], [], [1, 2]] == diamond.parents
    assert [0, 0, 1] == diamond.levels[1:]
    assert {"y": 1, "z": 2} == diamond.producer
    assert [1, 2, 3] == [job for job, _ in diamond.task_jobs()]
    assert 3 == diamond.count_jobs()
    assert [("a", "reuse", "removed", "x exists")] == [
        (each.job, each.by, each.what, each.why) for each in diamond.reasons
    ]


def test_a_merged_job_keeps_the_lowest_number_and_all_edges(diamond: Draft) -> None:
    assert 1 == diamond.merge([2, 1], "cluster", "small", "merge_x")

    assert [[], [0], [], [1]] == diamond.parents
    assert {"x": 0, "y": 1, "z": 1} == diamond.producer
    assert [(0, (0,)), (1, (1, 2)), (3, (3,))] == list(diamond.task_jobs())
    assert "b+c" == diamond.name_of(1)
    assert [("b", "small"), ("c", "small, in one job with b")] == [
        (each.job, each.why) for each in diamond.reasons
    ]


def test_jobs_above_each_other_run_in_the_order_of_the_graph(diamond: Draft) -> None:
    diamond.merge([diamond.merge([3, 1], "cluster", "", "m"), 0, 2], "cluster", "", "n")

    assert [(0, (0, 1, 2, 3))] == list(diamond.task_jobs())
    assert [[]] == diamond.parents[:1]


def test_edges_follow_a_job_through_several_changes(diamond: Draft) -> None:
    diamond.merge([1, 2], "cluster", "", "m")
    diamond.merge([1, 0], "cluster", "", "m")
    assert [[], [], [], [0]] == diamond.parents

    diamond.remove(0, "reuse", "")
    assert [[], [], [], []] == diamond.parents
    assert {} == diamond.producer


def test_a_job_that_took_others_in_can_be_removed_before_the_graph_is_read(diamond: Draft) -> None:
    diamond.remove(diamond.merge([1, 2], "cluster", "", "m"), "reuse", "")

    assert [[], [], [], [0]] == diamond.parents


def test_what_waits_for_a_removed_job_waits_for_its_parents_instead(diamond: Draft) -> None:
    diamond.remove(1, "reuse", "")
    assert [[], [], [0], [0, 2]] == diamond.parents
    diamond.remove(2, "reuse", "")
    assert [[], [], [], [0]] == diamond.parents
    assert [0, 1] == [diamond.levels[job] for job in (0, 3)]
    diamond.remove(0, "reuse", "")
    assert [[], [], [], []] == diamond.parents


def test_a_merge_that_makes_jobs_wait_for_each_other_is_found(diamond: Draft) -> None:
    diamond.merge([0, 3], "cluster", "", "m")

    with pytest.raises(
        PlanningError, match=r"jobs were merged that wait for each other: 'a\+d' → 'b' → 'a\+d'"
    ):
        _ = diamond.levels


def test_a_removed_job_can_be_neither_removed_nor_merged(diamond: Draft) -> None:
    diamond.remove(0, "reuse", "")

    with pytest.raises(ValueError, match="job 0 was removed before"):
        diamond.remove(0, "reuse", "")
    with pytest.raises(ValueError, match="job 0 was removed before"):
        diamond.merge([0, 1], "cluster", "", "m")


def test_jobs_are_not_changed_once_auxiliary_jobs_count_on_them(diamond: Draft) -> None:
    added = diamond.add(PlannedJob("mkdir", Kind.CREATE_DIR, "local"), [], "create_dirs", "scratch")

    assert 4 == added
    with pytest.raises(ValueError, match="only before auxiliary jobs are added"):
        diamond.remove(0, "reuse", "")


def test_jobs_at_different_sites_are_not_merged(diamond: Draft) -> None:
    diamond.placements[1] = placement("far")

    with pytest.raises(ValueError, match="jobs at different places cannot be merged"):
        diamond.merge([1, 2], "cluster", "", "m")


def test_a_merged_job_needs_the_most_of_what_is_given_back_and_the_sum_of_what_adds_up() -> None:
    one = Resources(2, 100, 10, 1, 60.0, 50.0, 90.0, 1, 5, "big", ["ok"], ["bad"])
    two = Resources(1, 300, 20, 0, 30.0, 0.0, 10.0, None, 7, "big", ["ok", "done"], [])

    assert Resources(
        2, 300, 30, 1, 90.0, 50.0, 100.0, 1, 7, "big", ["ok", "done"], ["bad"]
    ) == merge_resources([one, two])


def test_what_one_task_does_not_say_the_merged_job_does_not_say() -> None:
    merged = merge_resources([Resources(runtime_s=5.0, max_wall_s=9.0, category="a"), Resources()])

    assert (0.0, 0.0, None) == (merged.runtime_s, merged.max_wall_s, merged.category)


def test_an_executable_of_several_tasks_is_brought_once() -> None:
    both = [placement(staged_as="tool"), placement(staged_as="tool")]

    merged = merge_placements(both, [program for each in both for program in each.programs])

    assert (2, ["tool"]) == (len(merged.programs), [each.staged_as for each in merged.staged])


def test_a_job_of_several_tasks_reads_what_comes_from_outside_and_makes_all() -> None:
    tasks = [a_task("a", "raw", "x"), a_task("b", "x raw", "y")]

    reads, makes = files_of_job((inputs_of(task), outputs_of(task)) for task in tasks)

    assert ["raw"] == [use.lfn for use in reads]
    assert ["x", "y"] == [use.lfn for use in makes]


def test_a_file_that_two_tasks_of_a_job_read_is_as_necessary_as_either_says() -> None:
    tasks = [
        Task("a", uses=[Use("f", "input", optional=True, bypass=True)]),
        Task("b", uses=[Use("f", "input", bypass=True, executable=True)]),
    ]

    [use], _ = files_of_job((inputs_of(task), outputs_of(task)) for task in tasks)

    assert (False, True, True) == (use.optional, use.bypass, use.executable)
