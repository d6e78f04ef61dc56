"""Changing replica catalogs: the same calls on YAML, text and SQLite; files replaced whole."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markab.catalogs.replica_store import Entry, ReplicaStore, matching, parsed_line
from markab.catalogs.replica_text import read_replica_file
from markab.catalogs.store_selection import open_store, store_of_properties
from markab.errors import DocumentError, StorageError
from markab.plan import atomic_file
from markab.spec.properties import Properties
from markab.spec.reader import read_replicas

SHA = "0f" * 32
NAMES = ("replicas.yml", "rc.txt", "rc.db")

Make = Callable[[], ReplicaStore]


@pytest.fixture(params=NAMES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a function that opens the same catalog anew each time."""
    return lambda: open_store(tmp_path / request.param)


def shown(store: ReplicaStore) -> list[str]:
    return sorted(entry.line() for entry in store.entries())


def test_what_was_inserted_is_there_when_it_is_opened_again(make: Make) -> None:
    assert make().insert([Entry("a", "/data/a"), Entry("a", "http://x/a", "web"), Entry("b", "/data/b")]) == 3

    assert shown(make()) == ['a /data/a site="local"', 'a http://x/a site="web"', 'b /data/b site="local"']
    assert [entry.pfn for entry in make().lookup(["b", "nowhere"])] == ["/data/b"]


def test_a_place_that_is_known_is_not_there_twice(make: Make) -> None:
    make().insert([Entry("a", "/data/a")])

    assert make().insert([Entry("a", "/data/a"), Entry("a", "/data/a", "other")]) == 1
    assert len(shown(make())) == 2


def test_attributes_belong_to_the_file_and_new_ones_replace_old_ones(make: Make) -> None:
    make().insert(
        [Entry("a", "/1", "local", {"year": "1", "checksum.type": "sha256", "checksum.value": SHA})]
    )
    make().insert([Entry("a", "/2", "local", {"year": "2"})])

    known = {"year": "2", "checksum.type": "sha256", "checksum.value": SHA}
    assert [entry.attributes for entry in make().entries()] == [known, known]


def test_deleting_takes_one_place_and_the_file_goes_with_its_last(make: Make) -> None:
    make().insert([Entry("a", "/1", "x", {"k": "v"}), Entry("a", "/2", "y"), Entry("a", "/1", "y")])

    assert make().delete([Entry("a", "/1", "x")]) == 1
    assert make().delete([Entry("a", "/1", "nowhere"), Entry("z", "/1", None)]) == 0
    assert make().delete([Entry("a", "/2", None, {"k": "other"})]) == 0
    assert shown(make()) == ['a /1 site="y" k="v"', 'a /2 site="y" k="v"']
    assert make().delete([Entry("a", "/1", None), Entry("a", "/2", None, {"k": "v"})]) == 2
    assert shown(make()) == []
    make().insert([Entry("a", "/3")])
    assert shown(make()) == ['a /3 site="local"'], "no metadata of the old file is left"


def test_removing_takes_files_with_all_places(make: Make) -> None:
    make().insert([Entry("a", "/1"), Entry("a", "/2"), Entry("b", "/3")])

    assert make().remove(["a", "a", "nowhere"]) == 1
    assert shown(make()) == ['b /3 site="local"']
    assert make().clear() == 1
    assert shown(make()) == []


def test_a_catalog_that_does_not_exist_is_empty_and_asking_makes_no_file(make: Make, tmp_path: Path) -> None:
    assert list(make().entries()) == list(make().lookup(["a"])) == []
    assert os.listdir(tmp_path) == []


