"""Statistics and metadata of a run whose database is on a real PostgreSQL server: the same as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from kit.diamond import compute, diamond_story, failed, failing_story, make_diamond, start
from markab.provenance.run_database import open_database
from markab.reports.metadata import of_files, of_task, of_workflow, trace_of_file
from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS, SECTIONS
from markab.reports.statistics.tree_statistics import read_statistics
from provenance.postgres_server import install, make_server_run, server

pytestmark = pytest.mark.integration
pytest.importorskip("psycopg")

ALL = (*SECTIONS, *PEGASUS_SECTIONS.values())
BAD = [*failing_story()[:-1], start(1, 2), failed(1, 2, checked={"count": 1, "failed": 1, "duration_s": 0.1})]


@pytest.fixture(scope="module")
def url() -> Iterator[URL]:
    if not install():
        pytest.skip("there is no PostgreSQL server, and none can be installed")
    with server() as url:
        yield url


def test_the_numbers_are_those_of_sqlite_whoever_shares_the_server(tmp_path: Path, url: URL) -> None:
    read_statistics(
        make_server_run(
            tmp_path / "other", url, "9999", entries=failing_story(), jobs=[compute("A"), compute("B")]
        )
    )
    for name, story in (("good", diamond_story()), ("bad", BAD), ("never", [])):
        here = read_statistics(make_diamond(tmp_path / f"{name}-here", entries=story), ALL).to_json()
        there = read_statistics(make_server_run(tmp_path / name, url, name, entries=story), ALL).to_json()
        for known in (here, there):
            del known["submit_dir"], known["uuid"]
        assert there == here


def test_metadata_is_that_of_this_run(tmp_path: Path, url: URL) -> None:
    runs = {
        name: make_server_run(tmp_path / name, url, name, entries=diamond_story(), metadata={"run": name})
        for name in ("first", "second")
    }

    for name, run in runs.items():
        with open_database(run) as database:
            assert of_workflow(database).metadata == {"run": name}
            assert of_task(database, "A").metadata == {}
            assert [one.name for one in of_files(database)] == ["f.a", "f.b", "f.c", "f.d", "f.e"]
            assert [one.name for one in trace_of_file(database, "f.e")] == [name, "D", "f.e"]
