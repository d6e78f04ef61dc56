"""SIGKILL of every process of a run, at every I/O call and at random moments; then the run is continued.

"Continued" is what a user would do: `markab run` again, until it ends by itself. Then all of
`Victim.check_complete` must be true.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from faults.figures import FIGURES
from faults.victim import DATA, Victim, check_text
from kit.waiting import wait_until

MOMENTS = ("kill-before", "kill-half", "kill-after")
SHORT = 2
"""How many kills of a sort are in the short form."""
PARTS = 10
"""The kills at random moments, for processes of pytest-xdist to share."""


def count(victim: Victim, subject: str, moment: str) -> None:
    FIGURES[subject][moment] += 1
    FIGURES["all kills: found the state before it"][victim.phase()] += 1


def planned(directory: Path, number: int) -> Victim:
    victim = Victim(directory / f"{number}", DATA[number % len(DATA)])
    victim.plan_here()
    return victim


def kill_at(victim: Victim, process: str, at: int, moment: str) -> bool:
    """Run until the n-th I/O call of a process; return whether there was one."""
    code, text = victim.run(fault=process, at=at, action=moment)
    victim.settle()  # the follower may be struck in its last pass
    if not victim.struck:
        assert code == 0, text
        return False
    if process == "engine":
        assert code == -signal.SIGKILL
    count(victim, f"{process} killed at an I/O call", f"{victim.struck}, {moment.removeprefix('kill-')}")
    return True


def finish(victim: Victim) -> None:
    code, text = victim.run()
    assert code == 0, text
    victim.check_complete()


TYPICAL_CALLS = {"engine": 60, "follower": 6}
"""How many I/O calls are half of those of a process."""


def steps(chance: Random, process: str, most: int) -> Iterator[tuple[int, int, str]]:
    """Yield numbers of kills, I/O calls and moments: so many."""
    for number in range(most):
        yield number, int(chance.expovariate(1 / TYPICAL_CALLS[process])) + 1, chance.choice(MOMENTS)


def test_an_undisturbed_run_passes_all_checks(tmp_path: Path) -> None:
    victim = planned(tmp_path, 0)
    finish(victim)


@pytest.mark.parametrize("process", ["engine", "follower"])
def test_a_run_goes_on_after_a_kill_at_some_io_calls(tmp_path: Path, process: str, chance: Random) -> None:
    for number, at, moment in steps(chance, process, SHORT):
        victim = planned(tmp_path, number)
        kill_at(victim, process, at, moment)
        finish(victim)


@pytest.mark.faults
@pytest.mark.parametrize("process", ["engine", "follower"])
def test_a_run_goes_on_after_a_kill_at_each_io_call(tmp_path: Path, process: str) -> None:
    at, beyond, struck = 0, 0, 0
    while beyond < len(DATA):  # how many calls there are depends on how the data move
        at += 1
        victim = planned(tmp_path, at)
        is_struck = kill_at(victim, process, at, MOMENTS[at // len(DATA) % len(MOMENTS)])
        struck, beyond = struck + is_struck, 0 if is_struck else beyond + 1
        finish(victim)
    assert struck > 3, "it was hardly ever struck"


@pytest.mark.faults
def test_a_run_goes_on_after_a_second_kill_while_it_recovers(
    tmp_path: Path, kills: int, chance: Random
) -> None:
    for number, at, moment in steps(chance, "engine", kills // 4):
        victim = planned(tmp_path, number)
        if kill_at(victim, "engine", at, moment):
            kill_at(victim, "engine", int(chance.expovariate(1 / 30)) + 1, moment)
        finish(victim)


def killed_planner(victim: Victim, at: int, moment: str) -> bool:
    """Plan until the n-th I/O call, then plan again and run that; what is half-made is no run."""
    words = ("plan", "--dir", victim.submit, "-s", "local", "-o", "local", victim.workflow)
    option = f"-Dpegasus.data.configuration={victim.data}"
    victim.call(*words, option, fault="planner", at=at, action=moment)
    if struck := victim.struck:
        FIGURES["planner killed at an I/O call"][f"{struck}, {moment.removeprefix('kill-')}"] += 1
        for plan_file in victim.submit.rglob("plan.jsonl"):
            assert plan_file.read_bytes().count(b"\n") > 1, "a part of a plan"
        for directory in victim.submit.rglob("run0001"):
            if not (directory / "plan.jsonl").exists():
                code, text = victim.call("run", directory)
                assert code in (10, 11, 12, 13), text
    victim.plan_here()
    return bool(struck)


def test_planning_is_killed_at_some_io_calls_and_can_be_done_again(tmp_path: Path, chance: Random) -> None:
    for number in range(SHORT):
        victim = Victim(tmp_path / f"{number}", DATA[number])
        killed_planner(victim, chance.randint(1, 20), chance.choice(MOMENTS))
        finish(victim)


@pytest.mark.faults
def test_planning_is_killed_at_each_io_call_and_can_be_done_again(tmp_path: Path) -> None:
    for moment in MOMENTS:
        for at in range(1, 1000):
            victim = Victim(tmp_path / moment / f"{at}", DATA[at % len(DATA)])
            struck = killed_planner(victim, at, moment)
            finish(victim)
            if not struck:
                break
        assert at > 5, "it was never struck"


def choose(victim: Victim, engine: int, chance: Random) -> tuple[str, list[int]]:
    """Choose whom to kill, of all that descends from the engine; the name, and the processes."""
    kinds: dict[str, list[int]] = {"engine": [engine]}
    for pid, line in victim.processes().items():
        name = "launcher" if "executors.launcher" in line else "follower" if "follower" in line else ""
        if pid != engine:
            kinds.setdefault(name or "task", []).append(pid)
    name = chance.choice([*sorted(kinds), "all at once"])
    return name, [pid for pids in kinds.values() for pid in pids] if name == "all at once" else kinds[name]


def kill_something(victim: Victim, chance: Random) -> None:
    """Start the engine, and kill one of its processes, or all, at a random moment; it may be too late."""
    engine = victim.start("run", victim.submit_dir)
    wanted = len(victim.records()) + int(chance.expovariate(1 / 5))
    wait_until(lambda: len(victim.records()) >= wanted or engine.poll() is not None, every_s=0.002)
    name, pids = choose(victim, engine.pid, chance)
    if engine.poll() is None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        count(victim, "killed at a random moment", name)
    with engine:
        text, _ = engine.communicate(timeout=120)
    check_text(text)
    assert engine.returncode in (0, -signal.SIGKILL), text
    victim.settle()


def random_kills(directory: Path, number: int, chance: Random) -> None:
    """Kill so often; a run gets one to four kills, and is then finished."""
    subject = FIGURES["killed at a random moment"]
    goal, runs = subject.total() + number, 0
    while subject.total() < goal:
        victim = planned(directory, runs)
        for _ in range(chance.randint(1, 4)):
            kill_something(victim, chance)
        finish(victim)
        runs += 1


def test_whichever_process_is_killed_at_a_random_moment_the_run_goes_on(
    tmp_path: Path, chance: Random
) -> None:
    random_kills(tmp_path, SHORT, chance)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
def test_whichever_process_is_killed_hundreds_of_times_the_runs_go_on(
    tmp_path: Path, kills: int, chance: Random, part: int
) -> None:
    random_kills(tmp_path, kills * (part + 1) // PARTS - kills * part // PARTS, chance)
