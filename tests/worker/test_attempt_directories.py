"""Directories of attempts, used again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from markab.worker.attempt_directories import AttemptDirectories


def test_a_directory_is_taken_over_empty(tmp_path: Path) -> None:
    directories = AttemptDirectories()
    directories.make(str(tmp_path / "a"))
    (tmp_path / "a/file").write_text("x")
    inode = (tmp_path / "a").stat().st_ino
    directories.empty(str(tmp_path / "a"))
    directories.make(str(tmp_path / "b"))

    assert os.listdir(tmp_path) == ["b"] and os.listdir(tmp_path / "b") == []
    assert (tmp_path / "b").stat().st_ino == inode


def test_one_that_the_task_changed_or_filled_with_directories_is_not(tmp_path: Path) -> None:
    directories = AttemptDirectories()
    for name in ("a", "b"):
        directories.make(str(tmp_path / name))
    (tmp_path / "a").chmod(0o777)
    (tmp_path / "b/deep/er").mkdir(parents=True)
    for name in ("a", "b"):
        directories.empty(str(tmp_path / name))

    assert os.listdir(tmp_path) == []


def test_what_was_there_before_is_gone(tmp_path: Path) -> None:
    directories = AttemptDirectories()
    directories.make(str(tmp_path / "spare"))
    directories.empty(str(tmp_path / "spare"))
    (tmp_path / "a/old").mkdir(parents=True)
    directories.make(str(tmp_path / "a"))

    assert os.listdir(tmp_path / "a") == []


def test_closing_leaves_none(tmp_path: Path) -> None:
    directories = AttemptDirectories()
    for name in ("new/a", "new/b"):
        directories.make(str(tmp_path / name))
    for name in ("new/a", "new/b"):
        directories.empty(str(tmp_path / name))
    directories.close()

    assert os.listdir(tmp_path / "new") == []


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
