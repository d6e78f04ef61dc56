"""The order in which the tasks of an attempt run."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from markab.worker.task_order import MOST, InSequence, OnCores, Task, order_of


def tasks(*names: str, **more: Any) -> list[Task]:
    return [{"id": name, **more} for name in names]


def ids(series: list[Task]) -> list[str]:
    return [task["id"] for task in series]


def test_tasks_run_in_the_order_of_the_job_and_none_while_others_run() -> None:
    order = order_of({"tasks": tasks("a", "b", "c")})

    assert ids(order.take()) == ["a", "b", "c"]
    assert order.take() == []
    for name in "abc":
        order.ended(name, well=True)
    assert order.take() == []


def test_a_task_with_a_file_for_a_stream_is_a_series_by_itself() -> None:
    order = InSequence([*tasks("a"), {"id": "b", "stdin": "x"}, *tasks("c")])
    taken = []
    while series := order.take():
        taken.append(ids(series))
        for task in series:
            order.ended(task["id"], well=True)

    assert taken == [["a"], ["b"], ["c"]]


def test_what_comes_after_a_failed_task_is_left_out() -> None:
    order = InSequence([*tasks("a"), {"id": "b", "after": ["a"]}, {"id": "c", "after": ["b"]}, *tasks("d")])
    first, *others = order.take()
    order.ended(first["id"], well=False)
    order.give_back(others)

    assert ids(order.take()) == ["d"]


def test_as_many_tasks_run_as_cores_and_memory_allow() -> None:
    order = OnCores(tasks("a", "b", "c", cores=2), cores=5, memory_mb=0)
    assert [ids(order.take()) for _ in range(3)] == [["a"], ["b"], []]
    order.ended("a", well=True)
    assert ids(order.take()) == ["c"]

    order = OnCores(tasks("a", "b", memory_mb=600), cores=5, memory_mb=1000)
    assert [ids(order.take()) for _ in range(2)] == [["a"], []]


def test_a_small_task_runs_beside_a_large_one_that_has_no_room() -> None:
    order = OnCores([*tasks("a"), *tasks("large", cores=2), *tasks("b")], cores=2, memory_mb=0)

    assert [ids(order.take()) for _ in range(3)] == [["a"], ["b"], []]


def test_the_ready_task_with_the_highest_priority_comes_first() -> None:
    order = OnCores([*tasks("a", "b"), *tasks("c", priority=5)], cores=1, memory_mb=0)

    assert [ids(order.take(1))] == [["c"]]


def test_many_short_tasks_make_long_series_and_the_last_are_short() -> None:
    order = OnCores(tasks(*map(str, range(100))), cores=2, memory_mb=0)
    lengths = []
    while series := order.take():
        lengths.append(len(series))
        for task in series:
            order.ended(task["id"], well=True)

    assert lengths[0] > 10 and lengths[-1] == 1 and max(lengths) <= MOST


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(1, 12))
    made = []
    for at in range(number):
        after = draw(st.lists(st.integers(0, at - 1), unique=True, max_size=3)) if at else []
        needs = {"cores": draw(st.integers(1, 3)), "memory_mb": draw(st.integers(0, 3))}
        stream = {"stdout": "f"} if draw(st.booleans()) else {}
        made.append({"id": str(at), "after": [str(one) for one in after], **needs, **stream})
    return {"tasks": made, "tasks_at_once": draw(st.booleans()), "cores": 3, "memory_mb": 3}


@given(jobs(), st.data())
def test_each_task_runs_once_after_those_before_it_and_within_what_the_job_holds(
    job: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever fails, however series end early: a task runs if and only if all before it ended well."""
    order = order_of(job)
    tasks = {task["id"]: task for task in job["tasks"]}
    running: list[list[str]] = []
    well: dict[str, bool] = {}
    while True:
        while series := ids(order.take(data.draw(st.integers(1, 4)))):
            running.append(series)
        if not running:
            break
        heads = [tasks[series[0]] for series in running]
        if job["tasks_at_once"]:
            assert sum(task["cores"] for task in heads) <= 3 and sum(task["memory_mb"] for task in heads) <= 3
        else:
            assert len(running) == 1
        at = data.draw(st.integers(0, len(running) - 1))
        series = running.pop(at)
        ended = data.draw(st.integers(1, len(series)))
        for position, name in enumerate(series[:ended]):
            assert name not in well and all(well.get(one) for one in tasks[name]["after"])
            well[name] = position < ended - 1 or data.draw(st.booleans())
            order.ended(name, well[name])
        order.give_back([tasks[name] for name in series[ended:]])

    for name, task in tasks.items():
        assert (name in well) == all(well.get(one) for one in task["after"])
