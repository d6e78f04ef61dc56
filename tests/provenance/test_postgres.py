"""The same on a real PostgreSQL server: rows, answers, going on, making anew, and no password anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Table, text

from kit.diamond import (
    SHA,
    began,
    compute,
    diamond_story,
    end,
    failing_story,
    make_diamond,
    process,
    start,
    strange_story,
    write_journal,
)
from markab.errors import StorageError
from markab.journal.records import RunEnd
from markab.provenance import queries, schema, update
from markab.provenance.database import _ADVISORY_LOCK, DatabaseLocked, connected
from markab.provenance.database_location import Target
from markab.provenance.projection import Projector
from markab.provenance.run_database import open_database
from markab.provenance.update import RunUpdater
from provenance.postgres_server import PASSWORD, install, make_server_run, point_at, server
from provenance.test_queries import NOTEBOOK

pytestmark = pytest.mark.integration
pytest.importorskip("psycopg")

STORY = diamond_story()
QUESTIONS: list[Any] = [
    queries.run_state,
    queries.summary,
    queries.wall_times,
    queries.transformations,
    queries.jobs,
    queries.time_by_host,
    queries.attempts,
    queries.attempts_by_host,
    queries.breakdown,
    queries.integrity,
    queries.integrity_failures,
    queries.moved,
    queries.failed_jobs,
]


@pytest.fixture(scope="module")
def url() -> Iterator[URL]:
    if not install():
        pytest.skip("there is no PostgreSQL server, and none can be installed")
    with server() as url:
        yield url


@pytest.fixture
def empty(url: URL) -> Iterator[URL]:
    """Return the server with nothing in it."""
    yield url
    with connected(Target(url.set(drivername="postgresql+psycopg"))) as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")


@pytest.mark.parametrize("story", [diamond_story, failing_story])
def test_answers_are_those_of_sqlite(tmp_path: Path, empty: URL, story: Any) -> None:
    there = make_server_run(tmp_path / "there", empty, entries=story())
    here = make_diamond(tmp_path / "here", entries=story())

    with open_database(there) as on_server, open_database(here) as on_file:
        assert on_server.target.file is None
        for question in QUESTIONS:
            assert question(on_server) == question(on_file)


def plain_rows(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    """Return all rows, in an order that does not depend on the server's, numbers to a millisecond."""
    rows = connection.execute(table.select()).all()
    return sorted(
        (
            tuple(cell if isinstance(cell, str | None) else round(float(cell), 3) for cell in row)
            for row in rows
        ),
        key=repr,
    )


@pytest.mark.parametrize("story", [diamond_story, failing_story, strange_story])
def test_rows_are_those_of_sqlite(tmp_path: Path, empty: URL, story: Any) -> None:
    there = make_server_run(tmp_path / "there", empty, entries=story())
    here = make_diamond(tmp_path / "here", entries=story())

    with open_database(there) as on_server, open_database(here) as on_file:
        for table in schema.metadata.sorted_tables:
            if table.name not in ("dbversion", "workflow"):  # they say when, and where
                assert plain_rows(on_server.connection, table) == plain_rows(on_file.connection, table)


@pytest.mark.parametrize(("sql", "answer"), NOTEBOOK)
def test_sql_of_the_documentation_gives_right_numbers_on_a_server(
    tmp_path: Path, empty: URL, sql: str, answer: list[tuple[object, ...]]
) -> None:
    with open_database(make_server_run(tmp_path / "run", empty, entries=STORY)) as database:
        rows = database.connection.execute(text(sql)).all()
    plain = (str, int, type(None))
    assert answer == [tuple(cell if isinstance(cell, plain) else float(cell) for cell in row) for row in rows]


def test_going_on_gives_what_taking_in_at_once_gives(tmp_path: Path, empty: URL) -> None:
    bits = make_server_run(tmp_path / "bits", empty, "bits")
    for cut in range(len(STORY) + 1):
        write_journal(bits, STORY[:cut])
        projector = Projector(bits)
        projector.update()
        projector.close()
    whole = make_server_run(tmp_path / "whole", empty, "whole", entries=STORY)

    with open_database(bits) as one, open_database(whole) as other:
        for question in QUESTIONS:
            assert question(one) == question(other)


def test_a_run_is_made_anew_and_the_others_in_the_database_stay(tmp_path: Path, empty: URL) -> None:
    other = make_server_run(tmp_path / "other", empty, "other", entries=STORY)
    run = make_server_run(tmp_path / "run", empty, "run", entries=STORY)
    open_database(other).close()
    open_database(run).close()
    write_journal(run, STORY[:5])  # cut

    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 2
    with open_database(other) as database:
        assert queries.summary(database).jobs.succeeded == 6


