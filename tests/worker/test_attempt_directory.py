"""The directory of an attempt: new for each, and removed whatever a task made of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from markab.worker.attempt_directory import make_directory, remove_directory


def test_a_directory_is_new_whatever_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "work/a/old").mkdir(parents=True)
    (tmp_path / "work/b").symlink_to(tmp_path)
    for name in ("a", "b", "c"):
        make_directory(str(tmp_path / "work" / name)).close()

    assert [os.listdir(tmp_path / "work" / name) for name in ("a", "b", "c")] == [[], [], []]


def test_it_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "work/a"
    directory = make_directory(str(path))
    (path / "deep/er").mkdir(parents=True)
    (path / "file").touch()
    remove_directory(directory, str(path))

    assert os.listdir(tmp_path / "work") == []


def by_link(path: Path, precious: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to(precious)


def by_link_after_a_move(path: Path, precious: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to(precious)


def by_fifo(path: Path, precious: Path) -> None:
    path.rmdir()
    os.mkfifo(path)


def by_file(path: Path, precious: Path) -> None:
    path.rmdir()
    path.write_text("x")


def by_nothing(path: Path, precious: Path) -> None:
    path.rmdir()


@pytest.mark.parametrize("replace", [by_link, by_link_after_a_move, by_fifo, by_file, by_nothing])
def test_a_task_that_replaces_it_makes_markab_remove_no_other_files(tmp_path: Path, replace: object) -> None:
    precious, path = tmp_path / "precious", tmp_path / "work/a"
    precious.mkdir()
    (precious / "file").write_text("x")
    directory = make_directory(str(path))
    assert callable(replace)
    replace(path, precious)
    remove_directory(directory, str(path))

    assert os.listdir(precious) == ["file"] and not os.path.lexists(path)


LOCK_AND_REMOVE = """
import os, sys
from markab.transfers.local_directory import remove
from markab.worker.attempt_directory import discard_tree
path = sys.argv[1]
os.makedirs(path + "/a/b/c/d")
for name in ("a/file", "a/b/file", "a/b/c/file"):
    open(path + "/" + name, "w").close()
for name, mode in (("a/b/c/d", 0), ("a/b/c", 0o500), ("a/b", 0o500), ("a", 0)):
    os.chmod(path + "/" + name, mode)
assert sys.argv[2] == "attempt" or remove(path, recursive=True) == 8
discard_tree(path)
"""


@pytest.mark.parametrize("what", ["attempt", "scratch"])
def test_directories_that_a_task_locked_can_be_removed(tmp_path: Path, what: str) -> None:
    """As package managers do, whose caches are read-only."""
    words = [sys.executable, "-c", LOCK_AND_REMOVE, str(tmp_path / "tree"), what]
    if os.geteuid() == 0:  # permissions do not bind root
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("there is no `setpriv` to give up root's rights with")
        words = [setpriv, "--bounding-set=-dac_override,-dac_read_search", "--", *words]

    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})

    assert os.listdir(tmp_path) == []
