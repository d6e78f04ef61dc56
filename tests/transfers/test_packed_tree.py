"""Packing a directory into one file, and unpacking it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest

from markab.errors import TransferRefused
from markab.transfers.beneath import Beneath
from markab.transfers.packed_tree import Packed, leads_out, pack, unpack
from markab.transfers.tree_removal import remove_tree


def make_tree(top: Path) -> Path:
    """Make a directory with a file, an empty one, a program, an empty directory, and a link."""
    (top / "sub" / "empty").mkdir(parents=True)
    (top / "a").write_bytes(b"x" * 1000)
    (top / "sub" / "nothing").touch()
    (top / "sub" / "run").write_text("#!/bin/sh\n")
    (top / "sub" / "run").chmod(0o750)
    (top / "sub" / "up").symlink_to("../a")
    (top / ("ü" * 60)).write_text("a long name")
    return top


def packed(top: Path, target: int = -1) -> Packed:
    directory = Beneath(str(top))
    try:
        return pack(directory, "", target, str(top))
    finally:
        directory.close()


def unpacked(archive: int, to: Path) -> Path:
    to.mkdir()
    directory = Beneath(str(to))
    try:
        unpack(archive, directory, durable=True)
    finally:
        directory.close()
    return to


def what_is_in(top: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            content = (
                os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            )
            found[str(path.relative_to(top))] = mode, content
    return found


def test_what_is_packed_comes_out_again(tmp_path: Path) -> None:
    top = make_tree(tmp_path / "in")
    with tempfile.TemporaryFile() as file:
        made = packed(top, file.fileno())
        assert os.fstat(file.fileno()).st_size == made.size_bytes
        again = unpacked(file.fileno(), tmp_path / "out")
    assert what_is_in(top) == what_is_in(again)
    assert made.sha256 == packed(again).sha256


def test_a_directory_that_may_not_be_written_comes_out_with_all_that_is_in_it(tmp_path: Path) -> None:
    top = make_tree(tmp_path / "in")
    for folder in (top / "sub" / "empty", top / "sub", top):
        folder.chmod(0o555)
    with tempfile.TemporaryFile() as file:
        made = packed(top, file.fileno())
        again = unpacked(file.fileno(), tmp_path / "out")
    assert what_is_in(top) == what_is_in(again)
    assert made.sha256 == packed(again).sha256
    assert remove_tree(str(again)) == 8


def test_the_checksum_is_of_names_modes_and_contents_not_of_times(tmp_path: Path) -> None:
    one, other = make_tree(tmp_path / "one"), make_tree(tmp_path / "other")
    os.utime(other / "a", (1, 1))
    assert packed(one).sha256 == packed(other).sha256
    (other / "sub" / "run").chmod(0o640)
    assert packed(one).sha256 != packed(other).sha256


def test_any_tar_reads_it(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as file:
        packed(make_tree(tmp_path / "in"), file.fileno())
        file.seek(0)
        names = tarfile.open(fileobj=file).getnames()
    assert [".", "a", "sub", "ü" * 60, "sub/empty", "sub/nothing", "sub/run", "sub/up"] == names


@pytest.mark.parametrize(
    ("target", "out"),
    [
        ("a", False),
        ("../a", False),
        ("./../a/b", False),
        ("../../a", True),
        ("/etc/passwd", True),
        ("x/../../a", True),
        ("x/..", True),
        ("", True),
    ],
)
def test_a_link_may_lead_only_into_the_tree(target: str, out: bool) -> None:
    assert leads_out("sub/link", target) is out


def test_a_link_out_of_the_tree_is_refused_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    top = make_tree(tmp_path / "in")
    (top / "sub" / "bad").symlink_to(tmp_path / "secret")
    with pytest.raises(TransferRefused, match="has a symbolic link out of it: 'sub/bad' leads to"):
        packed(top)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    top = make_tree(tmp_path / "in")
    os.mkfifo(top / "fifo")
    with pytest.raises(TransferRefused, match="has something that is no file: 'fifo'"):
        packed(top)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "bad",
    [
        [entry("../x")],
        [entry("/tmp/x")],
        [entry("l", tarfile.SYMTYPE, "/tmp")],
        [entry("l", tarfile.LNKTYPE, "a")],
        [entry("dev", tarfile.CHRTYPE)],
    ],
)
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, bad: list[tarfile.TarInfo]) -> None:
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for one in bad:
                archive.addfile(one, io.BytesIO())
        file.flush()
        with pytest.raises(TransferRefused, match="not allowed"):
            unpacked(file.fileno(), tmp_path / "out")
    assert [] == os.listdir(tmp_path / "out")


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(entry("here", tarfile.DIRTYPE))
            archive.addfile(entry("link", tarfile.SYMTYPE, "here"))
            archive.addfile(entry("link/x"), io.BytesIO())
        file.flush()
        with pytest.raises(NotADirectoryError):
            unpacked(file.fileno(), tmp_path / "out")
    assert [] == os.listdir(tmp_path / "out" / "here")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"text" * 300)
        file.flush()
        with pytest.raises(TransferRefused, match="should be a packed directory is none"):
            unpacked(file.fileno(), tmp_path / "out")
