"""Journals of runs that really happened (with fake jobs), replayed into the scheduler."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.engine_fakes import OK, REMOTE, FakeTime, World, failure, job, make_run
from markab.diagnosis.waiting import RUN, rebuilt_scheduler
from markab.engine.control import request_halt, request_remove
from markab.engine.recovery import Recovery
from markab.engine.replay import replay
from markab.engine.run import Outcome, RunOptions, run
from markab.engine.scheduler import Scheduler
from markab.engine.waiting_reason import WaitingReason, Why
from markab.errors import IllegalTransition
from markab.executors.base import Attempt, Record
from markab.journal.lifecycle import State
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, Entry, RunEnd, RunStart, decode
from markab.plan.model import LOCAL, Kind
from markab.plan.plan_file import PlanFile

JOBS = [
    job("dir", kind=Kind.CREATE_DIR),
    *(job(f"work{n}", 0, retries=n % 4, cores=1 + n % 2, category="x", priority=n % 3) for n in range(6)),
    job("join", 1, 2, 3, retries=1),
    job("clean", 7, kind=Kind.CLEANUP),
    job("out", 4, 5, 6, kind=Kind.STAGE_OUT, retries=1),
    job("register", 9, kind=Kind.REGISTER),
    job("tidy", 5, 9, kind=Kind.CLEANUP),
]


class Crash(BaseException):
    """The engine was killed."""


def call(directory: Path, world: World) -> Outcome:
    time = FakeTime()
    return run(
        directory,
        RunOptions(cores=3, memory_mb=100, gpus=0, poll_s=0.0),
        back_ends=world.back_ends(time),
        clock=time.clock,
        look=lambda *place: True,  # fake jobs make no real files
    )


def journal(directory: Path) -> list[Entry]:
    return [decode(body) for body in JournalReader(directory / "journal.jsonl").bodies()]


def replayed(directory: Path) -> Scheduler:
    plan = PlanFile(directory / "plan.jsonl")
    try:
        return replay(plan.header, plan.outline, journal(directory), Scheduler.validate)
    finally:
        plan.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), survives=st.booleans())
def test_a_replay_of_any_run_repeats_the_decisions_of_the_scheduler(
    tmp_path_factory: pytest.TempPathFactory, seed: int, survives: bool
) -> None:
    chance = random.Random(seed)
    executor = chance.choice([LOCAL, REMOTE])
    directory = make_run(tmp_path_factory.mktemp("run"), JOBS, executor=executor, limits={"x": 2})

    def verdict(attempt: Attempt) -> Record:
        return OK if chance.random() < 0.7 else failure(chance.choice(["exit", "no-program", "memory"]))

    def disturb() -> None:
        what = chance.random()
        if what < 0.03:
            raise Crash
        if what < 0.06:
            chance.choice([request_halt, request_remove])(directory)

    world = World(verdict, seed=seed, survives=survives, ends_at_once=1)
    world.reports_running = executor == REMOTE
    world.on_wait = disturb
    for _ in range(4):
        try:
            call(directory, world)
        except Crash:
            pass
        scheduler = replayed(directory)
        counts = scheduler.counts("")
        last = journal(directory)[-1]
        if isinstance(last, RunEnd):
            ended = {
                name: counts[State[name.upper()]] for name in last.counts if name not in ("ready", "paused")
            }
            assert ended == {name: n for name, n in last.counts.items() if name in ended}
            assert scheduler.is_finished("") or counts[State.PAUSED]


def test_a_verdict_other_than_the_schedulers_is_found(tmp_path: Path) -> None:
    directory = make_run(tmp_path, [job("a", retries=0)])
    call(directory, World(lambda attempt: failure()))
    plan = PlanFile(directory / "plan.jsonl")
    outline = [job("a", retries=3)]
    with pytest.raises(IllegalTransition, match="job 'a': the journal says 'give-up', .* decides 'retry'"):
        replay(plan.header, outline, journal(directory))  # type: ignore[arg-type]  # as an outline
    plan.close()


def test_an_event_that_cannot_happen_is_reported_with_what_happened_before(tmp_path: Path) -> None:
    directory = make_run(tmp_path, [job("a")])
    call(directory, World())
    entries = journal(directory)
    (end,) = [entry for entry in entries if isinstance(entry, AttemptEnd)]
    plan = PlanFile(directory / "plan.jsonl")
    with pytest.raises(IllegalTransition, match="parents_done, submitted, done"):
        replay(plan.header, plan.outline, [*entries, end])
    with pytest.raises(ValueError, match="run-start"):
        replay(plan.header, plan.outline, [e for e in entries if not isinstance(e, RunStart)])
    plan.close()


def test_the_journal_has_the_limits_of_the_user(tmp_path: Path) -> None:
    world, time = World(lambda attempt: failure()), FakeTime()
    directory = make_run(tmp_path / "run", [job("a"), job("b")])
    options = RunOptions(cores=2, memory_mb=100, gpus=0, max_jobs=1, keep_going=False)
    run(directory, options, back_ends=world.back_ends(time), clock=time.clock)
    plan = PlanFile(directory / "plan.jsonl")
    history = Recovery(plan.header)
    for body in JournalReader(directory / "journal.jsonl").bodies():
        history.read(body)

    assert (history.max_jobs, history.keep_going) == (1, False)
    scheduler = rebuilt_scheduler(plan, history, time.now_s, is_running=False)
    assert scheduler.why_waiting(RUN, 1) == WaitingReason(Why.STOPPED)
