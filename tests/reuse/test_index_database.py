"""Whatever is wrong with the file of the index: a warning that names it, and a miss."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kit.mounts import mounted
from kit.results import RUN, entry, opened, sha256
from markab.reuse.index_database import FORMAT, IndexDatabase
from markab.reuse.index_survey import entries_after, indexed_runs
from markab.reuse.result_index import ResultIndex, open_index

KEY = entry("fit").key


def filled(tmp_path: Path) -> Path:
    with opened(tmp_path) as index:
        assert index.record(
            RUN, [entry("fit"), *(entry(str(n)) for n in range(200))], [(sha256("fit"), "/o/fit")], 1
        )
    assert index.database.path is not None
    return Path(index.database.path)


def use(index: ResultIndex) -> None:
    """Call everything; nothing may raise."""
    index.find([KEY])
    index.places([sha256("fit")])
    index.unrecorded()
    index.last_run("fits")
    index.content_uses()
    index.checksums([1])
    index.add_run(RUN, "/runs/1", "fits", 1.0)
    index.record(RUN, [entry("plot")], [(sha256("plot"), "/o/plot")], 1)
    index.forget_places([(sha256("plot"), "/o/plot")])
    index.save_use([sha256("plot")])


def warning_of(path: Path, *, create: bool = True) -> str:
    """Return the only warning of an index that is used in every way."""
    with open_index(str(path), create=create) as index:
        assert {} == index.find([KEY])
        use(index)
        assert not index.is_open
    (warning,) = index.warnings
    assert repr(str(path)) in warning
    return warning


def test_a_missing_file_is_an_empty_index_and_is_made_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "results.db"

    with open_index(str(path), create=False) as index:
        use(index)
    assert not path.parent.exists() and not index.warnings

    with open_index(str(path), create=True) as index:
        use(index)
    assert 0o600 == path.stat().st_mode & 0o777 and 0o700 == path.parent.stat().st_mode & 0o777
    assert not index.warnings


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    path.write_text("my notes\n" * 1000)

    warning = warning_of(path)

    assert "is damaged, and is not used: file is not a database" in warning
    assert warning.endswith(f"delete it: rm '{path}'; only the memory of earlier results is lost")
    assert "my notes\n" * 1000 == path.read_text()


def test_another_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE entry (key BLOB)")

    assert "it is another database" in warning_of(path)

    assert [("entry",)] == sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall()


def test_a_file_names_the_program_and_the_format_that_wrote_it(tmp_path: Path) -> None:
    with opened(tmp_path) as index:
        path = Path(index.database.path or "")

    header = path.read_bytes()[:100]
    assert (header[60:64], header[68:72]) == (FORMAT.to_bytes(4, "big"), b"mark")


def test_an_index_in_which_a_transaction_cannot_be_undone_is_closed(tmp_path: Path) -> None:
    class Broken:
        in_transaction, closed = True, False

        def execute(self, statement: str) -> None:
            raise sqlite3.OperationalError("disk I/O error" if statement == "ROLLBACK" else statement)

        def close(self) -> None:
            self.closed = True

    database = IndexDatabase(str(tmp_path / "results.db"), create=True)
    database.close()
    database._connection = broken = Broken()  # type: ignore[assignment]

    assert database.read(lambda _: "read", "otherwise") == "otherwise"
    assert broken.closed and not database.is_open


def test_an_index_of_a_newer_format_is_left_as_it_is(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()

    assert "was written by a newer Markab" in warning_of(path)

    assert before == path.read_bytes()


def test_a_file_that_is_truncated_or_overwritten_anywhere_is_a_warning_or_an_index(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    chance = Random(3)
    for number in range(60):
        damaged = bytearray(whole)
        if number % 2:
            del damaged[chance.randrange(len(whole)) :]
        else:
            at = chance.randrange(len(whole))
            damaged[at : at + 200] = chance.randbytes(200)
        path.write_bytes(damaged)

        with open_index(str(path), create=True) as index:
            found = index.find([KEY])
            use(index)

        assert found in ({}, {KEY: entry("fit")}), number
        assert all("rm '" in warning or "cannot be used" in warning for warning in index.warnings)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET made = x'00'",
        "UPDATE entry SET made = x'91936661'",
        "UPDATE entry SET made = 5",
        "UPDATE entry SET job = x'ff'",
        "UPDATE entry SET run = 77",
        "DROP TABLE entry",
        "DROP TABLE place",
    ],
)
def test_values_that_were_never_written_are_damage(tmp_path: Path, change: str) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(change)

    with open_index(str(path), create=True) as index:
        use(index)

    assert index.warnings and all("is damaged" in warning for warning in index.warnings)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET submit_dir = 5, workflow = x'00', planned_s = 'x', places = 3, mark = 'x', used_s = 'x'",
        "UPDATE directory SET path = 3",
        "UPDATE place SET name = 3",
        "UPDATE checksum SET sha256 = 'x'",
        "UPDATE entry SET key = 5, files = 'many', size_bytes = 'much'",
    ],
)
def test_values_of_a_wrong_type_are_not_found(tmp_path: Path, change: str) -> None:
    path = filled(tmp_path)
    status = path.stat()
    with opened(tmp_path) as index:
        index.remember_checksums([(status, sha256("x"))])
    with sqlite3.connect(path) as connection:
        connection.execute(change)

    with open_index(str(path), create=True) as index:
        if change.startswith(("UPDATE directory", "UPDATE place")):
            assert "/o/fit" not in index.places([sha256("fit")]).get(sha256("fit"), [])
        if change.startswith("UPDATE checksum"):
            assert [sha256("x")] != [sha for *_, sha in index.checksums([status.st_ino])]
        if change.startswith("UPDATE entry"):
            assert {} == index.find([KEY])
        use(index)
        assert all(len(listed) == 10 for listed in indexed_runs(index))
        entries_after(index, 0)


@pytest.mark.parametrize("kind", ["directory", "fifo", "parent"])
def test_something_else_in_its_place_is_never_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state" / "results.db"
    if kind == "parent":
        (tmp_path / "state").write_text("")
    else:
        path.parent.mkdir()
        path.mkdir() if kind == "directory" else os.mkfifo(path)

    assert "cannot be used" in warning_of(path)


def test_a_file_that_another_program_writes_to_for_long_is_a_miss(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with ResultIndex(IndexDatabase(str(path), create=True, patience_s=0.0)) as index:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")

        use(index)
        assert {} == index.find([KEY])
        (warning,) = index.warnings
        assert "is in use by another program" in warning

        other.execute("ROLLBACK")
        assert {KEY: entry("fit")} == index.find([KEY])
        assert index.record(RUN, [entry("plot")], [], 1)


def test_others_read_while_a_run_is_recorded(tmp_path: Path) -> None:
    path = filled(tmp_path)

    def entries() -> Any:
        yield entry("plot")
        with ResultIndex(IndexDatabase(str(path), create=True, patience_s=0.0)) as reader:
            assert {KEY: entry("fit")} == reader.find([KEY, entry("plot").key])
            assert not reader.warnings

    with open_index(str(path), create=True) as writer:
        assert writer.record(RUN, entries(), [], 1)


def test_an_index_that_is_deleted_while_it_is_open_loses_only_what_it_knew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with opened(tmp_path) as index:
        path.unlink()
        use(index)

    with opened(tmp_path) as again:
        assert {} == again.find([KEY])
        assert again.record(RUN, [entry("fit")], [], 1) and not again.warnings


def test_without_a_home_directory_there_is_none() -> None:
    with open_index(None, create=True) as index:
        use(index)

    (warning,) = index.warnings
    assert "no home directory; set HOME, or markab.reuse.index" in warning


def test_a_python_without_sqlite_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)

    with open_index(str(tmp_path / "results.db"), create=True) as index:
        use(index)

    (warning,) = index.warnings
    assert "this Python has no SQLite" in warning


def test_on_a_full_disk_nothing_is_recorded_and_what_was_is_found(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m", "none"):
        path = filled(disk)
        (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))
        with open_index(str(path), create=True) as index:
            assert not index.record(RUN, (entry(str(n)) for n in range(10**4, 10**4 + 3000)), [], 2)
            assert {KEY: entry("fit")} == index.find([KEY])
            (warning,) = index.warnings
            assert "its disk is full" in warning or "cannot be used" in warning

            (disk / "ballast").unlink()
            assert index.record(RUN, [entry("plot")], [], 2)


def test_on_a_file_system_that_cannot_be_written_an_index_is_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "none"):
        path = filled(disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        with open_index(str(path), create=True) as index:
            assert {KEY: entry("fit")} == index.find([KEY])
            assert not index.record(RUN, [entry("plot")], [], 2)
        assert "readonly" in index.warnings[0]

        with open_index(str(disk / "new" / "results.db"), create=True) as new:
            use(new)
        assert "Read-only file system" in new.warnings[0]


def test_each_table_and_column_is_on_the_page_of_files(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text()
    described = page[page.index("## The index of results") :]
    connection = sqlite3.connect(filled(tmp_path))
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        assert f"| `{table}` |" in described
        for _, column, *_ in connection.execute(f"PRAGMA table_info({table})"):
            assert f"`{column}`" in described, f"{table}.{column}"


KILLED = """
import os, sys
from markab.reuse.result_index import open_index
from kit.results import RUN, entry
index = open_index(sys.argv[1], create=True)
connection = index.database._connection
connection.execute("PRAGMA cache_size = 1")  # so that half of it is in the file
connection.execute("PRAGMA cache_spill = 1")
def entries():
    for number in range(5000):
        yield entry(f"half {number}")
    os.kill(os.getpid(), 9)
index.record(RUN, entries(), [], 99)
"""


def test_a_process_that_is_killed_in_the_middle_of_a_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.stat().st_size
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests.parent / 'src'}"}

    ended = subprocess.run([sys.executable, "-c", KILLED, path], env=environment)

    assert -9 == ended.returncode
    assert path.stat().st_size > before  # it was written in part
    with open_index(str(path), create=True) as index:
        assert {KEY: entry("fit")} == index.find([KEY, entry("half 0").key, entry("half 4999").key])
        assert [] == index.unrecorded() and not index.warnings