def test_changes_by_many_at_once_are_all_kept(make: Make) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: make().insert([Entry(f"f{n}", f"/data/{n}")]), range(24)))

    assert len(shown(make())) == 24


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
values = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).filter(
    lambda text: "${" not in text
)


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_and_values_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    """Many at a time, since a file is written each time."""
    kept, refused = [], []
    allowed = names.filter(lambda n: not n.startswith(("/", ".")) and ".." not in n)
    entries = st.builds(
        lambda lfn, pfn, value: Entry(lfn, "/d/" + pfn, "local", {"note": value}), allowed, names, values
    )

    @settings(max_examples=25, deadline=None)
    @given(st.lists(entries, min_size=1, max_size=12, unique_by=lambda entry: entry.lfn))
    def keep(wanted: list[Entry]) -> None:
        store = open_store(tmp_path / name)
        store.clear()
        for entry in wanted:
            try:
                store.insert([entry])
                kept.append(entry)
            except DocumentError:  # no such file name is allowed
                refused.append(entry)
                wanted = [other for other in wanted if other is not entry]

        by_name = {entry.lfn: entry for entry in open_store(tmp_path / name).entries()}
        assert by_name == {entry.lfn: entry for entry in wanted}

    keep()
    assert len(kept) > 40 and len(kept) > len(refused), (len(kept), len(refused))


def test_planning_reads_what_was_written(tmp_path: Path) -> None:
    entries = [
        Entry("a b", "/x", "local", {"checksum.value": SHA, "k": 'q"\\'}),
        Entry(r"f\d", "/d/[0]", regex=True),
    ]
    for name in NAMES[:2]:
        open_store(tmp_path / name).insert(entries[1:] if name == "replicas.yml" else entries)

    (pattern,) = read_replicas(tmp_path / "replicas.yml").replicas
    first, _ = read_replica_file(tmp_path / "rc.txt").replicas

    assert (pattern.lfn, pattern.regex) == (r"f\d", True)
    assert first.checksum is not None
    assert (first.lfn, first.checksum.sha256, first.metadata) == ("a b", SHA, {"k": 'q"\\'})


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_regular_expression_is_asked_for_names_that_no_entry_has(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / name)
    store.insert([Entry(r"p(\d)", "/d/[1]/[0]", regex=True), Entry("p1", "/here")])

    assert [entry.pfn for entry in store.lookup(["p1", "p2", "q"])] == ["/here", "/d/2/p2"]


def test_a_database_refuses_a_regular_expression(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="regular expression"):
        open_store(tmp_path / "rc.db").insert([Entry("p.", "/x", regex=True)])


def test_variables_stay_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rc.txt").write_text('a ${DATA}/a site="local"\nb file://${DATA}/b note="${WHY}"\n')
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.setenv("WHY", "because")
    store = open_store(tmp_path / "rc.txt")

    store.insert([Entry("c", "/c")])

    assert (tmp_path / "rc.txt").read_text().splitlines() == [
        'a ${DATA}/a site="local"',
        'b file://${DATA}/b site="local" note="${WHY}"',
        'c /c site="local"',
    ]
    assert [entry.pfn for entry in store.lookup(["a"])] == ["/data/a"]
    assert store.delete([Entry("a", "/data/a", None)]) == 1, "named by what it stands for"


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("replicas.yml", "pegasus: '5.0'\nreplicas:\n- {lfn: a, pfns: [{site: x, pfn: /a}]}"),
        ("rc.txt", "a /a"),
    ],
)
def test_comments_at_the_top_stay_and_the_loss_of_others_is_reported(
    tmp_path: Path, name: str, entry: str
) -> None:
    path = tmp_path / name
    path.write_text(f"# ours\n\n{entry}\n")
    store = open_store(path)
    store.insert([Entry("b", "/b")])
    assert (path.read_text().startswith("# ours\n\n"), store.loses_comments) == (True, False)

    path.write_text(f"# ours\n{entry}\n# more\n")
    store.insert([Entry("c", "/c")])
    assert ("# more" in path.read_text(), store.loses_comments) == (False, True)


