"""A secret file that a profile names: its path is a variable of the task, and nothing of it is written anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.engine.run import RunOptions, run
from markab.errors import PlanningError
from markab.spec.profile_keys import CREDENTIALS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.transformations[0]["sites"][0]["name"] = "local"
    return made


def credential(bench: Bench, name: str = "proxy", mode: int = 0o600) -> Path:
    path = bench.path / name
    path.write_text("very secret\n")
    path.chmod(mode)
    return path


def planned_env(bench: Bench, **profiles: dict[str, str]) -> dict[str, str]:
    (found,) = bench.plan(task("t", profiles=profiles), sites=["local"])["tool_t"].tasks
    return found.env


def problems(bench: Bench, **profiles: dict[str, str]) -> list[str]:
    with pytest.raises(PlanningError) as caught:
        planned_env(bench, **profiles)
    return [problem.message for problem in caught.value.problems]


def test_a_task_reads_its_credential_and_no_file_of_the_run_has_it(bench: Bench) -> None:
    path = credential(bench)
    (bench.path / "bin" / "tool").write_text('#!/bin/sh\nwc -l < "$X509_USER_PROXY" > x\n')
    entry = task("a", makes="x", profiles={"pegasus": {"X509_USER_PROXY": str(path)}})

    made = bench.plan(entry, sites=["local"])
    submit = made.planned.submit_dir
    assert submit is not None and [] == made.planned.warnings
    assert run(submit, RunOptions(cores=1)).state == "success"
    assert (bench.path / "wf-output" / "x").read_text().strip() == "1"
    written = [one for one in bench.path.rglob("*") if one.is_file() and one != path]
    assert len(written) > 5
    assert [one for one in written if b"very secret" in one.read_bytes()] == []


@pytest.mark.parametrize("key", CREDENTIALS)
def test_each_kind_of_credential_has_the_variable_of_its_name(bench: Bench, key: str) -> None:
    path = credential(bench)
    assert planned_env(bench, pegasus={key.lower(): path.name}) == {key: str(path)}


def test_a_variable_that_is_given_wins_over_the_credential(bench: Bench) -> None:
    path = credential(bench)
    env = {"S3CFG": "elsewhere", "OTHER": "1"}
    assert planned_env(bench, pegasus={"S3CFG": str(path)}, env=env) == env


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_credential_that_others_could_read_is_refused_with_the_remedy(bench: Bench, mode: int) -> None:
    path = credential(bench, mode=mode)
    with pytest.raises(PlanningError) as caught:
        planned_env(bench, pegasus={"X509_USER_PROXY": str(path)})
    [problem] = caught.value.problems
    assert f"has mode {mode:03o}: others could read it (needed by task 't')" in problem.message
    assert problem.hint == f"chmod 600 '{path}'"


def test_a_credential_that_is_absent_or_a_directory_is_refused(bench: Bench) -> None:
    pegasus = {"BOTO_CONFIG": "nowhere", "SSH_PRIVATE_KEY": str(bench.path)}
    absent, directory = problems(bench, pegasus=pegasus)
    assert "BOTO_CONFIG cannot be used: No such file or directory (needed by task 't')" in absent
    assert "SSH_PRIVATE_KEY is no file (needed by task 't')" in directory
