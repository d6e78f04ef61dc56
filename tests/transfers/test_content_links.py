from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kit.mounts import mounted
from kit.results import put, sha256
from markab.transfers.beneath import Beneath
from markab.transfers.content_links import content_path, keep_content


def kept(store: Path, digest: str) -> Path:
    return Path(content_path(str(store), digest))


def test_a_kept_content_survives_the_file(tmp_path: Path) -> None:
    digest = put(tmp_path / "fit.txt", "fit")
    store = tmp_path / "cache" / "content"

    assert keep_content(str(store), digest, str(tmp_path / "fit.txt"))
    (tmp_path / "fit.txt").unlink()

    assert store / digest[:2] / digest[2:] == kept(store, digest)
    assert "fit" == kept(store, digest).read_text()
    assert 0o700 == kept(store, digest).parent.stat().st_mode & 0o777


def test_keeping_a_content_twice_is_keeping_it_once(tmp_path: Path) -> None:
    digest = put(tmp_path / "a", "same")
    put(tmp_path / "b", "same")

    assert keep_content(str(tmp_path / "s"), digest, str(tmp_path / "a"))
    assert keep_content(str(tmp_path / "s"), digest, str(tmp_path / "b"))

    assert kept(tmp_path / "s", digest).samefile(tmp_path / "a")


def test_what_has_another_size_or_is_no_file_is_replaced(tmp_path: Path) -> None:
    digest = put(tmp_path / "fit.txt", "fit")
    place = kept(tmp_path / "s", digest)
    put(place, "truncated a long time ago")

    assert keep_content(str(tmp_path / "s"), digest, str(tmp_path / "fit.txt"))
    assert "fit" == place.read_text()

    place.unlink()
    place.symlink_to("/etc/passwd")
    assert keep_content(str(tmp_path / "s"), digest, str(tmp_path / "fit.txt"))
    assert place.samefile(tmp_path / "fit.txt") and not place.is_symlink()


@pytest.mark.parametrize("kind", ["missing", "directory", "link", "dangling", "fifo"])
def test_only_regular_files_are_kept(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result"
    put(tmp_path / "target", "x")
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind != "missing":
        path.symlink_to("target" if kind == "link" else "nowhere")

    assert not keep_content(str(tmp_path / "s"), sha256("x"), str(path))

    assert not kept(tmp_path / "s", sha256("x")).exists()


def test_a_file_below_a_directory_is_reached_without_links(tmp_path: Path) -> None:
    digest = put(tmp_path / "scratch" / "a" / "fit.txt", "fit")
    put(tmp_path / "elsewhere" / "fit.txt", "fit")
    (tmp_path / "scratch" / "b").symlink_to(tmp_path / "elsewhere")
    scratch = Beneath(str(tmp_path / "scratch"))
    try:
        assert not keep_content(str(tmp_path / "s"), digest, "b/fit.txt", scratch)
        assert not keep_content(str(tmp_path / "s"), digest, "../elsewhere/fit.txt", scratch)
        assert keep_content(str(tmp_path / "s"), digest, "a/fit.txt", scratch)
    finally:
        scratch.close()


@pytest.mark.parametrize(
    "number", [errno.EXDEV, errno.ENOSPC, errno.EDQUOT, errno.EMLINK, errno.EPERM, errno.EROFS]
)
def test_what_cannot_be_linked_is_not_kept_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    digest = put(tmp_path / "fit.txt", "fit")

    def link(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)

    assert not keep_content(str(tmp_path / "s"), digest, str(tmp_path / "fit.txt"))
    assert not kept(tmp_path / "s", digest).exists()


def test_a_file_of_another_file_system_is_not_kept(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "none"):
        digest = put(disk / "fit.txt", "fit")

        assert not keep_content(str(tmp_path / "s"), digest, str(disk / "fit.txt"))


def test_a_file_that_is_exchanged_while_it_is_linked_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put(tmp_path / "fit.txt", "fit")
    link = os.link

    def exchange(source: str, *names: str, **more: object) -> None:
        put(tmp_path / "new", "other")
        os.replace(tmp_path / "new", source)
        link(source, *names, **more)  # type: ignore[arg-type]

    (tmp_path / "s" / digest[:2]).mkdir(parents=True)
    monkeypatch.setattr(os, "link", exchange)

    assert not keep_content(str(tmp_path / "s"), digest, str(tmp_path / "fit.txt"))
    assert not kept(tmp_path / "s", digest).exists()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_that_is_no_sha256_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a sha256"):
        content_path(str(tmp_path), name)