def test_the_version_of_a_document_stays(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text("pegasus: '5.0'\nreplicas: []\n")
    open_store(tmp_path / "r.yml").insert([Entry("a", "/a")])

    assert "pegasus: '5.0'\n" in (tmp_path / "r.yml").read_text()


@pytest.mark.parametrize("name", NAMES[:2])
def test_what_planning_would_refuse_is_not_written(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / name)
    store.insert([Entry("a", "/a")])
    before = (tmp_path / name).read_bytes()

    for wrong in (
        Entry("b", "relative"),
        Entry("../b", "/b"),
        Entry("b", "/b", "l", {"checksum.value": "12"}),
    ):
        with pytest.raises(DocumentError):
            store.insert([wrong])
        assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_a_damaged_document_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text("replicas: [{lfn: a\n")

    with pytest.raises(DocumentError):
        open_store(tmp_path / "r.yml").clear()
    assert (tmp_path / "r.yml").read_text() == "replicas: [{lfn: a\n"


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    open_store(tmp_path / name).insert([Entry("a", "/a")])
    before = (tmp_path / name).read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_file.os, call, fail)
        with pytest.raises(StorageError, match="No space left"):
            open_store(tmp_path / name).insert([Entry("b", "/b")])

    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_who_may_read_a_catalog_stays_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "rc.txt"
    real.write_text("a /a\n")
    real.chmod(0o600)
    (tmp_path / "rc.txt").symlink_to(real)

    open_store(tmp_path / "rc.txt").insert([Entry("b", "/b")])

    assert (tmp_path / "rc.txt").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert len(real.read_text().splitlines()) == 2


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rc.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)

    with pytest.raises(StorageError, match="replica catalog"):
        list(open_store(tmp_path / "rc.db").entries())
    with pytest.raises(StorageError, match="replica catalog"):
        open_store(tmp_path / "rc.db").remove(["a"])


def test_a_missing_directory_is_an_error(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        open_store(tmp_path / "no" / "rc.txt").insert([Entry("a", "/a")])


def test_the_catalog_of_a_database_is_the_tables_of_jdbcrc(tmp_path: Path) -> None:
    open_store(tmp_path / "rc.db").insert([Entry("a", "/a", "x", {"k": "v"})])

    connection = sqlite3.connect(tmp_path / "rc.db")
    rows = connection.execute(
        "SELECT lfn, pfn, site, key, value FROM rc_lfn JOIN rc_pfn USING (lfn_id) JOIN rc_meta USING (lfn_id)"
    )
    assert rows.fetchall() == [("a", "/a", "x", "k", "v")]
    open_store(tmp_path / "rc.db").remove(["a"])
    left = [
        connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("rc_lfn", "rc_pfn", "rc_meta")
    ]
    assert left == [0, 0, 0]
    connection.close()


@pytest.mark.parametrize(
    ("properties", "file"),
    [
        ({}, "replicas.yml"),
        ({"pegasus.catalog.replica.file": "mine.yml"}, "mine.yml"),
        ({"pegasus.catalog.replica": "File"}, "rc.txt"),
        (
            {"pegasus.catalog.replica": "JDBCRC", "pegasus.catalog.replica.db.url": "jdbc:sqlite:my.db"},
            "my.db",
        ),
    ],
)
def test_properties_say_which_catalog(tmp_path: Path, properties: dict[str, str], file: str) -> None:
    store_of_properties(Properties(properties), tmp_path).insert([Entry("a", "/a")])

    assert os.listdir(tmp_path) == [file]


@pytest.mark.parametrize("kind", ["Directory", "MRC", "JDBCRC"])
def test_a_catalog_that_cannot_be_changed_is_refused_with_a_hint(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DocumentError) as caught:
        store_of_properties(Properties({"pegasus.catalog.replica": kind}), tmp_path)
    assert caught.value.hint


def test_patterns_are_those_of_sql_and_of_a_shell() -> None:
    entries = [Entry("a.txt", "/x", "s", {"k": "v"}), Entry("b[1].txt", "/y", "t")]

    def found(**patterns: str) -> list[str]:
        return [entry.lfn for entry in matching(entries, patterns)]

    assert found(lfn="%.txt") == found(lfn="*") == ["a.txt", "b[1].txt"]
    assert found(lfn="b[1]*", site="t") == ["b[1].txt"]
    assert found(k="v") == found(pfn="/x") == ["a.txt"]
    assert found(lfn="a") == []


def test_a_line_without_a_site_means_any_site_and_errors_have_its_number() -> None:
    assert parsed_line("a /a", "f", 1).site is None
    assert parsed_line('a /a pool="x"', "f", 1).site == "x"
    with pytest.raises(DocumentError, match="f:7"):
        parsed_line("lonely", "f", 7)