def test_numbers_that_we_took_are_not_given_out_again(tmp_path: Path, empty: URL) -> None:
    """A program that lets the server number its rows writes to the same database."""
    with open_database(make_server_run(tmp_path / "run", empty, entries=STORY)) as database:
        database.connection.execute(schema.workflow.insert().values(wf_uuid="pegasus"))
        database.connection.execute(schema.rc_lfn.insert().values(lfn="pegasus.file"))
        assert 2 == database.connection.execute(text("SELECT count(*) FROM workflow")).scalar()


def test_what_is_too_long_for_a_column_or_no_text_is_kept_as_far_as_can_be(
    tmp_path: Path, empty: URL
) -> None:
    long = "x/" * 300
    job = compute("A", outputs=f"{long}1 {long}2")
    entries = [*STORY[:1], STORY[1], STORY[2]]
    record = entries[2].record  # type: ignore[union-attr]
    entries[2].record = {  # type: ignore[union-attr]
        **record,
        "outputs": [{"lfn": f"{long}{n}", "size": n, "sha256": SHA} for n in (1, 2)],
        "invocations": [{"task": "A", "argv": ["/bin/wc", "a\0b"], "status": 0, "start": 1.8e9}],
    }
    run = make_server_run(tmp_path / "run", empty, jobs=[job], entries=entries)
    with open_database(run) as database:
        files = database.connection.execute(
            text(
                "SELECT lfn, value FROM rc_lfn JOIN rc_meta USING (lfn_id) WHERE key = 'size' ORDER BY value"
            )
        ).all()
        assert ["1", "2"] == [size for _, size in files]
        assert all(lfn.startswith("x/x/") and len(lfn) == 245 for lfn, _ in files)


