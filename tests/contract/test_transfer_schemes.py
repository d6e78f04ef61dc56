"""The contract of every transfer scheme, as far as each supports it."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from markab.errors import ChecksumMismatch, TransferRefused
from markab.transfers.base import Cancelled, FileRequest, Moved, Scheme, handler_for

DATA = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class World:
    """A scheme, and a place of its own in which it is tested."""

    scheme: Scheme
    url: Callable[[str], str]
    root: Path
    can_write: bool


@pytest.fixture(params=["path", "file", "http"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    root = tmp_path / "far"
    root.mkdir()
    if request.param == "path":
        yield World(handler_for("/x"), lambda name: str(root / name), root, True)
    elif request.param == "file":
        yield World(handler_for("file:///x"), lambda name: f"file://{root}/{name}", root, True)
    else:

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: object) -> None:
                super().__init__(*args, directory=str(root))  # type: ignore[arg-type]

            def log_message(self, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        yield World(handler_for(base), lambda name: f"{base}/{name}", root, False)
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("size", [0, 1, 65536, len(DATA)])
def test_get_brings_every_byte_and_the_checksum(world: World, tmp_path: Path, size: int) -> None:
    (world.root / "a").write_bytes(DATA[:size])

    moved = world.scheme.get(world.url("a"), str(tmp_path / "new" / "dir" / "a"))

    assert (tmp_path / "new" / "dir" / "a").read_bytes() == DATA[:size]
    assert (moved.size_bytes, moved.sha256) == (size, hashlib.sha256(DATA[:size]).hexdigest())
    assert os.listdir(tmp_path / "new" / "dir") == ["a"]


def test_get_of_a_missing_file_is_refused_and_names_both_ends(world: World, tmp_path: Path) -> None:
    with pytest.raises(TransferRefused, match="none") as caught:
        world.scheme.get(world.url("none"), str(tmp_path / "a"))

    assert caught.value.hint
    assert not (tmp_path / "a").exists()


def test_get_with_another_checksum_leaves_the_destination_as_it_was(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(DATA)
    (tmp_path / "a").write_text("old")

    with pytest.raises(ChecksumMismatch) as caught:
        world.scheme.get(world.url("a"), str(tmp_path / "a"), sha256="0" * 64)

    assert hashlib.sha256(DATA).hexdigest() in str(caught.value) and "0" * 64 in str(caught.value)
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a", "far"]


def test_get_replaces_what_was_there(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(b"new")
    (tmp_path / "a").write_text("a longer old text")

    world.scheme.get(world.url("a"), str(tmp_path / "a"))

    assert (tmp_path / "a").read_bytes() == b"new"


def test_get_can_add_the_x_bit(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(b"#!/bin/sh\n")

    world.scheme.get(world.url("a"), str(tmp_path / "a"), executable=True)

    assert os.access(tmp_path / "a", os.X_OK)


def test_get_into_a_directory_is_refused(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(b"x")
    (tmp_path / "a").mkdir()

    with pytest.raises(TransferRefused, match="directory"):
        world.scheme.get(world.url("a"), str(tmp_path / "a"))


def test_a_transfer_that_is_stopped_before_it_starts_does_nothing(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(b"x")
    stop = threading.Event()
    stop.set()

    with pytest.raises(Cancelled):
        world.scheme.get(world.url("a"), str(tmp_path / "a"), stop=stop)

    assert os.listdir(tmp_path) == ["far"]


def test_names_with_blanks_and_other_letters_arrive(world: World, tmp_path: Path) -> None:
    (world.root / "größe 1+1.txt").write_bytes(b"x")

    world.scheme.get(world.url("größe 1+1.txt"), str(tmp_path / "a"))

    assert (tmp_path / "a").read_bytes() == b"x"


def test_put_mkdir_and_remove_work_or_are_refused_by_name(world: World, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    if not world.can_write:
        for action in (
            lambda: world.scheme.put(str(tmp_path / "a"), world.url("a")),
            lambda: world.scheme.mkdir(world.url("d")),
            lambda: world.scheme.remove(world.url("a")),
        ):
            with pytest.raises(TransferRefused, match="http URLs do not allow"):
                action()
        return

    world.scheme.mkdir(world.url("d/e"))
    world.scheme.mkdir(world.url("d/e"))
    world.scheme.put(str(tmp_path / "a"), world.url("d/e/a"))
    assert (world.root / "d/e/a").read_bytes() == DATA

    assert world.scheme.remove(world.url("d"), recursive=True, last="e") == 3
    assert world.scheme.remove(world.url("d"), recursive=True) == 0
    assert os.listdir(world.root) == []


def test_put_checks_the_checksum_it_is_given(world: World, tmp_path: Path) -> None:
    if not world.can_write:
        return
    (tmp_path / "a").write_bytes(DATA)

    with pytest.raises(ChecksumMismatch):
        world.scheme.put(str(tmp_path / "a"), world.url("a"), sha256="0" * 64)

    assert os.listdir(world.root) == []


def test_a_batch_reports_the_result_of_each_file(world: World, tmp_path: Path) -> None:
    (world.root / "a").write_bytes(b"x")
    asked = [FileRequest(world.url(name), str(tmp_path / name)) for name in ("a", "none")]

    arrived, refused = world.scheme.get_many(asked)

    assert isinstance(arrived, Moved) and (tmp_path / "a").read_bytes() == b"x"
    assert isinstance(refused, TransferRefused)
    if world.can_write:
        asked = [FileRequest(world.url("new/" + name), str(tmp_path / name)) for name in ("a", "none")]
        arrived, refused = world.scheme.put_many(asked)
        assert isinstance(arrived, Moved) and (world.root / "new/a").read_bytes() == b"x"
        assert isinstance(refused, TransferRefused)


def test_a_file_exists_or_not_or_that_is_unknown(world: World) -> None:
    (world.root / "a").write_bytes(b"x")
    asked = [("a", None), ("a", 1), ("a", 2), ("none", None)]
    answers = [world.scheme.exists(world.url(name), size) for name, size in asked]

    assert answers in ([True, True, False, False], [None] * 4)


def test_cleaning_removes_files_below_a_directory_and_nothing_outside(world: World) -> None:
    if not world.can_write:
        return
    for name in ("top/d/a 1%", "top/b", "outside"):
        (world.root / name).parent.mkdir(parents=True, exist_ok=True)
        (world.root / name).write_bytes(b"x")

    removed, errors = world.scheme.clean(world.url("top"), ["d/a 1%", "gone", "no/such", "../outside"])

    assert removed == 1 and len(errors) == 1 and "outside" in str(errors[0])
    assert not (world.root / "top/d/a 1%").exists()
    assert (world.root / "top/b").exists() and (world.root / "outside").exists()
