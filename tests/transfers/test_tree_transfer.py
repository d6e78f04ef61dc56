"""Directories on their way: staged in as one file, delivered as a directory that is complete or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from markab.errors import ChecksumMismatch, MarkabError
from markab.transfers.batch import move_all
from markab.transfers.checksum import Verified
from markab.transfers.tree_transfer import checksum_of_tree, deliver_tree, stage_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a").write_text("alpha")
    (tmp_path / "in" / "sub" / "b").write_text("beta")
    return tmp_path / "in"


def files(top: Path) -> dict[str, str]:
    return {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}


def moved(lfn: str, source: Path, destination: Path, **keys: Any) -> dict[str, Any]:
    places = [[{"site": "local", "url": str(path)}] for path in (source, destination)]
    item = {"lfn": lfn, "sources": places[0], "destinations": places[1], **keys}
    (result,) = move_all([item], 1, 1, None, True, Verified())
    return result


def test_a_directory_is_staged_in_as_one_file_and_delivered_as_a_directory(
    tmp_path: Path, tree: Path
) -> None:
    staged = tmp_path / "scratch" / "in.markab-tree"
    first = moved("in.markab-tree", tree, staged, link=True)
    second = moved("in.markab-tree", staged, tmp_path / "out" / "in", sha256=first["sha256"])

    assert staged.is_file() and not staged.is_symlink()
    assert first["sha256"] == second["sha256"] == checksum_of_tree(str(tree))
    assert first["bytes"] == staged.stat().st_size
    assert files(tree) == files(tmp_path / "out" / "in")
    assert ["in"] == os.listdir(tmp_path / "out")
    assert files(tree) == files(Path(tmp_path / "out" / "in"))


def test_a_directory_is_copied_to_a_place_of_delivery_directly(tmp_path: Path, tree: Path) -> None:
    assert "error" not in moved("in.markab-tree", tree, tmp_path / "copy")
    assert files(tree) == files(tmp_path / "copy")


def test_a_directory_with_another_checksum_is_neither_staged_nor_delivered(
    tmp_path: Path, tree: Path
) -> None:
    with pytest.raises(ChecksumMismatch):
        stage_tree(str(tree), str(tmp_path / "x.markab-tree"), sha256="0" * 64)
    with pytest.raises(ChecksumMismatch):
        deliver_tree(str(tree), str(tmp_path / "out"), sha256="0" * 64)
    assert ["in"] == os.listdir(tmp_path)


def test_what_a_delivered_directory_replaces_is_kept_unless_it_is_the_same(
    tmp_path: Path, tree: Path
) -> None:
    out = tmp_path / "out"
    deliver_tree(str(tree), str(out))
    assert deliver_tree(str(tree), str(out)).link == "same"
    assert {"in", "out"} == set(os.listdir(tmp_path))
    (out / "mine").write_text("a file of the user's")

    deliver_tree(str(tree), str(out))

    assert files(tree) == files(out)
    assert "a file of the user's" == (tmp_path / "out.replaced-1" / "mine").read_text()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_directory_replaces_neither_a_file_nor_a_link(tmp_path: Path, tree: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to("elsewhere")
    with pytest.raises(MarkabError, match="something else has that name"):
        deliver_tree(str(tree), str(out))
    assert (out.is_file() and "mine" == out.read_text()) or [] == os.listdir(tmp_path / "elsewhere")


def test_a_delivery_that_fails_anywhere_leaves_nothing_and_the_next_succeeds(
    tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    calls = 0
    real = {name: getattr(os, name) for name in ("mkdir", "rename", "fchmod", "write")}

    def counted(name: str) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(5, "Input/output error")
            return real[name](*args, **named)

        return call

    failures = failing = 0
    for number in range(1, 40):
        failing, calls = number, 0
        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, counted(name))
            try:
                deliver_tree(str(tree), str(out))
            except MarkabError:
                failures += 1
                assert not out.exists()
                assert ["in"] == os.listdir(tmp_path)
                continue
        break
    assert failures > 5
    assert files(tree) == files(out)


def test_what_a_killed_delivery_left_is_used_again(tmp_path: Path, tree: Path) -> None:
    left = tmp_path / ".out.part-tree-0"
    left.mkdir()
    (left / "half").write_text("of it")
    deliver_tree(str(tree), str(tmp_path / "out"))
    assert files(tree) == files(tmp_path / "out")
    assert {"in", "out"} == set(os.listdir(tmp_path))


def test_an_empty_read_only_directory_that_a_killed_delivery_left_is_used_again(
    tmp_path: Path, tree: Path
) -> None:
    left = tmp_path / ".out.part-tree-0"
    left.mkdir(mode=0o555)
    deliver_tree(str(tree), str(tmp_path / "out"))
    assert files(tree) == files(tmp_path / "out")
    assert {"in", "out"} == set(os.listdir(tmp_path))
