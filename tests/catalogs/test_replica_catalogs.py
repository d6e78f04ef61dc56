"""The replica catalogs of a run: kinds, several together, priorities, contradictions, databases that fail."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from markab.catalogs import replica_database
from markab.catalogs.loader import load_catalogs
from markab.catalogs.replica_database import address_of
from markab.errors import DocumentError, StorageError
from markab.spec.model import Workflow
from markab.spec.properties import Properties
from markab.spec.reader import parse_workflow
from markab.worker.replica_registration import register_replicas

KIND = "pegasus.catalog.replica"
MRC = f"{KIND}.mrc"
SHA, OTHER_SHA = "ab" * 32, "cd" * 32


def database(path: Path, **places: str) -> str:
    """Make a catalog in an SQLite file, and return the URL of it."""
    rows = [{"lfn": lfn, "pfn": pfn, "site": "local"} for lfn, pfn in places.items()]
    register_replicas(str(path), rows, {})
    return f"jdbc:sqlite:{path}"


def workflow_of(*lfns: str, replicas: list[dict[str, Any]] | None = None) -> Workflow:
    uses = [{"lfn": lfn, "type": "input"} for lfn in lfns]
    document: dict[str, Any] = {
        "pegasus": "5.0.4",
        "name": "w",
        "jobs": [{"type": "job", "name": "x", "id": "t", "arguments": [], "uses": uses}],
    }
    if replicas:
        document["replicaCatalog"] = {"replicas": replicas}
    return parse_workflow(json.dumps(document))


def places(directory: Path, properties: dict[str, str], lfn: str, **more: Any) -> list[str]:
    found = load_catalogs(Properties(properties, "pegasus.properties:7"), directory, environment={}, **more)
    replica = found.replicas.lookup(lfn)
    return [place.pfn for place in replica.pfns] if replica else []


def failure(directory: Path, properties: dict[str, str], **more: Any) -> DocumentError | StorageError:
    with pytest.raises((DocumentError, StorageError)) as caught:
        load_catalogs(Properties(properties, "pegasus.properties:7"), directory, environment={}, **more)
    return caught.value


@pytest.fixture
def several(tmp_path: Path) -> dict[str, str]:
    """Return the properties of four catalogs of different kinds that are one."""
    (tmp_path / "rc.txt").write_text('f /text/f site="local"\nx(.*) "/text/[0]" regex="true"\n')
    (tmp_path / "rc.yml").write_text("replicas:\n- {lfn: f, pfns: [{site: s, pfn: /yaml/f}]}\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "g").write_text("")
    return {
        KIND: "MRC",
        f"{MRC}.first": "File",
        f"{MRC}.first.url": "rc.txt",
        f"{MRC}.second": "JDBCRC",
        f"{MRC}.second.db.url": database(tmp_path / "rc.db", f="/database/f", h="/database/h"),
        f"{MRC}.third": "YAML",
        f"{MRC}.third.file": "rc.yml",
        f"{MRC}.inputs": "Directory",
        f"{MRC}.inputs.directory": "in",
        f"{MRC}.inputs.directory.site": "s",
    }


def test_several_catalogs_are_one_and_the_first_has_the_best_places(
    tmp_path: Path, several: dict[str, str]
) -> None:
    assert places(tmp_path, several, "f") == ["/text/f", "/database/f", "/yaml/f"]
    assert places(tmp_path, several, "g") == [f"file://{tmp_path}/in/g"]
    assert places(tmp_path, several, "h") == ["/database/h"]
    assert places(tmp_path, several, "x1") == ["/text/x1"]


def test_all_that_is_wrong_with_several_catalogs_comes_at_once(
    tmp_path: Path, several: dict[str, str]
) -> None:
    wrong = several | {
        f"{MRC}.first.url": "gone.txt",
        f"{MRC}.third": "YML",
        f"{MRC}.second.db.url": "jdbc:x",
    }
    del wrong[f"{MRC}.inputs.directory"]

    found = failure(tmp_path, wrong)

    assert isinstance(found, DocumentError)
    assert [str(problem) for problem in found.problems] == [
        "pegasus.properties:7: property 'pegasus.catalog.replica.mrc.first.url' is 'gone.txt'; there is no such file",
        "pegasus.properties:7: property 'pegasus.catalog.replica.mrc.second.db.url' must name an SQLite file, "
        "or a PostgreSQL or MySQL server",
        "pegasus.properties:7: property 'pegasus.catalog.replica.mrc.third' is 'YML'; it must be one of "
        "YAML, File, Directory, Regex, JDBCRC",
        "property 'pegasus.catalog.replica.mrc.inputs.directory' is needed for a replica directory",
    ]


def test_catalogs_that_contradict_each_other_are_both_named(tmp_path: Path) -> None:
    for name, digest in (("a", SHA), ("b", OTHER_SHA)):
        (tmp_path / f"{name}.txt").write_text(f'f /{name}/f checksum.value="{digest}"\n')
    properties = (
        {KIND: "MRC"} | {f"{MRC}.{n}": "File" for n in "ab"} | {f"{MRC}.{n}.file": f"{n}.txt" for n in "ab"}
    )
    of_workflow = workflow_of(
        "f",
        replicas=[{"lfn": "f", "pfns": [{"site": "s", "pfn": "/w/f"}], "checksum": {"sha256": OTHER_SHA}}],
    )
    alone = {KIND: "File", f"{KIND}.file": "a.txt"}

    said = f"file 'f' has the sha256 {OTHER_SHA[:12]}… here, and {SHA[:12]}… in '{tmp_path}/a.txt'"
    assert str(failure(tmp_path, properties)) == f"{tmp_path}/b.txt: {said}"
    assert places(tmp_path, alone, "f", workflow=of_workflow) == ["/w/f"]  # it hides the other
    merged = failure(tmp_path, alone | {f"{KIND}.dax.asrc": "true"}, workflow=of_workflow)
    assert f"{SHA[:12]}… here, and {OTHER_SHA[:12]}… in 'the workflow'" in str(merged)
    cache = failure(tmp_path, alone | {f"{KIND}.cache.asrc": "true"}, cache_files=["b.txt"])
    assert f"{tmp_path}/b.txt: {said}" == str(cache)


def test_inherited_replicas_have_the_lowest_priority(tmp_path: Path) -> None:
    (tmp_path / "replicas.yml").write_text("replicas:\n- {lfn: f, pfns: [{site: s, pfn: /yaml/f}]}\n")
    (tmp_path / "parent.yml").write_text(
        "replicas:\n- {lfn: f, pfns: [{site: s, pfn: /parent/f}]}\n- {lfn: g, pfns: [{site: s, pfn: /parent/g}]}\n"
    )
    (tmp_path / "other.cache").write_text("g /other/g\nh /other/h\n")
    inherited = {"inherited_files": ["parent.yml", "other.cache"]}

    assert places(tmp_path, {}, "f", **inherited) == ["/yaml/f"]
    assert places(tmp_path, {}, "g", **inherited) == ["/parent/g"]
    assert places(tmp_path, {}, "h", **inherited) == ["/other/h"]


def test_of_a_database_only_the_files_of_the_workflow_are_read(tmp_path: Path) -> None:
    url = database(
        tmp_path / "rc.db", **{f"f{number}": f"/d/f{number}" for number in range(20)}, bad="no path"
    )
    given = {KIND: "JDBCRC", f"{KIND}.db.url": url}

    found = load_catalogs(Properties(given), tmp_path, workflow_of("f3", "f17", "nowhere"), environment={})

    assert sorted(replica.lfn for replica in found.replicas) == ["f17", "f3"]
    assert "'bad'" in str(failure(tmp_path, given))  # who names no workflow gets all
    small = load_catalogs(
        Properties({KIND: "JDBCRC", f"{KIND}.url": database(tmp_path / "small.db", a="/a")}),
        tmp_path,
        workflow_of("a", "b"),
        environment={},
    )
    assert "a" in small.replicas


def test_more_names_than_a_query_holds_are_all_found(tmp_path: Path) -> None:
    url = database(tmp_path / "rc.db", **{f"f{number}": f"/d/{number}" for number in range(1500)})
    given = {KIND: "JDBCRC", f"{KIND}.db.url": url}

    found = load_catalogs(
        Properties(given),
        tmp_path,
        workflow_of(*(f"f{number}" for number in range(0, 1500, 2))),
        environment={},
    )

    assert len(found.replicas) == 750 and "f1498" in found.replicas and "f1499" not in found.replicas


def test_a_locked_database_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_database, "LOCK_TIMEOUT_S", 0.01)
    url = database(tmp_path / "rc.db", f="/f")
    writer = sqlite3.connect(tmp_path / "rc.db", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")

    found = failure(tmp_path, {KIND: "JDBCRC", f"{KIND}.db.url": url})

    writer.close()
    assert "rc.db': database is locked" in str(found) and "another process writes to it" in found.hint


@pytest.mark.parametrize(
    ("schema", "lacks"),
    [
        ("CREATE TABLE rc_lfn (id, lfn, pfn, site); CREATE TABLE rc_attr (id, name, value)", "rc_lfn.lfn_id, rc_pfn, rc_meta"),
        ("CREATE TABLE rc_lfn (lfn_id, lfn); CREATE TABLE rc_pfn (pfn_id, lfn_id, pfn); CREATE TABLE rc_meta (lfn_id, value)", "rc_pfn.site, rc_meta.key"),
    ],
)  # fmt: skip
def test_a_database_of_another_schema_is_named_with_all_that_it_lacks(
    tmp_path: Path, schema: str, lacks: str
) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.executescript(schema)
    connection.close()

    found = failure(tmp_path, {KIND: "JDBCRC", f"{KIND}.db.url": "jdbc:sqlite:old.db"})

    assert f"(it has no {lacks})" in str(found) and "another schema" in found.hint


def test_all_databases_that_fail_are_named_at_once_with_their_properties(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database" * 200)
    given = {KIND: "MRC"}
    for name, url in (
        ("a", "jdbc:sqlite:text.db"),
        ("b", "jdbc:sqlite:gone.db"),
        ("c", "jdbc:postgresql://127.0.0.1:1/rc"),
    ):
        given |= {
            f"{MRC}.{name}": "JDBCRC",
            f"{MRC}.{name}.db.url": url,
            f"{MRC}.{name}.db.password": "secret",
        }

    found = failure(tmp_path, given)

    assert isinstance(found, DocumentError)
    assert [(problem.file, problem.line) for problem in found.problems] == [("pegasus.properties", 7)] * 3
    for said, problem in zip(("text.db", "gone.db", "127.0.0.1:1/rc"), found.problems, strict=True):
        assert said in problem.message and problem.hint and "secret" not in str(problem)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("jdbc:sqlite:rc.db", "rc.db"),
        ("jdbc:sqlite:/a/rc.db", "/a/rc.db"),
        ("sqlite:////a/rc.db", "/a/rc.db"),
        ("jdbc:postgresql://db.example.org/rc", "postgresql://ada@db.example.org/rc"),
        ("postgres://bob:pass@[::1]:5433/rc", "postgresql://bob@::1:5433/rc"),
        ("jdbc:mysql://db:3307/rc?user=eve&useSSL=false", "mysql://eve@db:3307/rc"),
        ("jdbc:mariadb://b%40c:p%2fw@db/rc", "mysql://b@c@db/rc"),
    ],
)
def test_addresses_are_those_of_jdbc_and_never_show_a_password(url: str, shown: str) -> None:
    address = address_of(url, "ada", "secret")

    assert address is not None and str(address) == shown
    assert "secret" not in repr(address) and "pass" not in repr(address).replace("password", "")


@pytest.mark.parametrize(
    "url",
    ["", "jdbc:sqlite:", "jdbc:oracle:thin:@x", "postgresql:rc", "mysql://db", "mysql://db:x/rc", "/a/rc.db"],
)
def test_what_is_no_address_of_a_database_is_refused(url: str) -> None:
    assert address_of(url) is None
