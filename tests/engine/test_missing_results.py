"""A result that was removed or changed after its delivery is noticed, and made again if asked for."""

from __future__ import annotations

import itertools
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.test_lost_results import RIGHT, Chain
from kit.planned_workflow import Bench, task
from markab import operations
from markab.engine import missing_results
from markab.engine.missing_results import read_missing_results
from markab.engine.run import Outcome, RunOptions, _redone, run
from markab.errors import NotARun
from markab.formatting import html_text
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
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
    page, _ = operations.write_page(done.submit_dir)
    assert f'<p class="note">warning: {html_text(words)}</p>' in page.read_text()


def test_nothing_is_said_of_results_that_are_there(done: Chain) -> None:
    assert done.run().warnings == [] and read_missing_results(done.submit_dir) == ""
    page, _ = operations.write_page(done.submit_dir)
    assert "warning:" not in page.read_text()
    assert restore(done.submit_dir).was_complete


def test_what_is_missing_is_made_again_and_scratch_is_removed_again(done: Chain) -> None:
    done.result.unlink()

    outcome = restore(done.submit_dir)
    assert outcome.state == "success"
    assert outcome.warnings == [
        f"the result '{done.result}' is made again by tool_one, tool_two, tool_three and 10 more jobs"
    ]
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


def test_a_part_that_was_delivered_of_what_one_job_delivers_is_looked_for_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.has("raw")
    (tmp_path / "bin/tool").write_text('#!/bin/sh\n[ "$1" != bad ] && echo content > "$1"\n')
    tasks = [task(name, "raw", name, arguments=[name]) for name in ("good", "bad")]
    options = {"properties": {"dagman.retry": "0"}, "output_dir": tmp_path / "out"}
    directory = plan(bench.options(*tasks, **options)).submit_dir
    assert directory is not None
    assert run(directory, RunOptions(cores=2)).state == "failed"
    assert read_missing_results(directory) == ""
    result = tmp_path / "out/good"
    result.unlink()

    assert f"the result '{result}' is gone" in read_missing_results(directory)
    assert operations.read_status(directory, check_results=True).state == "Failure"
    with operations.analyze(directory) as report:
        assert report.to_json()["warnings"] == [read_missing_results(directory)]
        assert f"  warning: the result '{result}' is gone" in report.text()
    assert restore(directory).warnings == [] and result.exists()


def test_what_makes_a_result_again_is_done_where_the_run_was_copied_from(done: Chain, tmp_path: Path) -> None:
    copy = tmp_path / "a copy"
    shutil.copytree(done.submit_dir, copy)
    done.result.unlink()
    command = f"markab run --restore {shlex.quote(str(done.submit_dir))}"

    assert f"`{command}` makes what is missing again" in read_missing_results(copy)
    assert f"to make it again: {command}\n" in operations.trace(copy, "end").text()
    with pytest.raises(NotARun) as refused:
        restore(copy)
    assert refused.value.hint == f"continue that one: `{command}`; or plan the workflow again"

    shutil.rmtree(done.submit_dir)
    assert f"`markab run --restore {shlex.quote(str(copy))}`" in read_missing_results(copy)
    assert restore(copy).state == "success" and done.result.read_text() == RIGHT


def test_results_are_said_to_be_only_where_one_is(done: Chain) -> None:
    assert operations.read_result(done.submit_dir).outputs == [str(done.result.parent)]
    for result in done.result.parent.iterdir():
        result.rename(result.with_name(f"{result.name} of another run"))
    assert operations.read_result(done.submit_dir).outputs == []


def test_the_results_of_a_run_with_very_many_jobs_are_not_looked_for(
    done: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = PlanFile(done.submit_dir / "plan.jsonl").header.jobs
    done.result.unlink()
    said = []
    for most in (jobs, jobs - 1):
        monkeypatch.setattr(missing_results, "JOBS_CHECKED", most)
        said.append(read_missing_results(done.submit_dir))

    assert "is gone" in said[0] and not said[1]


@pytest.mark.parametrize(
    ("jobs", "restored", "text"),
    [
        (1, 0, "j0 runs again: file 'x' has gone"),
        (2, 0, "j0, j1 run again; j0, because file 'x' has gone"),
        (3, 0, "j0, j1, j2 run again; j0, because file 'x' has gone"),
        (4, 0, "j0, j1, j2 and 1 more job run again; j0, because file 'x' has gone"),
        (5, 0, "j0, j1, j2 and 2 more jobs run again; j0, because file 'x' has gone"),
        (1, 1, "the result '/r/0' is made again by j0"),
        (4, 2, "the result '/r/0', and results of 1 more job, are made again by j0, j1, j2 and 1 more job"),
        (4, 3, "the result '/r/0', and results of 2 more jobs, are made again by j0, j1, j2 and 1 more job"),
    ],
)
def test_which_jobs_run_again_is_said_in_few_words(jobs: int, restored: int, text: str) -> None:
    outline = [SimpleNamespace(id=f"j{n}", kind=Kind.COMPUTE) for n in range(jobs)]
    lost = dict.fromkeys(range(jobs), "file 'x' has gone")

    found = _redone(
        cast(PlanFile, SimpleNamespace(outline=outline, title=lambda n: f"j{n}")),
        lost,
        {n: f"/r/{n}" for n in range(restored)},
    )

    assert found == text
