from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from markab.catalogs.jdbcrc_reader import read_replica_tables
from markab.catalogs.loader import load_catalogs
from markab.catalogs.replica_database import DatabaseAddress
from markab.catalogs.replica_properties import output_catalog
from markab.errors import DocumentError, StorageError
from markab.spec.model import Checksum, ReplicaCatalog
from markab.spec.properties import Properties
from markab.worker.replica_registration import register_replicas

SHA = "ab" * 32
JDBCRC = {"pegasus.catalog.replica": "JDBCRC", "pegasus.catalog.replica.db.url": "jdbc:sqlite:rc.db"}


def read(file: Path) -> ReplicaCatalog:
    return read_replica_tables(DatabaseAddress("sqlite", str(file)))


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Register as a run does."""
    registrations = [
        {"lfn": "a", "pfn": "http://x/a", "site": "web", "metadata": {"unit": "K"}},
        {"lfn": "a", "pfn": "file:///d/a", "site": "local"},
        {"lfn": "b", "pfn": "file:///d/b", "site": "local"},
    ]
    register_replicas(str(tmp_path / "rc.db"), registrations, {"a": SHA})
    return tmp_path / "rc.db"


def test_what_a_run_registered_is_a_catalog(catalog: Path) -> None:
    a, b = read(catalog).replicas

    assert [(place.site, place.pfn) for place in a.pfns] == [("web", "http://x/a"), ("local", "file:///d/a")]
    assert (a.checksum, a.metadata) == (Checksum(SHA), {"unit": "K"})
    assert (b.lfn, b.checksum, b.metadata) == ("b", None, {})


def test_the_planner_finds_files_in_it(catalog: Path) -> None:
    found = load_catalogs(Properties(JDBCRC), catalog.parent, environment={}).replicas.lookup("a")
    assert found is not None and found.checksum == Checksum(SHA)


def test_reading_changes_nothing_and_makes_nothing(catalog: Path) -> None:
    before = catalog.read_bytes()
    read(catalog)
    with pytest.raises(StorageError, match=r"nowhere\.db"):
        read(catalog.with_name("nowhere.db"))
    assert catalog.read_bytes() == before and list(catalog.parent.iterdir()) == [catalog]


def test_what_is_no_replica_catalog_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("a /d/a\n" * 200)
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    for name in ("text.db", "empty.db"):
        with pytest.raises(StorageError, match=name):
            read(tmp_path / name)


def test_an_entry_that_is_wrong_is_named(catalog: Path) -> None:
    register_replicas(str(catalog), [{"lfn": "c", "pfn": "d/c", "site": "local"}], {})
    with pytest.raises(DocumentError, match=r"rc\.db.*replica 'c' is at 'd/c'"):
        read(catalog)


@pytest.mark.parametrize(
    ("columns", "row", "fault"),
    [
        ("lfn", (7,), "table rc_lfn, lfn_id 3: lfn is 7, not text"),
        ("lfn", (b"c",), "table rc_lfn, lfn_id 3: lfn is b'c', not text"),
        ("pfn", (None,), "table rc_pfn, pfn_id 4: pfn is missing"),
        ("pfn", (b"/c",), "table rc_pfn, pfn_id 4: pfn is b'/c', not text"),
        ("site", (5,), "table rc_pfn, pfn_id 4: site is 5, not text"),
        ("key", (None,), "table rc_meta, lfn_id 3: key is missing"),
        ("value", (b"K",), "table rc_meta, lfn_id 3: value is b'K', not text"),
    ],
)
def test_a_value_that_is_no_text_is_named_with_its_file_table_and_row(
    tmp_path: Path, columns: str, row: tuple[object], fault: str
) -> None:
    values: dict[str, object] = {"lfn": "c", "pfn": "/c", "site": "local", "key": "unit", "value": "K"}
    values[columns] = row[0]
    made_elsewhere(tmp_path / "rc.db", values)

    with pytest.raises(DocumentError) as caught:
        read(tmp_path / "rc.db")

    (problem,) = caught.value.problems
    assert (str(tmp_path / "rc.db"), f"in {fault}") == (problem.file, problem.message)


def test_a_row_without_a_site_is_here_and_metadata_may_be_a_number(tmp_path: Path) -> None:
    made_elsewhere(tmp_path / "rc.db", {"lfn": "c", "pfn": "/c", "site": None, "key": "size", "value": 12})

    (c,) = read(tmp_path / "rc.db").replicas

    assert ("local", {"size": "12"}) == (c.pfns[0].site, c.metadata)


def made_elsewhere(file: Path, values: dict[str, object]) -> None:
    """Make a catalog whose columns take anything, with one row of everything."""
    connection = sqlite3.connect(file)
    connection.executescript(
        "CREATE TABLE rc_lfn (lfn_id, lfn); CREATE TABLE rc_pfn (pfn_id, lfn_id, pfn, site);"
        "CREATE TABLE rc_meta (lfn_id, key, value)"
    )
    connection.execute("INSERT INTO rc_lfn VALUES (3, :lfn)", values)
    connection.execute("INSERT INTO rc_pfn VALUES (4, 3, :pfn, :site)", values)
    connection.execute("INSERT INTO rc_meta VALUES (3, :key, :value)", values)
    connection.commit()
    connection.close()


def test_a_python_without_sqlite_plans_and_names_the_catalog_that_it_cannot_read(catalog: Path) -> None:
    code = (
        "import sys; sys.modules['_sqlite3'] = None\n"
        "import markab.planner.planning, markab.engine.run\n"
        "from markab.catalogs.jdbcrc_reader import read_replica_tables\n"
        "from markab.catalogs.replica_database import DatabaseAddress\n"
        "from markab.errors import StorageError\n"
        "try: read_replica_tables(DatabaseAddress('sqlite', sys.argv[1]))\n"
        "except StorageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(catalog)], capture_output=True, text=True)
    assert "rc.db': this Python has no SQLite" in done.stdout, done.stderr


def test_results_are_registered_where_the_properties_say(tmp_path: Path) -> None:
    assert output_catalog(Properties(), tmp_path) is None
    assert output_catalog(Properties({"pegasus.catalog.replica.output": "JDBCRC"}), tmp_path) is None
    named = Properties({"pegasus.catalog.replica.output.db.url": "jdbc:sqlite:all.db"})
    assert output_catalog(named, tmp_path) == tmp_path / "all.db"
