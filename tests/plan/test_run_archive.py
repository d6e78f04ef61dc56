"""A submit directory as one file: packed and unpacked, whenever it is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kit.kills import killed_everywhere
from markab.errors import StorageError
from markab.plan.run_archive import is_packed, pack, unpack
from markab.plan.submit_dir import SubmitDir

UUID = "7a3c"
FILES = {"plan.jsonl": b"plan", "journal.jsonl": b"journal", "00/00/a": b"a" * 70_000, "catalogs/lock": b"x"}
KEPT = {"braindump.yml": b"run", "lock": b"", "w-0.stampede.db": b"rows", "monitord.done": b"yes"}


def make(directory: Path) -> Path:
    for name, content in {**FILES, **KEPT}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "link").symlink_to("nowhere")
    (directory / "empty").mkdir()
    return directory


def make_packed(directory: Path) -> Path:
    pack(SubmitDir(make(directory)), UUID)
    return directory


def assert_whole(directory: Path) -> None:
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(".tmp")
    }
    assert found == {**FILES, **KEPT}
    assert os.readlink(directory / "link") == "nowhere" and (directory / "empty").is_dir()


def packed(directory: Path) -> None:
    pack(SubmitDir(directory), UUID)


def unpacked(directory: Path) -> None:
    unpack(SubmitDir(directory), UUID)


def test_what_names_the_run_is_not_packed(tmp_path: Path) -> None:
    run = make_packed(tmp_path / "run")
    assert {path.name for path in run.iterdir()} == {*KEPT, "archive.tar.gz"}
    unpacked(run)
    assert_whole(run)


def test_a_kill_while_packing_loses_nothing(tmp_path: Path) -> None:
    for run in killed_everywhere(packed, make, tmp_path):
        if not is_packed(SubmitDir(run)):
            assert all((run / name).read_bytes() == content for name, content in FILES.items())
        packed(run)
        assert {path.name for path in run.iterdir() if ".tmp" not in path.name} == {*KEPT, "archive.tar.gz"}
        unpacked(run)
        assert_whole(run)


def test_a_kill_while_unpacking_loses_nothing(tmp_path: Path) -> None:
    for run in killed_everywhere(unpacked, make_packed, tmp_path):
        if (run / "archive.tar.gz").exists():
            unpacked(run)
        assert_whole(run)


def test_a_run_that_went_on_after_a_kill_is_packed_as_it_is_then(tmp_path: Path) -> None:
    """The kill came after the archive was written, and before the plan was removed."""
    run = make_packed(tmp_path / "run")
    old = (run / "archive.tar.gz").read_bytes()
    unpacked(run)
    (run / "archive.tar.gz").write_bytes(old)
    (run / "journal.jsonl").write_bytes(b"longer journal")
    packed(run)
    unpacked(run)
    assert (run / "journal.jsonl").read_bytes() == b"longer journal"


def test_the_archive_of_another_run_is_neither_unpacked_nor_replaced(tmp_path: Path) -> None:
    directory = make_packed(tmp_path)
    before = SubmitDir(directory).archive.read_bytes()

    for work in (unpack, pack):
        with pytest.raises(StorageError, match="is no archive that Markab made of this run"):
            work(SubmitDir(directory), "another")

    assert SubmitDir(directory).archive.read_bytes() == before
    assert not (directory / "plan.jsonl").exists()


def test_what_is_put_into_a_packed_directory_stays(tmp_path: Path) -> None:
    run = make_packed(tmp_path / "run")
    (run / "empty").mkdir()
    (run / "empty/note").write_text("mine")
    packed(run)
    unpacked(run)
    assert (run / "empty/note").read_text() == "mine"
