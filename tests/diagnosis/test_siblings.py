from __future__ import annotations

from pathlib import Path

from kit.made_run import compute, make_run
from markab.diagnosis.siblings import differences, nearest_sibling
from markab.plan.model import Input, Kind, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile

SUCCEEDED, FAILED = 5, 6


def task(id: str, arguments: str, transformation: str = "wc", **more: object) -> PlannedJob:
    made = PlannedTask(id=id, transformation=transformation, executable="/x", arguments=arguments)
    return PlannedJob(id=id, kind=Kind.COMPUTE, site="local", tasks=[made], **more)  # type: ignore[arg-type]


def test_the_nearest_job_of_the_same_transformation_that_succeeded_is_found(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), task("c", "", "wc2"), compute("d"), compute("e"), compute("f")]
    plan = PlanFile(make_run(tmp_path, jobs) / "plan.jsonl")
    ok = bytearray([SUCCEEDED] * 6)
    ok[3] = FAILED
    assert nearest_sibling(plan, ok, 3) == 4
    ok[4] = FAILED
    assert nearest_sibling(plan, ok, 3) in (1, 5)
    assert nearest_sibling(plan, bytearray([FAILED] * 6), 3) is None


def test_what_differs_is_listed_and_nothing_else() -> None:
    mine = task("a", "-n 3 x", inputs=[Input(lfn="in"), Input(lfn="x")])
    its = task("b", "-n 3 y", inputs=[Input(lfn="in"), Input(lfn="y")])
    record = {"host": "node1", "invocations": [{"maxrss_kb": 4 << 20}]}
    other = {"host": "node2", "invocations": [{"maxrss_kb": 1 << 20}]}
    assert differences(mine, record, its, other) == [
        "arguments: x here, y there",
        "only this one reads x",
        "only that one reads y",
        "memory: 4.0 GB here, 1.0 GB there",
        "host: node1 here, node2 there",
    ]
    assert differences(mine, record, mine, record) == []


def test_command_lines_of_different_length_are_shown_whole() -> None:
    assert differences(task("a", "x"), {}, task("b", "x 'y"), {}) == ["its arguments: x 'y"]
