"""What is said of a job that runs again: each ingredient that counts, with what it was and what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from markab.diagnosis.earlier_jobs import ComparedJob
from markab.diagnosis.job_changes import job_changes, why_again
from markab.plan.model import Content, Input, Kind, Output, PlannedJob, PlannedTask

OLD, NEW = "1a2b3c4d" + "0" * 56, "9f0e9f0e" + "0" * 56


def facts(
    checksums: dict[str, str] | None = None, paths: dict[str, str] | None = None, **keys: Any
) -> ComparedJob:
    content = Content("recipe", keys.get("programs", {}))
    task = PlannedTask("fit", "fit", "./fit", "--in x y", env={"TAG": "day"}, content=content)
    task = msgspec.structs.replace(task, **{k: v for k, v in keys.items() if k in task.__struct_fields__})
    job = PlannedJob(
        "fit",
        Kind.COMPUTE,
        "local",
        tasks=[task],
        inputs=[Input(lfn) for lfn in keys.get("reads", ("x", "fit"))],
        outputs=[Output(lfn) for lfn in keys.get("makes", ("y",))],
        success_messages=keys.get("success", []),
    )
    return ComparedJob(job, checksums or {"x": OLD, "fit": OLD}, paths or {}, Path("run0001"))


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (facts({"x": NEW, "fit": OLD}), "its input 'x' changed (sha256 1a2b3c4d… → 9f0e9f0e…)"),
        (
            facts({"x": OLD, "fit": NEW}, {"fit": "/w/bin/fit.py"}),
            "/w/bin/fit.py changed (sha256 1a2b3c4d… → 9f0e9f0e…)",
        ),
        (facts(arguments="--in x z"), "its arguments changed: --in x y → --in x z"),
        (facts(env={"TAG": "night"}), "the variable TAG changed: day → night"),
        (facts(env={}), "the variable TAG changed: day → nothing"),
        (facts(stdout="y"), "its stdout changed: nothing → y"),
        (facts(makes=("z",)), "its outputs changed: now 'z', no longer 'y'"),
        (facts(reads=("x", "fit", "w")), "its inputs changed: now 'w'"),
        (facts(success=["done"]), "the text of a success changed: nothing → done"),
        (facts(transformation="fit:2"), "its transformation changed: fit → fit:2"),
    ],
)
def test_each_ingredient_is_named_with_what_it_was(now: ComparedJob, text: str) -> None:
    assert [text] == job_changes(facts(), now)


def test_an_installed_program_is_named_by_its_path() -> None:
    before, now = facts(programs={"/opt/fit": OLD}), facts(programs={"/opt/fit": NEW})

    assert ["/opt/fit changed (sha256 1a2b3c4d… → 9f0e9f0e…)"] == job_changes(before, now)


def test_what_does_not_count_is_no_change() -> None:
    job = facts().job
    elsewhere = msgspec.structs.replace(job, site="cluster", cores=8, priority=3, retries=1)

    assert [] == job_changes(facts(), ComparedJob(elsewhere, facts().checksums))


def test_a_checksum_that_is_not_known_is_no_change() -> None:
    assert [] == job_changes(facts(), facts({"x": OLD}))


def test_a_job_that_no_earlier_run_made_says_so() -> None:
    assert "no earlier run of this workflow made its outputs" == why_again(None, facts())
    assert "nothing that is recorded changed since run0001" in why_again(facts(), facts())
