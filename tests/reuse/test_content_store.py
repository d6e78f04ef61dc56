from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.results import put, sha256
from markab.reuse.content_store import RELIED_ON_S, ContentStore, StoredContent, contents_to_remove


def stored(store: ContentStore, text: str, *, shared: bool = False) -> str:
    """Keep a content; return its sha256."""
    path = Path(store.directory).parent / f"file {text[:10]}"
    digest = put(path, text)
    assert store.keep(str(path), digest)
    if not shared:
        path.unlink()
    return digest


def test_contents_are_listed_with_their_sizes_and_links(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    own, shared = stored(store, "own"), stored(store, "shared", shared=True)

    found = {one.sha256: (one.path, one.size_bytes, one.own_bytes) for one in store.contents()}

    assert {own: (store.path(own), 3, 4096), shared: (store.path(shared), 6, 0)} == found


def test_without_a_store_there_is_nothing_to_list_or_prune(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "missing"))

    assert [] == list(store.contents())
    assert ([], 0, 0) == store.prune(0)
    store.remove(sha256("x"))


def test_a_store_that_cannot_be_used_says_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ContentStore(str(tmp_path / "to be" / "made")).problem() is None
    (tmp_path / "file").write_text("")
    below = ContentStore(str(tmp_path / "file" / "store")).problem()
    assert below is not None
    assert below.message == (
        f"the content store '{tmp_path}/file/store' cannot be used: Not a directory ('{tmp_path}/file'); nothing is kept in it, and nothing found"
    )
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    denied = ContentStore(str(tmp_path)).problem()
    assert denied is not None and "cannot be used: Permission denied; " in denied.message


def test_the_least_recently_used_are_removed_until_the_rest_fits(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    a, b, c = (stored(store, text * 10_000) for text in "abc")
    now = max(one.used_s for one in store.contents())

    pruned = store.prune(20_000, uses={a: now + 1}, clock=lambda: now + RELIED_ON_S + 2)

    assert [b] == [one.sha256 for one in pruned.removed]
    assert {a, c} == {one.sha256 for one in store.contents()}
    assert (2, 20_000) == pruned[1:]


def test_small_files_count_with_what_a_file_system_takes_for_them(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    for number in range(5):
        stored(store, f"{number}")

    assert (2, 8192) == store.prune(10_000)[1:]


def test_what_needs_no_space_stays_unless_it_is_old(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    stored(store, "shared", shared=True)

    assert [] == store.prune(0).removed
    assert 1 == len(store.prune(0, older_s=-1.0).removed)


def test_what_a_plan_of_the_last_day_relies_on_stays(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    digest = stored(store, "needed")
    now = next(store.contents()).used_s

    assert [] == store.prune(0, -10.0, {digest: now}, clock=lambda: now + RELIED_ON_S - 1).removed
    assert 1 == len(store.prune(0, None, {digest: now}, clock=lambda: now + RELIED_ON_S + 1).removed)


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    digest = stored(store, "text")

    assert [digest] == [one.sha256 for one in store.prune(0, dry_run=True).removed]
    assert 1 == len(list(store.contents()))


def test_only_contents_are_ever_removed(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    digest = stored(store, "text")
    folder = tmp_path / "store" / digest[:2]
    outside = tmp_path / "outside"
    others = [
        tmp_path / "store" / "thesis.tex",
        folder / "thesis.tex",
        folder / ("0" * 61),
        tmp_path / "store" / "zz" / ("0" * 62),
        outside / ("0" * 62),
    ]
    for path in others:
        put(path, "precious")
    (tmp_path / "store" / "ff").symlink_to(outside)
    (folder / ("1" * 62)).mkdir()

    store.prune(0, older_s=-1.0)

    assert all(path.read_text() == "precious" for path in others)
    assert not os.path.lexists(store.path(digest))


def test_a_content_that_another_process_removed_counts_as_removed(tmp_path: Path) -> None:
    store = ContentStore(str(tmp_path / "store"))
    stored(store, "text")

    class Raced(ContentStore):
        def contents(self):  # type: ignore[no-untyped-def]
            found = list(super().contents())
            for one in found:
                self.remove(one.sha256)
            return iter(found)

    assert 1 == len(Raced(store.directory).prune(0).removed)


CONTENTS = st.lists(
    st.builds(
        StoredContent,
        st.integers(0, 20).map(lambda number: sha256(str(number))),
        st.just(""),
        st.integers(0, 20_000),
        st.integers(1, 2),
        st.integers(0, 10).map(float),
    ),
    unique_by=lambda one: one.sha256,
)


@given(
    CONTENTS, st.integers(0, 100_000), st.none() | st.integers(0, 12).map(float), st.sets(st.integers(0, 20))
)
def test_what_is_left_fits_is_young_and_is_the_most_recently_used(
    contents: list[StoredContent], budget: int, before_s: float | None, relied: set[int]
) -> None:
    relied_on = {sha256(str(number)) for number in relied}

    removed = contents_to_remove(contents, budget, before_s, relied_on)

    left = [one for one in contents if one not in removed]
    free = [one for one in left if one.sha256 not in relied_on]
    assert not any(one.sha256 in relied_on for one in removed)
    assert sum(one.own_bytes for one in left) <= budget or not any(one.own_bytes for one in free)
    assert before_s is None or all(one.used_s >= before_s for one in free)
    for one in removed:
        if before_s is None or one.used_s >= before_s:  # removed for its size only
            assert one.own_bytes
            assert all(other.used_s >= one.used_s for other in free if other.own_bytes)
