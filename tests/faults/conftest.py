"""Faults of every kind, on purpose: random kills, jobs that misbehave, disks that fill, documents that attack.

    make test                      a short form of each, with a fixed seed: seconds
    make faults                    all of it: half an hour on two quiet cores
    make faults ARGS='--seed 7'    other moments, other inputs
    make faults ARGS='--kills 2000 -k kills'

What runs is real: `markab` in processes of its own, real files, real kills. Faults at the n-th I/O call of
a process come from `faulty_io/`, which is put on its PYTHONPATH. After each fault the run is continued as a
user would, and `victim.py` compares everything that can be compared with an undisturbed run. The figures at
the end stand in `docs/explanation/safety.md`.

| file | what |
|---|---|
| `victim.py` | a small workflow, run and killed, and all that must be true of it at the end |
| `test_kills.py` | SIGKILL of engine, launcher, follower, planner, worker, task |
| `test_full_disks.py` | no room, or no more files, at each I/O call and for each directory |
| `test_hostile_jobs.py` | jobs that do to their surroundings what they can |
| `test_hostile_documents.py` | documents written to break their reader |
| `test_fuzzed_readers.py` | valid documents, changed at random, for every reader |
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Generator
from random import Random
from typing import Any

import pytest

from faults.figures import FIGURES


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("faults")
    options.addoption("--seed", type=int, default=1, help="of every choice that is made at random")
    options.addoption("--kills", type=int, default=400, help="how many kills at random moments")
    options.addoption("--fuzz-s", type=float, default=20.0, help="how many seconds each reader is fuzzed")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Return a source of random numbers; a test gets the same ones whichever other tests run."""
    return Random(f"{request.config.getoption('--seed', 1)} {request.node.name}")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills", 400))


@pytest.fixture
def fuzz_s(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--fuzz-s", 20.0))


TOTAL: defaultdict[str, Counter[str]] = defaultdict(Counter)
"""The figures of all tests that have ended; so they are printed too if the call is interrupted."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Let the report of a test carry its figures, also from another process of pytest-xdist."""
    outcome = yield
    if call.when == "call":
        counted = {subject: dict(counts) for subject, counts in FIGURES.items()}
        outcome.get_result().user_properties.append(("faults", counted))
        FIGURES.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add the figures of a test; not in a process of pytest-xdist, whose reports come here once more."""
    if report.when == "call" and "PYTEST_XDIST_WORKER" not in os.environ:
        for subject, counts in dict(report.user_properties).get("faults", {}).items():
            TOTAL[subject].update(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TOTAL:
        terminalreporter.section("faults")
        for subject, counts in TOTAL.items():
            total = sum(counts.values())
            terminalreporter.line(f"{subject}: {total}")
            for what, count in sorted(counts.items()):
                terminalreporter.line(f"    {what}: {count}")
