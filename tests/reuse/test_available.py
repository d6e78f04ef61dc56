from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.results import RUN, opened, put, sha256
from markab.errors import MarkabError
from markab.reuse.available import AvailableContents, why_lost
from markab.reuse.content_store import ContentStore
from markab.reuse.file_checksums import FileChecksums

SIZE = len("fit")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory with an index in which two places of one content are: in the newer one, `new/fit.txt`, and `old/fit.txt`."""
    with opened(tmp_path) as index:
        for name in ("old", "new"):
            path = tmp_path / name / "fit.txt"
            index.record(RUN, [], [(put(path, "fit"), str(path))], 1)
    yield tmp_path


def find(directory: Path, *, store: bool = True) -> tuple[str | None, list[str]]:
    """Return where the content is, relative, and what was lost; what is found out is saved."""
    with opened(directory) as index:
        kept = ContentStore(str(directory / "store")) if store else None
        contents = AvailableContents(index, FileChecksums(index), kept)
        contents.prepare([sha256("fit")])
        path = contents.path(sha256("fit"), SIZE)
        contents.save()
        assert not index.warnings
    shown = [f"{os.path.relpath(one.path, directory)} {one.why}" for one in contents.lost]
    return path and os.path.relpath(path, directory), shown


def unreadable(directory: Path) -> list[str]:
    """Return what is said of places that cannot be read."""
    with opened(directory) as index:
        contents = AvailableContents(index, FileChecksums(None), ContentStore(str(directory / "store")))
        contents.path(sha256("fit"), SIZE)
        return [str(one) for one in contents.unreadable]


def places(directory: Path) -> list[str]:
    with opened(directory) as index:
        return [
            os.path.relpath(path, directory) for path in index.places([sha256("fit")]).get(sha256("fit"), [])
        ]


def test_the_first_place_that_has_the_bytes_is_returned(directory: Path) -> None:
    assert ("new/fit.txt", []) == find(directory)


def removed(path: Path) -> None:
    path.unlink()


def altered(path: Path) -> None:
    path.write_text("Fit")


def altered_secretly(path: Path) -> None:
    before = path.stat()
    path.write_text("Fit")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncated(path: Path) -> None:
    path.write_text("f")


def made_longer(path: Path) -> None:
    path.write_text("fitted")


def made_a_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def made_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    removed: "was removed",
    altered: "was altered",
    altered_secretly: "was altered",
    truncated: "was truncated",
    made_longer: "was altered",
    made_a_link: "was replaced by a symbolic link",
    made_a_fifo: "was replaced by a pipe, socket or device",
    made_a_directory: "was replaced by a directory",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("was_read", [False, True])
def test_a_place_without_these_bytes_is_said_once_and_forgotten(
    directory: Path, damage: Callable[[Path], None], was_read: bool
) -> None:
    if was_read:
        find(directory)
    damage(directory / "new" / "fit.txt")

    assert ("old/fit.txt", [f"new/fit.txt {DAMAGES[damage]}"]) == find(directory)

    assert ["old/fit.txt"] == places(directory)
    assert ("old/fit.txt", []) == find(directory)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_content_of_the_store_without_its_bytes_is_removed(
    directory: Path, damage: Callable[[Path], None]
) -> None:
    store = ContentStore(str(directory / "store"))
    store.keep(str(directory / "new" / "fit.txt"), sha256("fit"))
    for name in ("old", "new"):
        (directory / name / "fit.txt").unlink()
    assert os.path.relpath(store.path(sha256("fit")), directory) == find(directory)[0]

    damage(Path(store.path(sha256("fit"))))

    assert find(directory)[0] is None
    if damage is not made_a_directory:
        assert not os.path.lexists(store.path(sha256("fit")))


def test_the_index_knows_which_contents_of_the_store_a_plan_relies_on(directory: Path) -> None:
    ContentStore(str(directory / "store")).keep(str(directory / "new" / "fit.txt"), sha256("fit"))
    find(directory)
    with opened(directory) as index:
        assert {} == index.content_uses()
    for name in ("old", "new"):
        (directory / name / "fit.txt").unlink()

    find(directory)

    with opened(directory) as index:
        assert {sha256("fit")} == set(index.content_uses())


def test_a_directory_that_is_gone_is_a_miss_but_nothing_is_forgotten(directory: Path) -> None:
    """It may be on a file system that is not mounted now."""
    (directory / "new").rename(directory / "unmounted")

    assert ("old/fit.txt", []) == find(directory)
    assert [] == unreadable(directory)

    (directory / "unmounted").rename(directory / "new")
    assert ("new/fit.txt", []) == find(directory)


def test_a_file_that_cannot_be_read_is_a_miss_but_not_forgotten(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(directory)
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: "new" not in path)

        assert ("old/fit.txt", []) == find(directory)

    assert ["new/fit.txt", "old/fit.txt"] == places(directory)


def test_a_disk_with_errors_is_a_miss_but_nothing_is_forgotten(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.stat

    def broken(path: object, **more: object) -> os.stat_result:
        if str(path).endswith("new/fit.txt"):
            raise OSError(5, "Input/output error")
        return whole(path, **more)  # type: ignore[call-overload,no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", broken)
        assert ("old/fit.txt", []) == find(directory)
        assert [
            f"{str(directory / 'new' / 'fit.txt')!r}, which an earlier run made, cannot be read: Input/output error; it does not count as a result"
        ] == unreadable(directory)

    assert [] == unreadable(directory)

    assert ("new/fit.txt", []) == find(directory)


def test_a_content_of_the_store_that_cannot_be_read_now_stays(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ContentStore(str(directory / "store"))
    store.keep(str(directory / "new" / "fit.txt"), sha256("fit"))
    for name in ("old", "new"):
        (directory / name / "fit.txt").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: False)
        assert find(directory)[0] is None
        assert [
            f"{store.path(sha256('fit'))!r}, which an earlier run made, cannot be read: Permission denied; it does not count as a result"
        ] == unreadable(directory)

    assert os.path.relpath(store.path(sha256("fit")), directory) == find(directory)[0]


def test_a_file_that_changes_while_it_is_read_was_altered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise MarkabError("it changed while it was read")

    content = put(tmp_path / "f", "text")
    with opened(tmp_path) as index:
        checksums = FileChecksums(index)
        assert why_lost(str(tmp_path / "f"), content, 4, checksums) == ""
        monkeypatch.setattr(FileChecksums, "of_status", refuse)
        assert why_lost(str(tmp_path / "f"), content, 4, checksums) == "was altered"


def test_what_no_place_has_and_no_store_is_not_available(directory: Path) -> None:
    for name in ("old", "new"):
        (directory / name / "fit.txt").unlink()

    assert (None, ["new/fit.txt was removed", "old/fit.txt was removed"]) == find(directory, store=False)


def test_a_lost_place_is_named_in_a_sentence(directory: Path) -> None:
    altered(directory / "new" / "fit.txt")
    with opened(directory) as index:
        contents = AvailableContents(index, FileChecksums(index), None)
        contents.path(sha256("fit"), SIZE)

    path = str(directory / "new" / "fit.txt")
    assert [f"{path!r} was altered after it was made; it does not count as a result"] == [
        str(one) for one in contents.lost
    ]
