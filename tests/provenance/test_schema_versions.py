"""The versions of databases, and the way from one to another."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kit.databases import ask
from markab.errors import StorageError
from markab.provenance.database_location import file_target
from markab.provenance.schema_versions import change, create, number_of, read_version

DIARY = [("14",), ("8",), ("14",)]


@pytest.mark.parametrize(
    ("release", "number"),
    [("4.8.0", 8), ("4.8.3", 8), ("4.9.3", 11), ("5.0.0", 14), ("5.1.2", 14), ("6.0.0-dev.0", 14)],
)
def test_each_release_has_a_version(release: str, number: int) -> None:
    assert number_of(release) == number


@pytest.mark.parametrize("release", ["4.6.2", "newest", ""])
def test_a_release_that_is_not_known_is_refused(release: str) -> None:
    with pytest.raises(StorageError, match="not supported|is not a version"):
        number_of(release)


def test_a_database_is_created_once(tmp_path: Path) -> None:
    target = file_target(tmp_path / "new/runs.db")
    assert create(target) and not create(target)
    assert read_version(target) == 14 and len(list((tmp_path / "new").iterdir())) == 1


def test_there_and_back_again_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    target = file_target(file)
    create(target)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "INSERT INTO integrity (wf_id, job_instance_id, type, file_type, count, duration) VALUES (1, 1, 'check', 'input', 7, 0)"
        )

    copy = change(target, 8)
    assert copy is not None and ask(copy, "SELECT count FROM integrity") == [(7,)]
    assert read_version(target) == 8 and ask(file, "SELECT count FROM integrity_metrics") == [(7,)]
    assert change(target, 8) is None

    assert change(target, 14) is not None
    assert ask(file, "SELECT count FROM integrity") == [(7,)]
    assert ask(file, "SELECT version FROM dbversion ORDER BY id") == DIARY


def test_tables_and_columns_that_an_old_database_lacks_are_added(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "CREATE TABLE dbversion (id INTEGER PRIMARY KEY, version_number INTEGER, version TEXT, version_timestamp INTEGER)"
        )
        database.execute("INSERT INTO dbversion VALUES (1, 11, '11.0', 0)")
        database.execute(
            "CREATE TABLE invocation (invocation_id INTEGER PRIMARY KEY, wf_id INTEGER, argv TEXT)"
        )
        database.execute("INSERT INTO invocation VALUES (1, 1, '-l')")
    assert not create(file_target(file))

    assert read_version(file_target(file)) == 14
    assert ask(file, "SELECT argv, maxrss, avg_cpu FROM invocation") == [("-l", None, None)]
    assert ask(file, "SELECT count(*) FROM job") == [(0,)]


def test_what_has_no_version_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no database"):
        read_version(file_target(tmp_path / "none.db"))
    assert not list(tmp_path.iterdir())

    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE own (a)")
    with pytest.raises(StorageError, match="is not one of Pegasus: it has no version"):
        change(file_target(tmp_path / "other.db"), 14)


def test_a_file_that_cannot_be_copied_first_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = file_target(tmp_path / "runs.db")
    create(target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(StorageError, match=r"cannot be copied first: .*No space left"):
        change(target, 8)
    assert read_version(target) == 14 and len(list(tmp_path.iterdir())) == 1


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE workflow (mine TEXT)")
    before = file.read_bytes()

    with pytest.raises(StorageError, match="has tables of another program"):
        create(file_target(file))

    assert before == file.read_bytes()
