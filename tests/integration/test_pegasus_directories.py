"""Our tools on submit directories in the format of Pegasus count as the tools of `pegasus-wms` do on the same ones."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from integration.test_official_tools import SECTIONS, rows, theirs
from integration.tools import command
from kit.pegasus_run import CURRENT_SCHEMA, PegasusRun, diamond, nested, restarted

pytestmark = pytest.mark.integration

RUNS = ("well", "failing", "restarted", "nested", "old", "older")
UNKNOWN = ("-", "None", "")
"""How they and we write what is not known."""


def make(name: str, path: Path) -> PegasusRun:
    if name == "nested":
        return nested(path)
    if name == "restarted":
        return restarted(path)
    if name == "older":
        return diamond(path, "5.0.1", schema=13, fails=True)
    return diamond(
        path, "5.0.1" if name == "old" else "5.1.2", fails=name == "failing", runs=name == "running"
    )


def contents(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def known(table: list[list[object]]) -> list[list[object]]:
    return [[None if cell in UNKNOWN else getattr(cell, "expected", cell) for cell in row] for row in table]


def compare_statistics(run: PegasusRun, place: Path) -> None:
    words = ("-s", "all", "-f", "csv", "-o")
    command("pegasus-statistics", *words, place / "ours", run.path, cwd=place)
    make_current(run, place)
    done = theirs("pegasus-statistics", *words, place / "theirs", run.path, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    for section in SECTIONS:
        compare_section(place, section)


def compare_section(place: Path, section: str) -> None:
    ours, expected = (rows(place / name / f"{section}.csv") for name in ("ours", "theirs"))
    assert expected, section
    unknown = [[None if cell in UNKNOWN else cell for cell in row] for row in expected]
    assert known(ours) == unknown, section


def make_current(run: PegasusRun, place: Path) -> None:
    """Let their tool update an older database, which their other tools do not read."""
    if run.schema < CURRENT_SCHEMA:
        done = theirs("pegasus-db-admin", "update", f"sqlite:///{run.database}", cwd=place)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", RUNS)
def test_statistics_and_analyzer_have_their_numbers(name: str, tmp_path: Path) -> None:
    run = make(name, tmp_path / "run")
    before = contents(run.path)
    own = command("pegasus-analyzer", "-j", run.path, cwd=tmp_path, check=False)
    compare_statistics(run, tmp_path)
    if run.schema == CURRENT_SCHEMA:
        assert contents(run.path) == before
    compare_failures(run, json.loads(own.stdout), tmp_path)
    assert own.returncode == (0 if name in ("well", "old") else 2)


def compare_failures(run: PegasusRun, own: dict[str, Any], place: Path) -> None:
    done = theirs("pegasus-newanalyzer", "-j", run.path, cwd=place)
    their, our = json.loads(done.stdout)["workflows"]["root"], own["workflows"]["root"]
    for key in ("wf_uuid", "dag_file_name", "submit_dir", "user", "planner_version", "wf_name", "wf_status"):
        assert our[key] == their[key]
    for key in ("total", "success", "failed", "held", "unsubmitted"):
        assert our["jobs"][key] == their["jobs"][key], key
    failed = our["jobs"]["job_details"].get("failed_jobs_details", {})
    for job, detail in their["jobs"]["job_details"].get("failed_jobs_details", {}).items():
        for key in (
            "state",
            "site",
            "hostname",
            "work_dir",
            "submit_file",
            "executable",
            "argv",
            "stderr_text",
        ):
            assert failed[job][key] == (detail[key] or "-"), key
        assert {one["exitcode"] for one in failed[job]["tasks"].values()} == {
            code if code >= 0 else 128 - code
            for code in (one["exitcode"] for one in detail["tasks"].values())
        }


def test_a_run_in_progress_has_their_numbers(tmp_path: Path) -> None:
    run = make("running", tmp_path / "run")
    words = ("-s", "jobs,transformations", "-f", "csv", "-o")
    command("pegasus-statistics", *words, tmp_path / "ours", run.path, cwd=tmp_path)
    flags = ("-i", "-s", "summary,jb_stats,tf_stats", "-f", "csv")
    done = theirs("pegasus-statistics", *flags, "-o", tmp_path / "theirs", run.path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for section in ("summary", "jobs", "breakdown"):
        compare_section(tmp_path, section)
    own = command("pegasus-analyzer", "-j", run.path, cwd=tmp_path)
    compare_failures(run, json.loads(own.stdout), tmp_path)


def test_a_database_that_they_make_is_read(tmp_path: Path) -> None:
    """The tables are theirs, the rows those of our program."""
    run = diamond(tmp_path / "run", fails=True)
    with closing(sqlite3.connect(run.database)) as database:
        rows_of = {
            name: list(database.execute(f"SELECT * FROM {name}"))
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        columns = {
            name: [row[1] for row in database.execute(f"PRAGMA table_info({name})")] for name in rows_of
        }
    run.database.unlink()
    made = theirs("pegasus-db-admin", "create", f"sqlite:///{run.database}", cwd=tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    with closing(sqlite3.connect(run.database)) as database, database:
        for name in set(rows_of) - {"dbversion", "trigger"}:
            marks = ", ".join("?" for _ in columns[name])
            database.executemany(
                f"INSERT INTO {name} ({', '.join(columns[name])}) VALUES ({marks})", rows_of[name]
            )
    compare_statistics(run, tmp_path)