def test_no_password_is_shown_or_stored(tmp_path: Path, empty: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run = make_server_run(tmp_path / "run", empty, entries=STORY)
    updater = RunUpdater(run)
    assert updater.update() == ("", [])
    with open_database(run) as database:
        stored = database.connection.execute(text("SELECT db_url FROM workflow")).scalar()
    assert stored.startswith("postgresql://ada@/postgres")
    for file in [*run.iterdir(), tmp_path / ".pegasus/workflow.db"]:
        if file.name != "pegasus.1.properties" and file.is_file():
            assert PASSWORD.encode() not in file.read_bytes()

    for wrong in (empty.set(password="falsch"), empty.set(database="nowhere"), empty.set(username="eve")):
        point_at(run, wrong)
        with pytest.raises(StorageError) as caught:
            open_database(run)
        assert PASSWORD not in str(caught.value) and "falsch" not in str(caught.value)


def test_user_and_password_may_stand_in_properties_of_their_own(tmp_path: Path, empty: URL) -> None:
    run = make_server_run(tmp_path / "run", empty, entries=STORY)
    bare = URL.create("postgresql", database="postgres", query=dict(empty.query))
    more = {
        f"pegasus.catalog.workflow.db.{key}": value
        for key, value in (("user", "ada"), ("password", PASSWORD))
    }
    point_at(run, bare, **more)
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6


def test_the_list_of_all_runs_may_be_on_a_server(tmp_path: Path, empty: URL) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    url = empty.render_as_string(hide_password=False)
    (run / "pegasus.1.properties").write_text(f"pegasus.catalog.master.url = {url}\n")
    for _ in range(2):
        assert RunUpdater(run).update() == ("", [])
    with connected(Target(empty.set(drivername="postgresql+psycopg"))) as connection:
        assert 1 == connection.execute(text("SELECT count(*) FROM master_workflow")).scalar()
        assert 2 == connection.execute(text("SELECT count(*) FROM master_workflowstate")).scalar()


def test_each_time_is_written_into_the_list_of_all_runs_once_to_a_microsecond(
    tmp_path: Path, empty: URL
) -> None:
    url = empty.render_as_string(hide_password=False)
    began_s, ended_s = 1795236847.5054214, 1795236901.1234567
    run = make_diamond(tmp_path / "run")
    lines = [f"pegasus.catalog.{which}.url = {url}\n" for which in ("workflow", "master")]
    (run / "pegasus.1.properties").write_text("".join(lines))
    updater = RunUpdater(run)
    for entries in ([began(began_s)], [began(began_s), RunEnd(ended_s, "success", {})]):
        write_journal(run, entries)
        assert updater.update() == ("", [])
        assert RunUpdater(run).update() == ("", [])
    with on(empty) as connection:
        for table in ("workflowstate", "master_workflowstate"):
            times = connection.execute(text(f"SELECT timestamp::text FROM {table} ORDER BY 1")).scalars()
            assert ["1795236847.505421", "1795236901.123457"] == list(times)


def test_a_time_that_is_known_later_is_as_exact_as_one_known_at_once(tmp_path: Path, empty: URL) -> None:
    began_s = 1795236847.5054214
    two = [process("A", start=began_s), process("A2", start=began_s + 1)]
    entries = [began(), start(1), end(1, invocations=two)]
    run = make_server_run(tmp_path / "run", empty, entries=entries[:2])
    open_database(run).close()
    write_journal(run, entries)
    with open_database(run) as database:
        times = database.connection.execute(text("SELECT cluster_start::text FROM job_instance")).scalars()
        assert ["1795236847.505421"] == list(times)


@contextmanager
def on(url: URL) -> Iterator[Connection]:
    with connected(Target(url.set(drivername="postgresql+psycopg"))) as connection:
        yield connection


@contextmanager
def held(url: URL, lock: str) -> Iterator[None]:
    """Have another program hold a lock."""
    with on(url) as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(lock)
        yield
        connection.exec_driver_sql("ROLLBACK")


@pytest.mark.parametrize(
    "lock",
    ["LOCK TABLE dbversion, workflow IN ACCESS EXCLUSIVE MODE", "LOCK TABLE workflow IN ROW EXCLUSIVE MODE"],
)
def test_a_database_that_stays_locked_is_reported_in_time(
    tmp_path: Path, empty: URL, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(update, "PATIENCE_S", 0.2)
    run = make_server_run(tmp_path / "run", empty, entries=STORY[:5])
    Projector(run).update()
    write_journal(run, STORY)
    updater = RunUpdater(run)
    with held(empty, lock):
        with pytest.raises(DatabaseLocked, match="being written to by another program") as caught:
            Projector(run).update(patience_s=0.2)
        assert "try again" in (caught.value.hint or "")
        assert "another program" in updater.update().error
        assert ("another program" in updater.probe()) == ("dbversion" in lock)
    assert not updater.update().error


@pytest.mark.parametrize(
    "lock",
    [
        "LOCK TABLE master_workflow IN ROW EXCLUSIVE MODE",
        "LOCK TABLE dbversion IN ACCESS EXCLUSIVE MODE",
        f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})",
    ],
)
def test_a_list_of_all_runs_that_stays_locked_is_a_warning_and_the_run_recorded(
    tmp_path: Path, empty: URL, lock: str
) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    url = empty.render_as_string(hide_password=False)
    (run / "pegasus.1.properties").write_text(f"pegasus.catalog.master.url = {url}\n")
    updater = RunUpdater(run)
    assert updater.update() == ("", [])
    write_journal(run, STORY)
    with held(empty, lock):
        error, (warning,) = updater.update()
    assert not error and "another program" in warning
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
    assert updater.update() == ("", [])


def test_a_replica_catalog_that_is_there_keeps_its_own_keys(tmp_path: Path, empty: URL) -> None:
    with on(empty) as connection:
        for statement in (
            'CREATE TABLE rc_lfn (lfn_id BIGSERIAL PRIMARY KEY, lfn VARCHAR(245) NOT NULL, CONSTRAINT "UNIQUE_LFN" UNIQUE (lfn))',
            "CREATE TABLE rc_pfn (pfn_id BIGSERIAL PRIMARY KEY, lfn_id BIGINT NOT NULL REFERENCES rc_lfn,"
            ' pfn VARCHAR(245) NOT NULL, site VARCHAR(245), CONSTRAINT "UNIQUE_PFN" UNIQUE (lfn_id, pfn, site))',
            "CREATE TABLE rc_meta (lfn_id BIGINT REFERENCES rc_lfn, key VARCHAR(245),"
            " value VARCHAR(245) NOT NULL, PRIMARY KEY (lfn_id, key))",
            "INSERT INTO rc_lfn VALUES (1, 'f.a')",
        ):
            connection.exec_driver_sql(statement)
    with open_database(make_server_run(tmp_path / "run", empty, entries=STORY)) as database:
        assert queries.summary(database).jobs.succeeded == 6
        lfns = database.connection.execute(text("SELECT lfn FROM rc_lfn WHERE lfn = 'f.a'"))
        assert ["f.a"] == list(lfns.scalars())
        indexes = database.connection.execute(text("SELECT indexname FROM pg_indexes")).scalars()
        assert {"UNIQUE_LFN", "UNIQUE_JOB"} <= set(indexes)
