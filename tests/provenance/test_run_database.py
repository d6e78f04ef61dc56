"""Opening the database of a run: the user's own, another user's, a busy one, a damaged one."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.diamond import diamond_story, make_diamond, write_journal
from markab.errors import NewerFormat, StorageError
from markab.journal.records import RunEnd
from markab.journal.writer import encode
from markab.provenance import queries
from markab.provenance.run_database import open_database

STORY = diamond_story()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_diamond(tmp_path / "run", entries=STORY)


def set_property(run: Path, key: str, value: str) -> None:
    (run / "pegasus.1.properties").write_text(f"{key} = {value}\n")


def test_opening_takes_in_what_is_new(run: Path) -> None:
    write_journal(run, STORY[:5])
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 2
    write_journal(run, STORY)
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
        assert database.notes == []


def test_a_run_that_never_started_has_a_database_too(tmp_path: Path) -> None:
    with open_database(make_diamond(tmp_path / "run")) as database:
        assert queries.summary(database).jobs.unfinished == 6
        assert queries.run_state(database).started is None


def test_a_current_database_is_opened_without_a_lock(run: Path) -> None:
    open_database(run).close()
    with open(run / ".words-0.stampede.db.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open_database(run, patience_s=0.0) as database:
            assert database.notes == []


def test_what_another_is_writing_is_read_as_it_was(run: Path) -> None:
    write_journal(run, STORY[:5])
    open_database(run).close()
    write_journal(run, STORY)
    with open(run / ".words-0.stampede.db.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open_database(run, patience_s=0.05) as database:
            assert queries.summary(database).jobs.succeeded == 2
            assert "not up to date" in database.notes[0]


def test_while_a_strange_program_holds_the_database_another_is_made(run: Path) -> None:
    open_database(run).close()
    (run / "journal.jsonl").open("ab").write(encode(RunEnd(1.9e9, "success")))
    other = sqlite3.connect(run / "words-0.stampede.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with open_database(run, patience_s=0.05) as database:
            assert queries.run_state(database).ended == 1.9e9
            assert "being written to by another program" in database.notes[0]
            assert "is kept in" in database.notes[1]
    finally:
        other.close()


def test_a_directory_of_another_user_gets_its_database_in_the_cache(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
        assert "belongs to another user" in database.notes[0]
    assert (tmp_path / "cache/markab/7a3c.stampede.db").exists()
    assert not list(run.glob("*.db"))


def test_without_a_cache_it_is_made_in_memory(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
        assert "in memory" in database.notes[0]


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Return a directory that any user can reach: pytest's own are private."""
    directory = Path(tempfile.mkdtemp(prefix="markab-public-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_user_who_may_only_read_gets_answers(
    public_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_diamond(public_directory / "run", entries=STORY)
    with open_database(run):  # so that all that is imported for it is
        pass
    (run / "words-0.stampede.db").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setuid(65534)
            with open_database(run) as database:
                said = f"{queries.summary(database).jobs.succeeded} {database.notes}"
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 4096).startswith(b"6 [\"'"), "and says where it is"
    assert not (run / "words-0.stampede.db").exists()


def test_a_database_of_another_schema_is_refused_and_kept(run: Path) -> None:
    file = run / "words-0.stampede.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE dbversion (id INTEGER, version_number INTEGER, version TEXT)")
        connection.execute("INSERT INTO dbversion VALUES (1, 99, '9.9')")
    with pytest.raises(NewerFormat, match="version 99"):
        open_database(run)
    assert file.exists()


def test_a_database_named_by_a_property_is_used(run: Path, tmp_path: Path) -> None:
    set_property(run, "pegasus.catalog.workflow.url", f"sqlite:///{tmp_path}/all.db")
    with open_database(run) as database:
        assert database.target.file == tmp_path / "all.db"
    assert not (run / "words-0.stampede.db").exists()


def test_two_runs_in_one_database_leave_each_other_alone(run: Path, tmp_path: Path) -> None:
    other = make_diamond(tmp_path / "other", entries=STORY[:5])
    text = (other / "braindump.yml").read_text()
    (other / "braindump.yml").write_text(text.replace("7a3c", "beef"))
    for each in (run, other):
        set_property(each, "pegasus.catalog.workflow.url", f"sqlite:///{tmp_path}/all.db")
        open_database(each).close()
    write_journal(other, STORY[:3])  # cut: this one is made anew

    with open_database(other) as database:
        assert queries.summary(database).jobs.succeeded == 1
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
        assert len(queries.transformations(database)) == 3


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://ada:geheim@db/runs", "names an unsupported database 'mysql'"),
        ("geheim", "is not a database URL"),
        ("postgresql://ada:geheim@127.0.0.1:1/runs", "127.0.0.1"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(run: Path, url: str, says: str) -> None:
    set_property(run, "pegasus.catalog.workflow.url", url)
    with pytest.raises(StorageError) as caught:
        open_database(run)
    assert says in str(caught.value)
    assert "geheim" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


def test_a_full_disk_is_reported_and_the_database_is_in_memory(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of the database and the cache are full: the questions are answered all the same."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    from markab.provenance import projection

    def full(*_: object, **__: object) -> None:
        raise StorageError("cannot write database 'x': no room on its disk")

    monkeypatch.setattr(projection.Projector, "update", full)
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6
        assert any("no room" in note for note in database.notes)
