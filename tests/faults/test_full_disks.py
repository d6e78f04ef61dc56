"""No room, or no room for another file: at each I/O call of the engine, and really, for each directory of a run.

What is said names the cause; once there is room, `markab run` continues, and the results are right.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from faults.figures import FIGURES
from faults.victim import DATA, Victim, check_text, snapshot
from kit.mounts import mounted
from kit.waiting import wait_until

SHORT = 2
CAUSES = {"full": ("No space left", "no room"), "broken": ("Input/output error",)}
PATIENCE_S = 4.0
"""How long a run may wait for room, until there is some."""
BALLAST = "ballast"


def strike(directory: Path, number: int, at: int, action: str) -> bool:
    """Run with a disk that is full from the n-th call on, or once gives an error; then run again. Return whether it struck."""
    victim = Victim(directory / f"{number}", DATA[number % len(DATA)])
    victim.plan_here()
    code, text = victim.run(fault="engine", at=at, action=action)
    struck = victim.struck
    assert code == 0 or any(cause in text for cause in CAUSES[action]), (code, text)
    subject = (
        "every call of the engine fails from some call on: no room"
        if action == "full"
        else "one call fails: EIO"
    )
    if struck:
        FIGURES[subject][f"{struck}: {'went on' if code == 0 else 'stopped, and said why'}"] += 1
    # Also if it went on to its end: its status file may be the one that could not be written.
    code, text = victim.run()
    assert code == 0, text
    victim.check_complete()
    return bool(struck)


@pytest.mark.parametrize("action", CAUSES)
def test_after_a_fault_of_the_disk_at_some_io_calls_the_run_goes_on(
    tmp_path: Path, action: str, chance: Random
) -> None:
    for number in range(SHORT):
        strike(tmp_path, number, int(chance.expovariate(1 / 60)) + 1, action)


@pytest.mark.faults
@pytest.mark.parametrize("action", CAUSES)
def test_after_a_fault_of_the_disk_at_each_io_call_the_run_goes_on(tmp_path: Path, action: str) -> None:
    for at in range(1, 1000):
        if not strike(tmp_path, at, at, action):
            break
    assert at > 10, "it never struck"


def test_planning_on_a_full_disk_says_so_and_leaves_no_run(tmp_path: Path, chance: Random) -> None:
    for number in range(SHORT):
        plan_without_room(tmp_path, number, chance.randint(1, 15))


@pytest.mark.faults
def test_planning_on_a_disk_that_is_full_from_each_io_call_on_leaves_no_run(tmp_path: Path) -> None:
    at = 1
    while plan_without_room(tmp_path, at, at):
        at += 1
    assert at > 5, "it never struck"


def plan_without_room(directory: Path, number: int, at: int) -> bool:
    victim = Victim(directory / f"{number}", DATA[number % len(DATA)])
    words = ("plan", "--dir", victim.submit, "-s", "local", "-o", "local", victim.workflow)
    code, text = victim.call(*words, fault="planner", at=at, action="full")
    struck = victim.struck
    if code:
        assert code == 13 and "No space left" in text, (code, text)
        assert [path for path in victim.submit.rglob("*") if path.is_file()] == []
        FIGURES["planning without room"][f"{struck}: stopped, and said why"] += 1
    assert snapshot(victim.outside) == victim.before
    return bool(struck)


# -- real disks -------------------------------------------------------------------------


class Disk:
    """A mounted disk that is filled up, in bytes or in files."""

    def __init__(self, path: Path, files: bool) -> None:
        self.path, self.files = path, files
        self.ballast = path / BALLAST

    def fill(self, leave: int) -> None:
        """Let so many pages, or files, be free."""
        if self.files:
            self.ballast.mkdir()
            while os.statvfs(self.path).f_favail > leave:
                (self.ballast / f"{os.statvfs(self.path).f_favail}").touch()
            return
        with open(self.ballast, "ab", buffering=0) as file:
            while os.statvfs(self.path).f_bavail > leave:
                file.write(b"\0" * 4096)

    def make_room(self) -> None:
        if self.files:
            for path in self.ballast.iterdir():
                path.unlink()
            self.ballast.rmdir()
        else:
            self.ballast.unlink()


def run_without_room(directory: Path, place: str, data: str, files: bool, leave: int) -> str:
    """Run with little room in one directory, then with enough; return what became of the first run."""
    path = directory / place
    path.mkdir(parents=True)
    with mounted(path, "-t", "tmpfs", "-o", "size=16m,nr_inodes=400" if files else "size=16m", "small"):
        victim = Victim(directory, data)
        victim.plan_here()
        disk = Disk(path, files)
        disk.fill(leave)
        run = victim.start("run", victim.submit_dir)
        try:
            wait_until(lambda: run.poll() is not None, PATIENCE_S, every_s=0.05)
            waited = False
        except AssertionError:
            waited = True
        disk.make_room()
        with run:
            text, _ = run.communicate(timeout=120)
        check_text(text)
        if run.returncode:
            assert any(words in text for words in ("No space left", "no room", "disk is full")), text
            code, text = victim.run()
            assert code == 0, text
        victim.check_complete()
        return (
            "stopped, and said why" if run.returncode else "waited for room" if waited else "had room enough"
        )


PLACES = ("submit", "scratch", "results", "tmp")


@pytest.mark.faults
@pytest.mark.parametrize("files", [False, True], ids=["bytes", "files"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("data", DATA)
def test_a_directory_without_room_stops_the_run_until_there_is_some(
    tmp_path: Path, place: str, data: str, files: bool
) -> None:
    for leave in (0, 1, 2, 5, 20):
        what = run_without_room(tmp_path / f"{leave}", place, data, files, leave)
        FIGURES["a disk that is really full"][f"{place}, {'files' if files else 'bytes'}: {what}"] += 1
