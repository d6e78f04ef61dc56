"""Valid documents, changed at random, for every reader of something from outside.

The promise: a reader returns or raises MarkabError, in a time that is bounded by the size of what it reads.
Inputs that broke it stand in `found/`, a folder for each reader, and are read in every session.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random

import pytest

from faults.figures import FIGURES
from faults.readers import Reader, make_readers
from markab.errors import MarkabError, _Problems

FOUND = Path(__file__).parent / "found"
READERS = (
    "workflow (JSON)", "workflow (YAML)", "sites (JSON)", "sites (YAML)", "replicas (JSON)", "replicas (YAML)",
    "transformations (JSON)", "transformations (YAML)", "workflow (DAX)", "planning", "workflow (builders)", "replicas (text)",
    "replicas (SQLite)", "properties", "profiles", "options", "arguments", "pegasus-transfer", "pegasus-transfer (text)",
    "spec of an attempt", "record from a node", "credentials", "passwords", "braindump", "status.json",
    "run: plan.jsonl", "run: journal.jsonl", "run: braindump.yml", "run: status.json", "run: jobstate.log", "run: lock",
)  # fmt: skip
HANGS_AFTER_S = 60
SHORT, SHORT_OF_RUNS = 40, 4
"""How many changed documents of a sort are in the short form."""
MOST_S, MOST_S_PER_MB = 5.0, 60.0
"""Processor time that a reader may take."""
LONGEST_MESSAGE = 4000


@cache
def readers() -> dict[str, Reader]:
    found = make_readers()
    assert set(found) == set(READERS)
    return found


@contextmanager
def alarm() -> Iterator[None]:
    """Raise TimeoutError in what runs too long."""

    def too_late(*_: object) -> None:
        raise TimeoutError("the reader hangs")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(reader: Reader, data: bytes, directory: Path) -> str:
    """Read, and return what became of it. Anything but a value or a MarkabError is raised."""
    directory.mkdir()
    began_s = time.process_time()
    outcome = "read"
    with alarm():
        try:
            reader.read(data, directory)
        except MarkabError as error:
            outcome = "refused"
            for problem in error.problems if isinstance(error, _Problems) else [error]:
                assert 0 < len(str(problem)) < LONGEST_MESSAGE, f"a message of {len(str(problem))} characters"
    took_s = time.process_time() - began_s
    assert took_s < MOST_S + MOST_S_PER_MB * len(data) / 1e6, f"{took_s:.1f} s for {len(data)} bytes"
    return outcome


def changed(reader: Reader, chance: Random) -> bytes:
    return reader.mutate(chance, chance.choice(reader.seeds), list(reader.seeds))


@pytest.mark.parametrize("name", READERS)
def test_what_is_changed_is_read_from_something_valid(name: str, tmp_path: Path) -> None:
    for number, seed in enumerate(readers()[name].seeds):
        assert check(readers()[name], seed, tmp_path / f"{number}") == "read"


@pytest.mark.parametrize("name", READERS)
def test_changed_documents_are_read_or_refused(name: str, tmp_path: Path, chance: Random) -> None:
    for number in range(SHORT_OF_RUNS if name.startswith("run:") or name == "planning" else SHORT):
        check(readers()[name], changed(readers()[name], chance), tmp_path / f"{number}")


@pytest.mark.parametrize(
    "path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_once_broke_a_reader_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    name = next(name for name in READERS if folder_of(name) == path.parent.name)
    check(readers()[name], path.read_bytes(), tmp_path / "x")


def folder_of(name: str) -> str:
    """Return the folder in `found/` for a reader."""
    return "".join(c if c.isalnum() else "-" for c in name).strip("-").replace("--", "-")


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_documents_changed_for_a_long_time_are_read_or_refused(
    name: str, tmp_path: Path, chance: Random, fuzz_s: float
) -> None:
    import shutil

    end_s, reader = time.monotonic() + fuzz_s, readers()[name]
    while time.monotonic() < end_s:
        data = changed(reader, chance)
        (tmp_path / "last").write_bytes(data)  # what is to be kept, if this fails
        FIGURES["changed documents"][f"{name}: {check(reader, data, tmp_path / 'x')}"] += 1
        shutil.rmtree(tmp_path / "x")
