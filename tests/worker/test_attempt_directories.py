"""The directories of attempts: empty for each, and removed whatever a task made of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from markab.worker.attempt_directories import AttemptDirectories


def test_a_directory_is_new_whatever_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "work/a/old").mkdir(parents=True)
    (tmp_path / "work/b").symlink_to(tmp_path)
    for name in ("a", "b", "c"):
        AttemptDirectories().make(str(tmp_path / "work" / name)).close()

    assert [os.listdir(tmp_path / "work" / name) for name in ("a", "b", "c")] == [[], [], []]


def test_it_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "work/a"
    directories = AttemptDirectories()
    directory = directories.make(str(path))
    (path / "deep/er").mkdir(parents=True)
    (path / "file").touch()
    directories.remove(directory, str(path), reusable=False)

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


@pytest.mark.parametrize("empty", [False, True], ids=["not empty", "empty"])
@pytest.mark.parametrize("keep", [0, 64])
@pytest.mark.parametrize("replace", [by_link, by_link_after_a_move, by_fifo, by_file, by_nothing])
def test_a_task_that_replaces_it_makes_markab_remove_no_other_files(
    tmp_path: Path, replace: Callable[[Path, Path], None], keep: int, empty: bool
) -> None:
    precious, path = tmp_path / "precious", tmp_path / "work/a"
    precious.mkdir()
    (precious / "file").write_text("x")
    directories = AttemptDirectories(keep)
    directory = directories.make(str(path))
    replace(path, precious)
    directories.remove(directory, str(path), reusable=empty)

    assert os.listdir(precious) == ["file"] and not os.path.lexists(path)
    directories.make(str(path.parent / "b")).close()
    assert os.listdir(precious) == ["file"] and not (path.parent / "b").is_symlink()


def test_one_that_is_as_it_was_made_is_used_again_under_a_new_name(tmp_path: Path) -> None:
    directories = AttemptDirectories(keep=1)
    first = directories.make(str(tmp_path / "a"))
    inode = os.fstat(first.fd).st_ino
    directories.remove(first, str(tmp_path / "a"), reusable=True)
    second = directories.make(str(tmp_path / "b"))

    assert os.fstat(second.fd).st_ino == inode and os.listdir(tmp_path) == ["b"]
    directories.remove(second, str(tmp_path / "b"), reusable=False)
    assert os.listdir(tmp_path) == []


def test_one_whose_permissions_a_task_changed_is_not(tmp_path: Path) -> None:
    directories = AttemptDirectories(keep=1)
    directory = directories.make(str(tmp_path / "a"))
    (tmp_path / "a").chmod(0o777)
    directories.remove(directory, str(tmp_path / "a"), reusable=True)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("replace", [by_link, by_link_after_a_move, by_fifo, by_file, by_nothing])
def test_one_that_is_replaced_while_it_is_kept_leads_nowhere(
    tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    precious, path = tmp_path / "precious", tmp_path / "work/a"
    precious.mkdir()
    directories = AttemptDirectories(keep=1)
    directories.remove(directories.make(str(path)), str(path), reusable=True)
    replace(path, precious)
    directory = directories.make(str(path.parent / "b"))

    assert os.path.samestat(os.fstat(directory.fd), os.lstat(path.parent / "b"))
    assert os.listdir(path.parent / "b") == [] and precious.exists()


def test_closing_leaves_none(tmp_path: Path) -> None:
    directories = AttemptDirectories(keep=2)
    made = [directories.make(str(tmp_path / name)) for name in ("a", "b")]
    before = len(os.listdir("/proc/self/fd"))
    for name, directory in zip(("a", "b"), made, strict=True):
        directories.remove(directory, str(tmp_path / name), reusable=True)
    directories.close()

    assert os.listdir(tmp_path) == [] and len(os.listdir("/proc/self/fd")) == before - 2


LOCK_AND_REMOVE = """
import os, sys
from markab.transfers.local_directory import remove
from markab.worker.attempt_directories import discard_tree
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
