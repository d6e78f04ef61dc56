"""Replica catalogs on real PostgreSQL and MariaDB servers: changed, asked, planned with, and failing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit.mariadb_server import install as install_mariadb
from kit.mariadb_server import mariadb_server
from kit.planned_workflow import Bench, task
from markab.catalogs.jdbcrc_store import JdbcrcStore
from markab.catalogs.replica_database import DatabaseAddress, opened
from markab.catalogs.replica_store import Entry
from markab.catalogs.store_selection import store_of_properties
from markab.errors import MarkabError, StorageError
from markab.spec.properties import Properties
from provenance.postgres_server import PASSWORD, server
from provenance.postgres_server import install as install_postgres

pytestmark = pytest.mark.integration
KIND = "pegasus.catalog.replica"
SHA = "ab" * 32
CI = bool(os.environ.get("CI"))


@contextmanager
def _postgres() -> Iterator[str]:
    with server() as url:
        yield f"jdbc:postgresql://localhost/postgres?host={url.query['host']}"


@contextmanager
def _mariadb() -> Iterator[str]:
    with mariadb_server() as socket:
        yield f"jdbc:mysql://localhost/rc?unix_socket={socket}"


SERVERS = {"postgresql": (install_postgres, _postgres), "mysql": (install_mariadb, _mariadb)}


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Start a server; return the URL of a database in it."""
    install, start = SERVERS[request.param]
    if not install():
        assert not CI, f"there is no {request.param} server"
        pytest.skip(f"there is no {request.param} server, and none can be installed")
    with start() as url:
        yield url


@pytest.fixture
def properties(url: str) -> Iterator[dict[str, str]]:
    """Return the properties of an empty catalog."""
    given = {
        KIND: "JDBCRC",
        f"{KIND}.db.url": url,
        f"{KIND}.db.user": "ada",
        f"{KIND}.db.password": PASSWORD,
    }
    yield given
    with opened(address(given), write=True) as database:
        for table in ("rc_meta", "rc_pfn", "rc_lfn"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        database.commit()


def store(properties: dict[str, str]) -> JdbcrcStore:
    found = store_of_properties(Properties(properties), Path())
    assert isinstance(found, JdbcrcStore)
    return found


def address(properties: dict[str, str]) -> DatabaseAddress:
    return store(properties)._address


def shown(catalog: JdbcrcStore) -> list[str]:
    return [entry.line() for entry in catalog.entries()]


def test_a_catalog_on_a_server_is_changed_and_asked_like_a_file(properties: dict[str, str]) -> None:
    catalog = store(properties)

    assert shown(catalog) == [] and list(catalog.lookup(["a"])) == []
    known = {"checksum.type": "sha256", "checksum.value": SHA, "unit": "K"}
    assert (
        catalog.insert(
            [Entry("a", "/1/a", "local", known), Entry("a", "http://x/a", "web"), Entry("A", "/A")]
        )
        == 3
    )
    assert catalog.insert([Entry("a", "/1/a", "local", {"unit": "C"})]) == 0
    assert [entry.pfn for entry in catalog.lookup(["a", "b"])] == ["/1/a", "http://x/a"]
    assert next(iter(catalog.lookup(["a"]))).attributes["unit"] == "C"
    assert catalog.delete([Entry("a", "http://x/a", None)]) == 1
    assert catalog.remove(["A", "nothing"]) == 1
    assert [line.partition(" ")[0] for line in shown(catalog)] == ["a"]
    assert catalog.clear() == 1 and shown(catalog) == []


def test_a_workflow_is_planned_with_what_a_server_knows(properties: dict[str, str], tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.has("f")
    path = bench.replicas.pop()["pfns"][0]["pfn"]
    known = {"checksum.type": "sha256", "checksum.value": SHA}
    store(properties).insert([Entry("f", path, "local", known), *(Entry(f"x{n}", "/x") for n in range(9))])

    planned = bench.plan(task("t", reads="f", makes="out"), properties=properties)

    (staged,) = [job.transfers[0] for job in planned.jobs if job.kind.value == "stage_in"]
    assert [place.url for place in staged.sources] == [path] and staged.sha256 == SHA
    submit_dir = planned.planned.submit_dir
    assert submit_dir is not None and PASSWORD not in (submit_dir / "plan.jsonl").read_text()


def test_a_change_that_fails_changes_nothing(properties: dict[str, str]) -> None:
    catalog = store(properties)
    catalog.insert([Entry("a", "/a")])

    with pytest.raises(StorageError):
        catalog.insert([Entry("b", "/b"), Entry("c", "/" + "c" * 300)])

    assert shown(catalog) == ['a /a site="local"']


def test_a_server_that_refuses_or_has_another_schema_is_named_without_a_password(
    properties: dict[str, str], tmp_path: Path
) -> None:
    bench = Bench(tmp_path)

    def failure(**changed: str) -> MarkabError:
        given = properties | {f"{KIND}.db.{key}": value for key, value in changed.items()}
        with pytest.raises(MarkabError) as caught:
            bench.plan(task("t", reads="f"), properties=given)
        return caught.value

    wrong = failure(password="wrong-word")
    assert "cannot open the replica catalog" in str(wrong) and "wrong-word" not in str(wrong)
    assert "user and password" in wrong.hint

    with opened(address(properties), write=True) as database:
        database.execute("CREATE TABLE rc_lfn (id INT, lfn VARCHAR(20))")
        database.commit()
    other = failure()
    assert "(it has no rc_lfn.lfn_id, rc_pfn, rc_meta)" in str(other) and PASSWORD not in str(other)
