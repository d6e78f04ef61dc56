"""Paths below the directories of a run are held; others are taken as they are."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from markab.errors import TransferRefused
from markab.transfers import own_directories as module
from markab.transfers.own_directories import OwnDirectories, open_own


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "users").mkdir()
    (tmp_path / "users/f").write_text("precious")
    return tmp_path / "scratch"


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("slash", ["", "/"])
def test_what_leads_out_of_a_directory_is_refused_however_it_is_written(top: Path, slash: str) -> None:
    own = OwnDirectories([f"{top}{slash}"])
    (top / "f").symlink_to("../users/f")
    (top / "d").symlink_to("../users")

    with pytest.raises(TransferRefused, match="a symbolic link"):
        own.source(str(top / "f"), "there")
    with pytest.raises(TransferRefused, match="a symbolic link"):
        own.destination(str(top / "d/f"), "there")


def test_a_directory_whose_name_begins_alike_is_another(top: Path) -> None:
    beside = top.parent / "scratch2"
    beside.symlink_to("users")

    with OwnDirectories([str(top)]).source(str(beside / "f"), "there") as path:
        assert path == str(beside / "f")


def test_a_source_is_read_though_its_name_has_become_another_file(top: Path) -> None:
    (top / "d").mkdir()
    (top / "d/f").write_text("right")

    with OwnDirectories([str(top)]).source(str(top / "d/f"), "there") as path:
        os.rename(top / "d", top / "was")
        (top / "d").symlink_to("../users")
        assert Path(path).read_text() == "right"


def test_a_link_to_another_file_of_the_same_directory_is_followed(top: Path) -> None:
    (top / "g").write_text("right")
    (top / "f").symlink_to("g")

    with OwnDirectories([str(top)]).source(str(top / "f"), "there") as path:
        assert Path(path).read_text() == "right"


@pytest.mark.parametrize("name", ["f", "d/e/f"])
def test_a_destination_gets_the_directories_that_are_missing(top: Path, name: str) -> None:
    top.rmdir()

    with OwnDirectories([str(top)]).destination(str(top / name), "there") as path:
        Path(path).write_text("right")

    assert (top / name).read_text() == "right"


def test_a_missing_source_is_refused_by_its_name(top: Path) -> None:
    with pytest.raises(TransferRefused, match=f"'{top}/gone'"):
        OwnDirectories([str(top)]).source(str(top / "gone"), "there")


def test_errors_of_what_is_held_have_its_usual_name(top: Path) -> None:
    held = OwnDirectories([str(top)]).destination(str(top / "d/f"), "there")
    refused = TransferRefused(f"cannot write '{held.path}'", f"rm '{held.path}'")
    with pytest.raises(TransferRefused), held:
        raise refused
    assert refused.message == f"cannot write '{top}/d/f'" == refused.args[0]
    assert refused.hint == f"rm '{top}/d/f'" == refused.args[1]

    held = OwnDirectories([str(top)]).destination(str(top / "f"), "there")
    with pytest.raises(OSError, match="is full") as failed, held as path:
        raise OSError(errno.ENOSPC, "is full", path)
    assert failed.value.filename == str(top / "f")


def test_nothing_stays_open(top: Path) -> None:
    own = OwnDirectories([str(top)])
    (top / "f").write_text("right")
    (top / "link").symlink_to("../users/f")
    before = open_files()

    for held in (own.source(str(top / "f"), ""), own.destination(str(top / "d/f"), "")):
        with held:
            assert open_files() > before
        held.close()  # twice is allowed
    for name in ("link", "gone"):
        with pytest.raises(TransferRefused):
            own.source(str(top / name), "")
    with pytest.raises(TransferRefused):
        own.destination(str(top / "f/g"), "")

    assert open_files() == before


def test_a_descriptor_that_was_closed_is_not_closed_again_when_it_is_another_file(top: Path) -> None:
    (top / "f").write_text("right")
    held = OwnDirectories([str(top)]).source(str(top / "f"), "")
    held.close()
    with (top / "f").open() as other:  # it has the lowest free number: that of the closed one
        held.close()
        assert other.read() == "right"


def test_without_proc_a_path_is_checked_and_then_taken_as_it_is(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_proc", [False])
    own = OwnDirectories([str(top)])
    (top / "f").write_text("right")
    (top / "link").symlink_to("../users/f")

    with own.source(str(top / "f"), "") as path:
        assert path == str(top / "f")
    with pytest.raises(TransferRefused, match="a symbolic link"):
        own.source(str(top / "link"), "")


def test_a_file_in_place_of_a_directory_of_the_run_is_named(top: Path) -> None:
    top.rmdir()
    top.write_text("")

    with pytest.raises(TransferRefused, match=f"'{top}' is a "):
        open_own(str(top))


def test_a_directory_of_the_run_that_another_process_makes_at_the_same_time_is_opened(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top.rmdir()
    real = module.Beneath
    calls = []

    def made_meanwhile(path: str) -> object:
        calls.append(path)
        if len(calls) == 1:
            top.mkdir()
            raise FileNotFoundError(errno.ENOENT, "none", path)
        return real(path)

    monkeypatch.setattr(module, "Beneath", made_meanwhile)

    open_own(str(top)).close()

    assert calls == [str(top)] * 2
