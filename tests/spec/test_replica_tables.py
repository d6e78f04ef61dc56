from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from markab.errors import DocumentError, StorageError
from markab.spec.catalogs import load_catalogs
from markab.spec.model import Checksum
from markab.spec.properties import Properties
from markab.spec.replica_tables import output_catalog, read_replica_tables
from markab.worker.register import register

SHA = "ab" * 32
JDBCRC = {"pegasus.catalog.replica": "JDBCRC", "pegasus.catalog.replica.db.url": "jdbc:sqlite:rc.db"}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Register as a run does."""
    registrations = [
        {"lfn": "a", "pfn": "http://x/a", "site": "web", "metadata": {"unit": "K"}},
        {"lfn": "a", "pfn": "file:///d/a", "site": "local"},
        {"lfn": "b", "pfn": "file:///d/b", "site": "local"},
    ]
    register(str(tmp_path / "rc.db"), registrations, {"a": SHA})
    return tmp_path / "rc.db"


def test_what_a_run_registered_is_a_catalog(catalog: Path) -> None:
    a, b = read_replica_tables(catalog).replicas

    assert [(place.site, place.pfn) for place in a.pfns] == [("web", "http://x/a"), ("local", "file:///d/a")]
    assert (a.checksum, a.metadata) == (Checksum(SHA), {"unit": "K"})
    assert (b.lfn, b.checksum, b.metadata) == ("b", None, {})


def test_the_planner_finds_files_in_it(catalog: Path) -> None:
    found = load_catalogs(Properties(JDBCRC), catalog.parent, environment={}).replicas.lookup("a")
    assert found is not None and found.checksum == Checksum(SHA)


def test_reading_changes_nothing_and_makes_nothing(catalog: Path) -> None:
    before = catalog.read_bytes()
    read_replica_tables(catalog)
    with pytest.raises(StorageError, match=r"nowhere\.db"):
        read_replica_tables(catalog.with_name("nowhere.db"))
    assert catalog.read_bytes() == before and list(catalog.parent.iterdir()) == [catalog]


def test_what_is_no_replica_catalog_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("a /d/a\n" * 200)
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    for name in ("text.db", "empty.db"):
        with pytest.raises(StorageError, match=name):
            read_replica_tables(tmp_path / name)


def test_an_entry_that_is_wrong_is_named(catalog: Path) -> None:
    register(str(catalog), [{"lfn": "c", "pfn": "d/c", "site": "local"}], {})
    with pytest.raises(DocumentError, match=r"rc\.db.*replica 'c' is at 'd/c'"):
        read_replica_tables(catalog)


def test_results_are_registered_where_the_properties_say(tmp_path: Path) -> None:
    assert output_catalog(Properties(), tmp_path) is None
    assert output_catalog(Properties({"pegasus.catalog.replica.output": "JDBCRC"}), tmp_path) is None
    named = Properties({"pegasus.catalog.replica.output.db.url": "jdbc:sqlite:all.db"})
    assert output_catalog(named, tmp_path) == tmp_path / "all.db"
