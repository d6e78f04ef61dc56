"""A result that was removed or changed after its delivery is noticed, and made again if asked for."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.test_lost_results import RIGHT, Chain
from kit.planned_workflow import Bench, task
from markab import operations
from markab.engine.missing_results import read_missing_results
from markab.engine.run import Outcome, RunOptions, run
from markab.planner.planning import plan


def restore(submit_dir: Path) -> Outcome:
    return run(submit_dir, RunOptions(cores=2, restore=True))


@pytest.fixture
def done(tmp_path: Path) -> Chain:
    chain = Chain(tmp_path)
    chain.go.touch()
    assert chain.run().state == "success" and chain.ran()
    return chain


def truncate(path: Path) -> None:
    path.write_text("x")


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [Path.unlink, truncate, replace_by_directory])
def test_a_missing_result_of_a_complete_run_is_named_with_what_makes_it_again(
    done: Chain, spoil: Callable[[Path], None]
) -> None:
    spoil(done.result)
    words = (
        f"the result '{done.result}' is gone, or has another size: "
        f"`markab run --restore {shlex.quote(str(done.submit_dir))}` makes what is missing again"
    )

    outcome = done.run()
    assert outcome.was_complete and outcome.warnings == [words] and done.ran() == []
    assert operations.read_status(done.submit_dir, check_results=True).warnings == (words,)
    assert operations.read_status(done.submit_dir).warnings == ()


def test_nothing_is_said_of_results_that_are_there(done: Chain) -> None:
    assert done.run().warnings == [] and read_missing_results(done.submit_dir) == ""
    assert restore(done.submit_dir).was_complete


def test_what_is_missing_is_made_again_and_scratch_is_removed_again(done: Chain) -> None:
    done.result.unlink()

    assert restore(done.submit_dir).state == "success"
    assert done.result.read_text() == RIGHT and done.ran() == ["one", "two", "three", "end"]
    assert not done.scratch.exists()
    assert done.run().was_complete and done.run().warnings == []


def planned(directory: Path, *made: str, **options: Any) -> Path:
    """Plan jobs that each make a file of the one before; `bad` fails."""
    bench = Bench(directory)
    bench.has("raw")
    script = '#!/bin/sh\n[ "$2" != bad ] && cat "$1" > "$2"\n'
    (directory / "bin/tool").write_text(script)
    steps = itertools.pairwise(["raw", *made])
    tasks = [task(name, read, name, arguments=[read, name]) for read, name in steps]
    submit_dir = plan(bench.options(*tasks, properties={"dagman.retry": "0"}, **options)).submit_dir
    assert submit_dir is not None
    return submit_dir


def test_a_run_that_goes_on_names_results_that_were_removed_meanwhile(tmp_path: Path) -> None:
    directory = planned(tmp_path, "good", "bad", output_dir=tmp_path / "out")
    assert run(directory, RunOptions(cores=2)).state == "failed"
    (tmp_path / "out/good").unlink()

    outcome = run(directory, RunOptions(cores=2))
    assert any(f"the result '{tmp_path}/out/good' is gone" in warning for warning in outcome.warnings)
    assert not (tmp_path / "out/good").exists()
    assert restore(directory).state == "failed" and (tmp_path / "out/good").exists()


def test_results_without_an_output_site_are_looked_for_in_scratch(tmp_path: Path) -> None:
    directory = planned(tmp_path, "good")
    assert run(directory, RunOptions(cores=2)).state == "success"
    (scratch,) = operations.read_result(directory).outputs
    assert read_missing_results(directory) == ""
    (Path(scratch) / "good").unlink()

    assert f"the result '{scratch}/good' is gone" in read_missing_results(directory)
    assert restore(directory).state == "success" and (Path(scratch) / "good").exists()
