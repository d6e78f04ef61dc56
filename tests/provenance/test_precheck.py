"""What is seen of a database without opening it: jobs need not wait where all is well."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kit.diamond import diamond_story, make_diamond
from markab.provenance import schema
from markab.provenance.precheck import looks_usable
from markab.provenance.run_database import open_database

SRC = Path(__file__).resolve().parents[2] / "src"
DATABASE = "words-0.stampede.db"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_diamond(tmp_path / "run", entries=diamond_story())


def test_a_run_without_a_database_yet_may_start_at_once(run: Path) -> None:
    assert looks_usable(run)


def test_so_may_one_that_goes_on(run: Path) -> None:
    open_database(run).close()
    assert looks_usable(run)


def test_a_name_that_urls_cannot_have_is_a_name_all_the_same(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "a run? #1 100%20", entries=diamond_story())
    open_database(run).close()
    assert looks_usable(run)


def test_what_is_no_database_of_ours_has_to_be_asked(run: Path) -> None:
    file = run / DATABASE
    file.mkdir()
    assert not looks_usable(run)
    file.rmdir()
    file.symlink_to("nowhere/at/all")
    assert not looks_usable(run)
    file.unlink()
    file.write_bytes(b"no database at all " * 100)
    assert not looks_usable(run)
    file.write_bytes(b"")
    assert not looks_usable(run)


def test_one_of_another_version_has_to_be_asked(run: Path) -> None:
    open_database(run).close()
    with sqlite3.connect(run / DATABASE) as connection:
        connection.execute("UPDATE dbversion SET version_number = ?", (schema.VERSION + 1,))
    connection.close()
    assert not looks_usable(run)


def test_a_locked_database_is_undecided_and_is_not_waited_for(run: Path) -> None:
    open_database(run).close()
    other = sqlite3.connect(run / DATABASE)
    other.execute("BEGIN EXCLUSIVE")
    assert not looks_usable(run)
    other.close()


@pytest.mark.parametrize("key", ["pegasus.catalog.workflow.url", "pegasus.monitord.output"])
def test_a_server_has_to_be_asked(run: Path, key: str) -> None:
    (run / "pegasus.1.properties").write_text(f"{key} = postgresql://ada@db.example.org/runs\n")
    assert not looks_usable(run)


def test_a_run_that_wants_no_database_never_waits_for_one(run: Path) -> None:
    (run / "pegasus.1.properties").write_text(
        "pegasus.catalog.workflow.url = postgresql://db/runs\npegasus.monitord.events = false\n"
    )
    (run / DATABASE).mkdir()
    assert looks_usable(run)


def test_what_is_no_run_is_the_engines_to_refuse(tmp_path: Path) -> None:
    assert looks_usable(tmp_path)


def test_a_python_without_sqlite_leaves_the_answer_to_who_opens_the_database(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(run).close()
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    assert not looks_usable(run)


def test_looking_imports_nothing_that_opens_databases(run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from markab.provenance.precheck import looks_usable\n"
        "looks_usable(Path(sys.argv[1])); print([m for m in sys.modules if 'sql' in m.lower()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"[]"
