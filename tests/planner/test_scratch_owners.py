from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import PlanningError, Problem, StorageError
from markab.transfers.reserved_names import MARKER

HOST = os.uname().nodename


def mark(bench: Bench, submit_dir: Path, host: str = HOST) -> Path:
    """Leave the scratch directory of a run that was planned in a submit directory."""
    scratch = bench.path / "wf-scratch" / "r"
    scratch.mkdir(parents=True)
    (scratch / MARKER).write_text(f"u-1\n{submit_dir}\n{host}\n")
    return scratch


def refused(bench: Bench) -> Problem:
    with pytest.raises(PlanningError) as caught:
        bench.plan(task("a"), relative_dir="r")
    return caught.value.problems[0]


def test_a_run_that_was_deleted_and_is_planned_again_is_told_of_its_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    mark(bench, tmp_path / "r")

    problem = refused(bench)
    assert not (tmp_path / "r").exists()
    assert "belongs to an earlier run in the same submit directory, whose plan was deleted" in problem.message

    assert bench.plan(task("a"), relative_dir="r", random_dir=True).header.sites["local"].scratch
    shutil.rmtree(tmp_path / "r")
    subprocess.run(shlex.split(problem.hint.rpartition(": ")[2]), check=True)
    assert bench.plan(task("a"), relative_dir="r").jobs


def test_a_scratch_directory_in_use_is_found_before_a_plan_is_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "plan.jsonl").touch()
    mark(bench, other)
    assert f"belongs to another run, in '{other}'" in refused(bench).message


def test_a_scratch_directory_that_no_run_needs_is_no_problem(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    scratch = mark(bench, tmp_path / "gone")
    assert bench.plan(task("a"), relative_dir="r").jobs
    (scratch / MARKER).write_text(f"u-1\n{tmp_path / 'gone'}\nelsewhere\n")
    shutil.rmtree(tmp_path / "r")
    assert "belongs to another run" in refused(bench).message


def test_a_directory_with_the_remains_of_a_run_is_not_planned_into(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.plan(task("a"), relative_dir="r")
    (tmp_path / "r" / "plan.jsonl").unlink()
    with pytest.raises(StorageError, match="holds files of an earlier run, whose plan was deleted"):
        bench.plan(task("a"), relative_dir="r")
    assert (tmp_path / "r" / "braindump.yml").exists()


def test_a_directory_named_with_slashes_is_one_below_the_scratch(tmp_path: Path) -> None:
    planned = Bench(tmp_path).plan(task("a"), random_dir="/ada/g/")

    assert planned.header.sites["local"].scratch.path == f"{tmp_path}/wf-scratch/ada/g"
