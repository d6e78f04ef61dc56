"""What is enclosed can do no harm, and ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mutants.enclosure import Enclosure, why_none
from mutants.tree_copy import ROOT, TreeCopy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_none() is not None, reason="processes cannot be enclosed here"),
]


class SmallCopy(TreeCopy):
    """A tree with nothing in it but tests, which runs with the Python of these tests."""

    def __init__(self, folder: Path, test: str) -> None:
        self.root = folder / "tree"
        self.temporary = folder / "tmp"
        self.python = Path(sys.executable)
        (self.root / "tests/mutants").mkdir(parents=True)
        self.temporary.mkdir()
        starter = "tests/mutants/pytest_starter.py"
        (self.root / starter).write_text((ROOT / starter).read_text())
        (self.root / "test_it.py").write_text(test)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "enclosed"


def run(folder: Path, test: str, *more: str, wait_s: float = 60.0) -> list[tuple[int | None, str]]:
    """Run pytest on one test, and then on others."""
    copy = SmallCopy(folder, test)
    ended = []
    with Enclosure(folder, copy, dict(os.environ)) as enclosure:
        for text in (test, *more):
            (copy.root / "test_it.py").write_text(text)
            ended.append(enclosure.pytest(["-q", "-p", "no:cacheprovider", "test_it.py"], wait_s))
    return [(code, output) for code, output in ended]


def test_each_run_sees_the_code_as_it_is_then(folder: Path) -> None:
    good, bad = "def test_a():\n    pass\n", "def test_a():\n    assert False\n"

    assert [0, 1, 0] == [code for code, _ in run(folder, good, bad, good)]


def test_nothing_outside_the_folder_can_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious")
    test = f"""
import pathlib, pytest, tempfile

def test_a():
    with pytest.raises(OSError, match="Read-only"):
        pathlib.Path({str(tmp_path / "outside")!r}).unlink()
    pathlib.Path(tempfile.mkdtemp(), "inside").write_text("x")
    assert tempfile.gettempdir() == {str(folder / "tmp")!r}
"""
    [(code, output)] = run(folder, test)

    assert code == 0, output
    assert (tmp_path / "outside").read_text() == "precious"


def test_no_device_can_be_replaced(folder: Path) -> None:
    """Devices can be written to, so that nothing but their directory is tried, under a name of our own."""
    test = """
import os, pathlib, pytest

def test_a():
    for place in ("/dev/markab-test", "/run/markab-test"):
        with pytest.raises(OSError):
            os.mkfifo(place)
    pathlib.Path("/dev/null").write_text("gone")
    pathlib.Path("/dev/shm/markab-test").write_text("private")
"""
    [(code, output)] = run(folder, test)

    assert code == 0, output
    assert not os.path.exists("/dev/markab-test") and not os.path.exists("/dev/shm/markab-test")


def test_no_other_process_is_seen_and_what_a_test_leaves_behind_ends(folder: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"])
    leave = """
import os, subprocess

def test_a():
    left = subprocess.Popen(["sleep", "2000"], start_new_session=True)
    seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    assert seen <= {1, os.getpid(), os.getppid(), left.pid}
    os.kill(-1, 0)
"""
    look = """
import os

def test_a():
    assert [1, os.getpid()] == sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
"""
    try:
        (first, said), (second, found) = run(folder, leave, look)
        assert (first, second) == (0, 0), said + found
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_does_not_end_is_ended_and_the_next_is_run(folder: Path) -> None:
    endless = "def test_a():\n    while True:\n        pass\n"

    ended = run(folder, endless, "def test_a():\n    pass\n", wait_s=8.0)

    assert [None, 0] == [code for code, _ in ended]
