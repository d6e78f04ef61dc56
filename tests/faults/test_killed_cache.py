"""Two processes fill and prune one index and one store, and are killed at any moment: nothing is lost or half there."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from faults.cache_user import BUDGET, ENTRIES, entries_of
from markab.reuse.content_store import ContentStore
from markab.reuse.result_index import open_index

TESTS = Path(__file__).parents[1]


def start(directory: Path, seed: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"}
    command = [sys.executable, "-m", "faults.cache_user", str(directory), str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def recorded_until_killed(directory: Path, chance: Random) -> set[str]:
    """Let two processes work, and kill each after it has said something; return the runs that were said to be recorded."""
    processes = [start(directory, chance.randrange(10**9)) for _ in range(2)]
    said = set()
    for process in processes:
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            said.add(process.stdout.readline().strip())
        for _ in range(chance.randrange(200_000)):  # so that it is somewhere else each time
            pass
        process.kill()
        said |= set(process.communicate()[0].split("\n"))
    return said - {""}


def check(directory: Path, runs: set[str]) -> None:
    assert [("ok",)] == sqlite3.connect(directory / "results.db").execute("PRAGMA integrity_check").fetchall()
    store = ContentStore(str(directory / "store"))
    with open_index(str(directory / "results.db"), create=True) as index:
        for run in runs:
            entries = {entry.key: entry for entry in entries_of(run)}
            assert entries == index.find(list(entries))
            places = index.places(entry.made[0].sha256 for entry in entries.values())
            assert ENTRIES // 2 <= len(places)  # those that were removed may be forgotten
        for uuid, _, _ in index.unrecorded():
            assert {} == index.find([entry.key for entry in entries_of(uuid)])
        assert not index.warnings
    for one in store.contents():
        assert one.sha256 == hashlib.sha256(Path(one.path).read_bytes()).hexdigest()
    assert store.prune(BUDGET).left_bytes <= BUDGET


def killed_rounds(directory: Path, chance: Random, rounds: int) -> None:
    runs: set[str] = set()
    for _ in range(rounds):
        runs |= recorded_until_killed(directory, chance)
        assert not any(run.startswith("warning") for run in runs), runs
        check(directory, runs)
    assert runs


def test_processes_that_are_killed_lose_nothing_that_was_recorded(tmp_path: Path) -> None:
    killed_rounds(tmp_path, Random(7), 2)


@pytest.mark.faults
def test_processes_that_are_killed_very_often_lose_nothing_that_was_recorded(tmp_path: Path) -> None:
    killed_rounds(tmp_path, Random(8), 40)
