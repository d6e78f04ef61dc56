"""The tools of `pegasus-wms` that administer submit directories and databases, and ours, on the same runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from integration.official_packages import theirs
from integration.tools import command, markab

pytestmark = pytest.mark.integration

WORKFLOW = """pegasus: 5.0.4
name: words
transformationCatalog:
  transformations:
  - {name: sh, sites: [{name: local, pfn: /bin/sh, type: installed}]}
jobs:
- {type: job, name: sh, id: a, arguments: [-c, '"echo a > b"'], uses: [{lfn: b, type: output, stageOut: true}]}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "workflow.yml").write_text(WORKFLOW)
    markab(
        "plan",
        "--sites",
        "local",
        "--output-dir",
        "out",
        "--relative-dir",
        "run",
        "workflow.yml",
        cwd=tmp_path,
    )
    markab("run", "run", cwd=tmp_path)
    command("pegasus-submitdir", "attach", "run", cwd=tmp_path)
    return tmp_path / "run"


def official(*words: str | Path, cwd: Path) -> None:
    done = theirs("pegasus-submitdir", *words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def own(*words: str | Path, cwd: Path) -> None:
    command("pegasus-submitdir", *words, cwd=cwd)


def listed(run: Path) -> list[tuple[str, int]]:
    """Places in the list of all runs that are below the directory of a run, and whether they are archived."""
    with closing(sqlite3.connect(Path.home() / ".pegasus/workflow.db")) as database:
        rows = database.execute("SELECT submit_dir, archived FROM master_workflow").fetchall()
    return [(Path(place).name, archived) for place, archived in rows if Path(place).parent == run.parent]


def names(run: Path) -> set[str]:
    """What is in a submit directory; locks of databases are hidden files, and come back by themselves."""
    return {path.name for path in run.iterdir() if not path.name.startswith(".")}


def test_each_unpacks_what_the_other_packed(run: Path) -> None:
    whole = names(run)
    for pack, unpack in ((own, official), (official, own)):
        pack("archive", run, cwd=run.parent)
        assert not (run / "plan.jsonl").exists() and listed(run) == [("run", 1)]
        unpack("extract", run, cwd=run.parent)
        assert names(run) == whole and listed(run) == [("run", 0)]
        assert markab("status", run, cwd=run.parent).returncode == 0


def test_the_list_of_all_runs_is_the_same_for_both(run: Path) -> None:
    official("detach", run, cwd=run.parent)
    assert not listed(run)
    own("attach", run, cwd=run.parent)
    own("move", run, run.parent / "moved", cwd=run.parent)
    assert listed(run) == [("moved", 0)]
    official("attach", run.parent / "moved", cwd=run.parent)
    own("detach", run.parent / "moved", cwd=run.parent)
    assert not listed(run)
    official("attach", run.parent / "moved", cwd=run.parent)
    own("delete", "--force", run.parent / "moved", cwd=run.parent)
    assert not listed(run) and (run.parent / "out/b").exists()


def test_each_administers_the_databases_of_the_other(run: Path) -> None:
    def both(*words: str | Path) -> tuple[int, int]:
        ours = command("pegasus-db-admin", *words, cwd=run.parent, check=False)
        return theirs("pegasus-db-admin", *words, cwd=run.parent).returncode, ours.returncode

    url = f"sqlite:///{run.parent}/made.db"
    command("pegasus-db-admin", "create", url, cwd=run.parent)
    which = ("-s", run, "-t", "WORKFLOW")
    for words in ((url,), which):
        assert both("check", *words) == (0, 0) and both("version", *words) == (0, 0)
    assert both("check", "-V", "4.9.3", url) == (1, 1)

    assert theirs("pegasus-db-admin", "downgrade", url, cwd=run.parent).returncode == 0
    assert both("check", url) == (1, 1) and both("check", "-V", "4.9.3", url) == (0, 0)
    command("pegasus-db-admin", "update", url, cwd=run.parent)
    assert both("check", url) == (0, 0)

    command("pegasus-db-admin", "downgrade", url, cwd=run.parent)
    assert both("check", url) == (1, 1)
    assert theirs("pegasus-db-admin", "update", url, cwd=run.parent).returncode == 0
    assert both("check", url) == (0, 0)


def test_what_we_record_again_they_count_as_before(run: Path) -> None:
    before = theirs("pegasus-statistics", run, cwd=run.parent).stdout
    (run / "words-0.stampede.db").unlink()
    command("pegasus-monitord", "-r", run / "words-0.dag.dagman.out", cwd=run.parent)
    after = theirs("pegasus-statistics", run, cwd=run.parent)

    assert after.returncode == 0 and after.stdout == before
    assert command("pegasus-preflight-check", cwd=run.parent).stdout == ""
