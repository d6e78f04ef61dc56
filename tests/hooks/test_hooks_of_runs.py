"""Hooks of runs that are planned and run for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from kit.waiting import wait_until
from markab import operations
from markab.hooks.hook_log import read_hook_results


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs are in the list of no one else."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


TELL = 'echo "$PEGASUS_EVENT $PEGASUS_STATUS $MARKAB_TASK" >> told'


def shell(on: str, cmd: str) -> dict[str, object]:
    return {"shell": [{"_on": on, "cmd": f"sh -c '{cmd}'"}]}


def test_hooks_of_a_run_are_run_and_those_that_fail_are_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "bin" / "tool").write_text("#!/bin/sh\nexit 7\n")
    tasks = [task("a", hooks=shell("all", TELL)), task("b", hooks=shell("end", "echo no luck; exit 4"))]
    submit_dir = bench.plan(*tasks, workflow={"hooks": shell("error", TELL)}).planned.submit_dir
    assert submit_dir is not None

    assert "failed" == operations.run(submit_dir).state
    wait_until(lambda: [] != (ends := read_hook_results(submit_dir)) and None not in [e.status for e in ends])
    assert {"start  a", "at_end 7 a", "on_error 1 "} == set((submit_dir / "told").read_text().splitlines())
    (warning,) = operations.read_status(submit_dir).warnings
    assert "of job tool_b, for at_end: ended with exit code 4 (no luck)" in warning
    with operations.analyze(submit_dir) as report:
        assert f"warning: {warning}" in report.text()


def test_a_hook_that_floods_and_hangs_changes_nothing_in_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    properties = {"pegasus.monitord.notifications.timeout": "1"}
    made = bench.plan(task("a"), workflow={"hooks": shell("start", "yes flood")}, properties=properties)
    submit_dir = made.planned.submit_dir
    assert submit_dir is not None

    assert "success" == operations.run(submit_dir).state
    wait_until(lambda: read_hook_results(submit_dir)[0].status)
    (result,) = read_hook_results(submit_dir)
    assert "it took more than 1 s, and was ended" == result.why and len(result.output) <= 4096


def test_hooks_of_sub_workflows_are_run_like_those_of_the_workflow(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    head = {"pegasus": "5.0.4", "name": "inner", "jobs": [task("a", hooks=shell("end", TELL))]}
    document = tmp_path / "inner.yml"
    document.write_text(json.dumps({**head, "hooks": shell("all", TELL)}))
    bench.replicas.append({"lfn": "inner.yml", "pfns": [{"site": "local", "pfn": str(document)}]})
    inner: dict[str, object] = {"type": "pegasusWorkflow", "file": "inner.yml", "id": "sub", "arguments": []}
    uses = [{"lfn": "inner.yml", "type": "input"}]
    made = bench.plan({**inner, "uses": uses, "hooks": shell("all", TELL)})
    submit_dir = made.planned.submit_dir
    assert submit_dir is not None

    assert "success" == operations.run(submit_dir).state
    child = submit_dir / "00" / "00" / "pegasus-plan_sub"
    wait_until(lambda: len([e for e in read_hook_results(child) if e.status is not None]) == 3)
    assert {"start  ", "at_end 0 ", "at_end 0 a"} == set((child / "told").read_text().splitlines())
    wait_until(lambda: len([e for e in read_hook_results(submit_dir) if e.status is not None]) == 2)
    assert {"start  sub", "at_end 0 sub"} == set((submit_dir / "told").read_text().splitlines())
