from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.diagnosis.edited_files import edited_files
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.replanning import replan_command
from markab.errors import Problem
from markab.plan.model import Input, Kind, PlannedJob, Transfer
from markab.plan.sources import Sources, write_sources

STAGED_AT = 1_800_000_001.0


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_text("as it was")
    (tmp_path / "copy.txt").write_text("as it was")
    return tmp_path


def staged_run(here: Path, **moved: Any) -> Path:
    """A run whose only job, which reads a staged file, failed; the file is older unless its time is set."""
    jobs = [
        PlannedJob(id="stage_in", kind=Kind.STAGE_IN, site="local", transfers=[Transfer("in.txt", [], [])]),
        compute("a", 0, inputs=[Input(lfn="in.txt")]),
    ]
    transfer = {
        "lfn": "in.txt",
        "source": f"file://{here}/in.txt",
        "destination": f"{here}/copy.txt",
        "bytes": len("as it was"),
        "sha256": sha256(b"as it was").hexdigest(),
    }
    happened = [began(), start(0), end(0, start=0.0, transfers=[transfer | moved]), start(1), failed(1)]
    return make_run(here / "run", jobs, [*happened, gave_up(1), ended("failed")])


def found(directory: Path) -> list[Problem]:
    run = Analyzer(directory)
    try:
        run.read()
        return edited_files(run)
    finally:
        run.close()


def test_an_input_that_differs_from_what_was_staged_is_edited(here: Path) -> None:
    run = staged_run(here)
    assert not found(run), "only newer: its content is the same"
    (here / "in.txt").write_text("as it is!")
    (problem,) = found(run)
    assert (
        "in.txt was edited after this run had taken it (for wc_a); the run goes on with what it was"
        in str(problem)
    )
    assert f"to take it anew: `markab run --refresh {run}`; stage_in runs again" == problem.hint
    (here / "in.txt").write_text("longer than it was")
    assert found(run)


@pytest.mark.parametrize(
    "moved",
    [
        {"source": "https://example.org/in.txt"},
        {"source": "file://another-machine/in.txt"},
        {"lfn": "unread.txt"},
    ],
    ids=str,
)
def test_a_file_elsewhere_or_that_no_job_reads_is_not_edited(here: Path, moved: dict[str, Any]) -> None:
    run = staged_run(here, **moved)
    (here / "in.txt").write_text("as it is!")
    assert not found(run)


@pytest.mark.parametrize("moved", [{"link": True}, {"destination": "/nowhere/copy.txt"}], ids=str)
def test_a_file_that_is_linked_or_of_which_the_copy_was_removed_is_edited_too(
    here: Path, moved: dict[str, Any]
) -> None:
    run = staged_run(here, **moved)
    (here / "in.txt").write_text("as it is!")
    assert found(run)


def test_a_source_that_is_gone_or_no_file_is_not_edited(here: Path) -> None:
    run = staged_run(here)
    (here / "in.txt").unlink()
    assert not found(run)
    os.mkfifo(here / "in.txt")
    assert not found(run)


def test_a_document_is_compared_with_its_copy_but_for_the_time_of_its_script(here: Path) -> None:
    run = make_run(here / "run", [compute("a")])
    document, copy = here / "workflow.yml", run / "catalogs" / "workflow.yml"
    copy.parent.mkdir()
    copy.write_text("name: a\n  createdOn: 1\njobs: []\n")
    os.utime(copy, (1, 1))
    write_sources(run / "sources.json", Sources(str(here), {copy.name: str(document)}))
    assert not found(run), "the document is gone"
    document.write_text("name: a\n  createdOn: 2\njobs: []\n")
    assert not found(run)
    document.write_text("name: a\n  createdOn: 2\njobs: [{}]\n")
    assert "workflow.yml was edited after the run was planned; the plan is used" in str(found(run)[0])
    os.utime(document, (0, 0))
    assert not found(run), "an older document was not edited since"


def test_planning_again_names_another_directory_and_the_properties_of_the_run(here: Path) -> None:
    (here / "one-2").mkdir()
    braindump = {
        "planner_arguments": "--sites local --conf my.conf --relative-dir one --randomdir=x 'a b.yml'",
        "basedir": str(here),
    }
    assert replan_command(braindump, str(here)) == (
        f"cd {here} && markab run --sites local --conf my.conf --relative-dir one-3 --randomdir 'a b.yml'"
    )
    assert (
        "--sites local --relative-dir one-3 --randomdir --conf /r/p.properties 'a b.yml'"
        in replan_command(braindump, str(here), Path("/r/p.properties"))
    )
    script = ("--set", "n=5 6", "w.py", "--", "-x")
    assert replan_command(braindump, str(here), script=script).endswith(
        "--relative-dir one-3 --randomdir --set 'n=5 6' w.py -- -x"
    )
    assert replan_command({"user": "ada"}, str(here)) == ""
    assert replan_command(braindump, None) == ""
