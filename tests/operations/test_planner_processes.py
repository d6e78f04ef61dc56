from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from markab.engine.child_planner import PlanRequest
from markab.executors.attempt_id import AttemptId
from markab.operations.planner_process import PlannerProcess
from markab.operations.planner_processes import ENOUGH, PlannerProcesses, planners_for

PLANNER = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    while request["directory"] == "waits" and not os.path.exists(request["submit_dir"]):
        time.sleep(0.01)
    if request["directory"] == "dies":
        os._exit(1)
    print(json.dumps({"attempt": request["attempt"], "message": str(os.getpid())}), flush=True)
"""


@pytest.fixture
def planners() -> Iterator[PlannerProcesses]:
    found = PlannerProcesses(2, partial(PlannerProcess, (sys.executable, "-c", PLANNER)))
    yield found
    found.close()
    found.close()  # may be called twice


def ask(planners: PlannerProcesses, number: int, directory: str, submit_dir: str = "") -> None:
    planners.request(PlanRequest(AttemptId("run", number, 1), submit_dir, directory, {}))


def take(planners: PlannerProcesses, number: int) -> dict[int, str]:
    found: dict[int, str] = {}
    while len(found) < number:
        ready, _, _ = select.select([planners.fileno()], [], [], 60)
        assert ready, "no answer came"
        found |= {answer.attempt.job: answer.message for answer in planners.answers()}
    return found


def test_one_that_takes_long_does_not_keep_the_others_waiting(
    planners: PlannerProcesses, tmp_path: Path
) -> None:
    ask(planners, 0, "waits", str(tmp_path / "go"))
    for number in range(1, 2 * ENOUGH):
        ask(planners, number, "inner")

    others = take(planners, ENOUGH)  # those that the other process has
    assert set(others) == set(range(ENOUGH, 2 * ENOUGH))

    (tmp_path / "go").touch()
    first = take(planners, ENOUGH)
    assert set(first) == set(range(ENOUGH)) and set(first.values()).isdisjoint(others.values())


def test_a_few_are_planned_by_one_process(planners: PlannerProcesses) -> None:
    for number in range(ENOUGH):
        ask(planners, number, "inner")

    assert len(set(take(planners, ENOUGH).values())) == 1


def test_a_process_that_dies_fails_its_own_workflow_only(planners: PlannerProcesses) -> None:
    ask(planners, 0, "dies")
    for number in range(1, 2 * ENOUGH):
        ask(planners, number, "inner")

    found = take(planners, 2 * ENOUGH)
    assert "ended unexpectedly" in found[0]
    assert all(message.isdigit() for number, message in found.items() if number)


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 1), (3, 2), (64, 4)])
def test_the_engine_has_a_core_for_itself(cores: int, processes: int) -> None:
    assert planners_for(cores) == processes
