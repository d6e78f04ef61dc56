"""Files that become durable together: the order of flushes and names, and what a failure at any call leaves."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from markab.transfers import group_commit
from markab.transfers.batch import move_all
from markab.transfers.checksum import Verified

FILES = 20


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is flushed and renamed, in order."""
    told: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        told.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def note_rename(source: str, destination: str) -> None:
        told.append("rename " + os.path.basename(destination))
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    yield told


def flush_at_once(told: list[str], monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    def sync_file_system(device: int, fd: int) -> bool:
        told.append("flush all")
        return works

    monkeypatch.setattr(group_commit, "sync_file_system", sync_file_system)
    monkeypatch.setattr(group_commit, "AT_ONCE_FROM", 16)


def deliver(
    tmp_path: Path, files: int = FILES, own: Sequence[str] = (), threads: int = 2, **more: Any
) -> list[dict[str, Any]]:
    """Deliver `files` short files from `in` to `out`; `own` are directories of the run."""
    (tmp_path / "in").mkdir(exist_ok=True)
    items = []
    for number in range(files):
        (tmp_path / "in" / f"f{number}").write_text(f"new {number}")
        ends = [[{"site": "s", "url": f"{tmp_path}/{end}/f{number}"}] for end in ("in", "out")]
        items.append({"lfn": f"f{number}", "sources": ends[0], "destinations": ends[1], **more})
    return move_all(items, threads, 1, None, True, Verified(), own=own)


def test_many_files_are_flushed_at_once_before_any_has_its_name(
    tmp_path: Path, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flush_at_once(story, monkeypatch, works=True)
    (tmp_path / "out").mkdir()

    results = deliver(tmp_path, 16)

    assert all("error" not in result for result in results)
    assert story == ["flush all", *[f"rename f{number}" for number in range(16)], "fsync out"]
    assert (tmp_path / "out" / "f7").read_text() == "new 7"


def test_where_a_file_system_cannot_be_flushed_each_file_is(
    tmp_path: Path, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flush_at_once(story, monkeypatch, works=False)

    results = deliver(tmp_path, 16)

    assert all("error" not in result for result in results)
    assert story[0] == "flush all"
    assert story[1:17] == [f"fsync .f{number}.part-0" for number in range(16)]
    assert story[17:33] == [f"rename f{number}" for number in range(16)]
    assert sorted(story[33:]) == sorted(["fsync out", f"fsync {tmp_path.name}"]), "a new directory has a name"


def test_a_few_files_do_not_wait_for_what_others_wrote(
    tmp_path: Path, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flush_at_once(story, monkeypatch, works=True)
    (tmp_path / "out").mkdir()

    deliver(tmp_path, 2)

    assert story == ["fsync .f0.part-0", "fsync .f1.part-0", "rename f0", "rename f1", "fsync out"]


def test_links_are_durable_with_their_group(tmp_path: Path, story: list[str]) -> None:
    (tmp_path / "out").mkdir()

    deliver(tmp_path, 3, link=True)

    assert story == ["rename f0", "rename f1", "rename f2", "fsync out"]
    assert (tmp_path / "out" / "f2").is_symlink()


def test_only_a_file_system_with_a_disk_is_flushed_as_a_whole(tmp_path: Path) -> None:
    with open(tmp_path / "a", "w") as file:
        assert not group_commit.sync_file_system(os.makedev(0, 40), file.fileno())


@pytest.mark.parametrize(("returned", "is_flushed"), [(0, True), (-1, False)])
def test_a_file_system_is_flushed_if_the_kernel_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: int, is_flushed: bool
) -> None:
    flushed: list[int] = []

    class Library:
        def syncfs(self, fd: int) -> int:
            flushed.append(fd)
            return returned

    monkeypatch.setattr("ctypes.CDLL", lambda _: Library())
    monkeypatch.setattr(group_commit, "_tells_errors", lambda: True)

    with (tmp_path / "f").open("w") as file:
        assert group_commit.sync_file_system(os.makedev(8, 1), file.fileno()) is is_flushed
        assert flushed == [file.fileno()]


def test_a_system_without_that_call_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    monkeypatch.setattr(group_commit, "_tells_errors", lambda: True)

    with (tmp_path / "f").open("w") as file:
        assert not group_commit.sync_file_system(os.makedev(8, 1), file.fileno())


@pytest.mark.parametrize("release", ["5.7.19", "4.18.0-553.el8", "unknown"])
def test_an_old_kernel_that_hides_errors_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", release, "", "")))

    with open(tmp_path / "a", "w") as file:
        assert not group_commit.sync_file_system(os.makedev(8, 1), file.fileno())


@pytest.mark.parametrize(
    "name", ["open", "fstat", "write", "fchmod", "utime", "posix_fadvise", "fsync", "rename", "close"]
)
def test_after_a_failure_at_any_call_results_say_which_files_are_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    real, left = getattr(os, name), 0

    def fail(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            if name == "close":
                real(*args)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*args, **options)

    monkeypatch.setattr(group_commit, "AT_ONCE_FROM", 1 << 30)
    monkeypatch.setattr(os, name, fail)
    for n in range(1, 200):
        left = 0
        for number in range(3):
            (out / f"f{number}").write_text("old")
        (tmp_path / "in").mkdir(exist_ok=True)
        left = n
        results = deliver(tmp_path, 3)
        failed, left = left <= 0, 0
        for number, result in enumerate(results):
            text = (out / f"f{number}").read_text()
            assert text == f"new {number}" or ("error" in result and text == "old")
        assert sorted(os.listdir(out)) == ["f0", "f1", "f2"]
        if not failed:
            break
        if name not in ("fstat", "open", "close"):
            assert any("error" in result for result in results) is (name != "posix_fadvise")
    assert n > 3


def test_what_is_held_in_a_directory_of_the_run_is_durable_by_itself_and_the_others_as_a_group(
    tmp_path: Path, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have another path when the group is committed."""
    flush_at_once(story, monkeypatch, works=True)
    monkeypatch.setattr(group_commit, "AT_ONCE_FROM", 2)
    for name in ("in", "out", "held"):
        (tmp_path / name).mkdir()
    items = []
    for name in ("held/a", "out/b", "held/c", "out/d"):
        (tmp_path / "in" / name[-1]).write_text(name)
        places = [[{"site": "s", "url": f"{tmp_path}/{end}"}] for end in (f"in/{name[-1]}", name)]
        items.append({"lfn": name, "sources": places[0], "destinations": places[1]})

    results = move_all(items, 1, 1, None, True, Verified(), own=[str(tmp_path / "held")])

    assert [result.get("error") for result in results] == [None] * 4
    alone = [f"fsync .{name}.part-0 rename {name} fsync held" for name in "ac"]
    assert " ".join(story) == " ".join([*alone, "flush all rename b rename d fsync out"])
    assert [(tmp_path / item["lfn"]).read_text() for item in items] == [item["lfn"] for item in items]


def test_a_held_directory_that_becomes_a_link_on_the_way_gets_what_was_begun_and_the_link_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, elsewhere, aside = tmp_path / "out", tmp_path / "elsewhere", tmp_path / "aside"
    out.mkdir()
    elsewhere.mkdir()
    real_fsync = os.fsync

    def fsync(fd: int) -> None:
        if not aside.exists():
            out.rename(aside)
            out.symlink_to(elsewhere)
        real_fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    first, *others = deliver(tmp_path, 3, own=[str(out)], threads=1)

    assert "error" not in first and (aside / "f0").read_text() == "new 0"
    assert all(f"'{out}' is a symbolic link" in result["error"]["message"] for result in others)
    assert os.listdir(aside) == ["f0"] and os.listdir(elsewhere) == []


def test_a_held_directory_that_was_a_link_before_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    results = deliver(tmp_path, 3, own=[str(tmp_path)])
    assert all(f"{tmp_path}/out" in result["error"]["message"] for result in results)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_files_for_which_no_descriptor_is_left_go_with_the_next_group(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    (tmp_path / "in").mkdir()
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, limits[1]))
    try:
        results = deliver(tmp_path, 16)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert [result.get("error") for result in results] == [None] * 16
    assert len(os.listdir(tmp_path / "out")) == 16
