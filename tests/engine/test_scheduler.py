from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markab.engine.scheduler import CHORES_AT_ONCE, PATIENCE, Scheduler, Verdict, _rounded_up
from markab.engine.slots import Slots
from markab.errors import CorruptPlan, IllegalTransition, JobRejected
from markab.journal.attempt_id import AttemptId
from markab.journal.lifecycle import ALIVE, State
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

BIG = Slots(cores=8, memory_mb=1000, gpus=2)


def outline(id: str, *parents: int, **more: Any) -> JobOutline:
    return JobOutline(id=id, kind=more.pop("kind", Kind.COMPUTE), parents=list(parents), **more)


def jobs_of(attempts: list[AttemptId]) -> list[int]:
    return [attempt.job for attempt in attempts]


def test_a_job_starts_when_its_last_parent_has_succeeded() -> None:
    scheduler = Scheduler([outline("a"), outline("b"), outline("c", 0, 1)], BIG)

    first, second = scheduler.starts()
    scheduler.ended(first, True)
    assert scheduler.starts() == []
    scheduler.ended(second, True)
    assert scheduler.starts() == [AttemptId(2, 1)]


def test_higher_priority_first_then_position_in_the_plan() -> None:
    scheduler = Scheduler(
        [outline("a"), outline("b", priority=5), outline("c", priority=-5), outline("d", priority=5)],
        Slots(4, 1000, 0),
    )

    assert jobs_of(scheduler.starts()) == [1, 3, 0, 2]


def test_cores_memory_and_gpus_are_shared() -> None:
    jobs = [outline(f"j{i}", cores=2, memory_mb=300, gpus=1) for i in range(9)]

    assert len(Scheduler(jobs, Slots(8, 9000, 9)).starts()) == 4
    assert len(Scheduler(jobs, Slots(99, 1000, 9)).starts()) == 3
    assert len(Scheduler(jobs, Slots(99, 9000, 2)).starts()) == 2


def test_jobs_at_other_sites_take_no_slots_here() -> None:
    jobs = [outline(f"j{i}", cores=99, gpus=9, site="far") for i in range(9)]

    assert len(Scheduler(jobs, Slots(1, 1, 0), elsewhere=["far"]).starts()) == 9


def test_a_category_is_throttled_and_others_pass_it() -> None:
    jobs = [outline(f"a{i}", category="io", priority=1) for i in range(4)] + [outline("b")]

    assert jobs_of(Scheduler(jobs, BIG, {"io": 2}).starts()) == [0, 1, 4]


@pytest.mark.parametrize("none", [0, -1])
def test_a_limit_below_one_is_no_limit(none: int) -> None:
    jobs = [outline(f"a{i}", category="io") for i in range(4)]

    assert len(Scheduler(jobs, BIG, {"io": none}, max_jobs=none).starts()) == 4


def test_max_jobs_counts_everything_alive() -> None:
    scheduler = Scheduler([outline(f"a{i}", kind=Kind.STAGE_IN) for i in range(5)], BIG, max_jobs=2)

    first = scheduler.starts()
    assert len(first) == 2 and scheduler.starts() == []
    scheduler.ended(first[0], True)
    assert len(scheduler.starts()) == 1


def test_chores_take_no_core_and_share_a_small_throttle() -> None:
    kinds = [kind for kind in Kind if kind is not Kind.COMPUTE]
    chores = [
        outline(f"c{i}", kind=kinds[i % len(kinds)], category=f"k{i % 3}", priority=1) for i in range(50)
    ]
    scheduler = Scheduler([*chores, outline("work")], Slots(1, 1, 0))

    started = jobs_of(scheduler.starts())

    assert len(started) == CHORES_AT_ONCE + 1 and 50 in started


def test_chores_of_a_limited_category_have_a_throttle_of_their_own() -> None:
    chores = [outline(f"c{i}", kind=Kind.STAGE_OUT, category="stageout") for i in range(50)]

    assert len(Scheduler(chores, Slots(1, 1, 0), {"stageout": 10}).starts()) == 10


def test_what_asks_for_more_cores_or_memory_than_there_is_gets_all_there_is() -> None:
    jobs = [outline("a", cores=99), outline("b", memory_mb=10**6), outline("c")]
    scheduler = Scheduler(jobs, Slots(4, 1000, 0))

    assert scheduler.clamped == ["a", "b"]
    assert jobs_of(scheduler.starts()) == [0]


def test_gpus_that_are_not_there_are_refused_at_the_start() -> None:
    with pytest.raises(JobRejected, match=r"has 2 GPUs, too few for 'train' \(3\)") as caught:
        Scheduler([outline("a", gpus=2), outline("train", gpus=3)], BIG)
    assert "--gpus" in caught.value.hint


def test_gpus_that_only_a_finished_job_wanted_are_not_missed() -> None:
    assert Scheduler([outline("train", gpus=3)], BIG, succeeded=[1]).is_finished


def test_a_parent_that_does_not_stand_above_its_child_is_a_corrupt_plan() -> None:
    with pytest.raises(CorruptPlan, match="'a' at position 0 names job 1"):
        Scheduler([outline("a", 1), outline("b")], BIG)


def test_a_job_that_does_not_fit_is_passed_only_so_often() -> None:
    small = [outline(f"s{i}") for i in range(3 * PATIENCE)]
    scheduler = Scheduler([outline("big", cores=2, priority=1), *small], Slots(2, 100, 0), under_way=[1])

    passed = 0
    alive = [scheduler.attempt(1)]
    while scheduler.state(0) is not State.RUNNING and scheduler.attempt(0).number == 0:
        started = scheduler.starts()
        passed += len([a for a in started if a.job != 0])
        alive = [a for a in alive + started if a.job != 0]
        if alive and scheduler.attempt(0).number == 0:
            # Ended one by one, so that the big job would never find two free cores by chance.
            scheduler.ended(alive.pop(0), True)
    assert passed == PATIENCE


def test_a_job_that_holds_cores_does_not_hold_what_it_does_not_lack() -> None:
    chores = [outline(f"c{i}", kind=Kind.CLEANUP, category="x") for i in range(3 * PATIENCE)]
    jobs = [outline("runs"), outline("big", cores=2, priority=1), *chores]
    scheduler = Scheduler(jobs, Slots(2, 100, 0), {"x": 1}, under_way=[0])

    for _ in chores:
        (chore,) = scheduler.starts()
        scheduler.ended(chore, True)


def test_an_attempt_that_fails_is_tried_again_as_often_as_the_plan_says() -> None:
    scheduler = Scheduler([outline("a", retries=3)], BIG)
    pauses = []
    for number in (1, 2, 3):
        assert scheduler.starts() == [AttemptId(0, number)]
        decision = scheduler.ended(AttemptId(0, number), False)
        assert decision.verdict is Verdict.RETRY
        pauses.append(decision.pause_s)
        if decision.pause_s:
            assert scheduler.starts() == [] and not scheduler.is_finished
            scheduler.pause_over(0)
    (last,) = scheduler.starts()
    assert scheduler.ended(last, False).verdict is Verdict.GIVE_UP
    assert scheduler.is_finished and scheduler.state(0) is State.FAILED
    assert pauses == [0.0, 1.0, 2.0]


def test_a_failure_that_would_come_again_is_not_retried() -> None:
    scheduler = Scheduler([outline("a", retries=3)], BIG)

    assert scheduler.ended(scheduler.starts()[0], False, worth_retrying=False).verdict is Verdict.GIVE_UP


def test_what_depends_on_a_failed_job_is_skipped_and_the_rest_goes_on() -> None:
    jobs = [outline("a"), outline("b"), outline("c", 0), outline("d", 2), outline("e", 1), outline("f", 3, 4)]
    scheduler = Scheduler(jobs, BIG)
    a, b = scheduler.starts()

    scheduler.ended(a, False)
    scheduler.ended(b, True)
    scheduler.ended(scheduler.starts()[0], True)

    assert scheduler.is_finished
    states = [scheduler.state(job).name for job in range(6)]
    assert states == ["FAILED", "SUCCEEDED", "SKIPPED", "SKIPPED", "SUCCEEDED", "SKIPPED"]


def test_without_keep_going_the_first_failure_stops_new_starts() -> None:
    scheduler = Scheduler([outline("a"), outline("b"), outline("c", 1)], BIG, keep_going=False)
    a, b = scheduler.starts()

    scheduler.ended(a, False)
    assert not scheduler.is_finished
    scheduler.ended(b, True)
    assert scheduler.starts() == [] and scheduler.is_finished


def test_halt_lets_what_runs_end() -> None:
    scheduler = Scheduler([outline("a"), outline("b", 0)], BIG)
    (a,) = scheduler.starts()
    scheduler.halt()
    assert not scheduler.is_finished

    scheduler.ended(a, True)

    assert scheduler.is_finished and scheduler.starts() == []
    assert scheduler.state(1) is State.READY


def test_a_cancelled_attempt_is_no_failure_of_its_job() -> None:
    scheduler = Scheduler([outline("a"), outline("b", 0)], BIG)
    (a,) = scheduler.starts()

    assert scheduler.remove() == [a]
    assert scheduler.ended(a, False).verdict is Verdict.RETURNED
    assert scheduler.is_finished and scheduler.state(0) is State.READY and scheduler.state(1) is State.WAITING


def test_an_attempt_that_succeeds_while_it_is_cancelled_has_succeeded() -> None:
    scheduler = Scheduler([outline("a")], BIG)
    (a,) = scheduler.starts()
    scheduler.remove()

    assert scheduler.ended(a, True).verdict is Verdict.DONE


@pytest.mark.parametrize("stale", [AttemptId(0, 1), AttemptId(0, 3)])
def test_a_report_about_another_attempt_than_the_last_is_a_bug(stale: AttemptId) -> None:
    scheduler = Scheduler([outline("a", retries=1)], BIG)
    scheduler.ended(scheduler.starts()[0], False)
    scheduler.starts()

    with pytest.raises(IllegalTransition):
        scheduler.ended(stale, True)
    with pytest.raises(IllegalTransition):
        scheduler.seen_running(stale)


def test_many_memory_sizes_make_few_groups_and_ask_for_little_more() -> None:
    jobs = [outline(f"j{i}", memory_mb=1000 + i) for i in range(5000)]
    scheduler = Scheduler(jobs, Slots(1, 10**6, 0))

    assert len(scheduler._groups) < 120
    assert all(n <= _rounded_up(n) <= n * 33 / 32 for n in range(1, 5000))


@st.composite
def graphs(draw: st.DrawFn) -> list[JobOutline]:
    count = draw(st.integers(1, 14))
    jobs = []
    for i in range(count):
        parents = sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else []
        jobs.append(
            outline(
                f"j{i}",
                *parents,
                kind=draw(st.sampled_from([Kind.COMPUTE, Kind.COMPUTE, Kind.STAGE_IN])),
                priority=draw(st.integers(-2, 2)),
                category=draw(st.sampled_from(["", "x", "y"])),
                retries=draw(st.integers(0, 3)),
                cores=draw(st.integers(1, 5)),
                memory_mb=draw(st.sampled_from([0, 10, 60, 500])),
                gpus=draw(st.integers(0, 2)),
            )
        )
    return jobs


class Checker:
    """Runs schedulers over a graph at random, call after call, and checks every step."""

    def __init__(
        self, jobs: list[JobOutline], slots: Slots, limits: dict[str, int], max_jobs: int, seed: int
    ) -> None:
        self.jobs, self.slots, self.limits, self.max_jobs = jobs, slots, limits, max_jobs
        self.random = random.Random(seed)
        self.attempts = [0] * len(jobs)
        self.succeeded = [0] * len(jobs)
        self.carried: set[int] = set()

    def needs(self, job: int) -> tuple[int, int, int]:
        o = self.jobs[job]
        if o.kind is not Kind.COMPUTE:
            return 0, 0, 0
        return min(o.cores, self.slots.cores), min(o.memory_mb, self.slots.memory_mb), o.gpus

    def throttle(self, job: int) -> tuple[str, int]:
        o = self.jobs[job]
        limit = self.limits.get(o.category, 0)
        if o.kind is not Kind.COMPUTE and not limit:
            return "chores", CHORES_AT_ONCE
        return "category " + o.category, limit or 10**6

    def fits(self, alive: set[AttemptId], job: int) -> bool:
        here = [a.job for a in alive] + [job]
        used = [sum(column) for column in zip(*map(self.needs, here), strict=True)]
        name, limit = self.throttle(job)
        return (
            len(here) <= self.max_jobs
            and all(u <= s or not n for u, s, n in zip(used, self.slots, self.needs(job), strict=True))
            and sum(1 for other in here if self.throttle(other)[0] == name) <= limit
        )

    def call(self, ending: str, carry: bool) -> set[AttemptId]:
        """One call of the engine, ended by `ending`. Return the attempts still alive then (only after a crash)."""
        alive = {AttemptId(job, self.attempts[job]) for job in self.carried} if carry else set()
        scheduler = Scheduler(
            self.jobs,
            self.slots,
            self.limits,
            self.max_jobs,
            succeeded=self.succeeded,
            attempts=self.attempts,
            under_way=[a.job for a in alive],
        )
        paused: set[int] = set()
        stop_at = self.random.randrange(30)
        for turn in range(400):
            for attempt in scheduler.starts():
                job = attempt.job
                assert all(self.succeeded[p] for p in self.jobs[job].parents)
                assert not self.succeeded[job] and job not in {a.job for a in alive} and job not in paused
                assert self.fits(alive, job)
                assert attempt.number == self.attempts[job] + 1
                self.attempts[job] += 1
                alive.add(attempt)
            if not scheduler.is_stopped:
                for job in range(len(self.jobs)):
                    assert scheduler.state(job) is not State.READY or not self.fits(alive, job)
            assert {a.job for a in alive} == {j for j in range(len(self.jobs)) if scheduler.state(j) in ALIVE}
            assert list(scheduler.counts) == [
                sum(scheduler.state(j) is s for j in range(len(self.jobs))) for s in State
            ]
            if scheduler.is_finished:
                assert not alive
                self.check_end(scheduler)
                return set()
            if turn == stop_at and ending != "end":
                if ending == "crash":
                    return alive
                assert set(scheduler.remove() if ending == "remove" else alive) == alive
                scheduler.halt()
            self.happen(scheduler, alive, paused)
        raise AssertionError("the run does not end")

    def happen(self, scheduler: Scheduler, alive: set[AttemptId], paused: set[int]) -> None:
        if paused and (not alive or self.random.random() < 0.5):
            job = paused.pop()
            scheduler.pause_over(job)
            return
        attempt = self.random.choice(sorted(alive))
        if self.random.random() < 0.2 and scheduler.state(attempt.job) is State.QUEUED:
            scheduler.seen_running(attempt)
            return
        alive.discard(attempt)
        ok = self.random.random() < 0.6
        decision = scheduler.ended(attempt, ok, worth_retrying=self.random.random() < 0.9)
        if ok:
            assert not self.succeeded[attempt.job]
            self.succeeded[attempt.job] = 1
        if decision.pause_s:
            paused.add(attempt.job)

    def check_end(self, scheduler: Scheduler) -> None:
        for job, o in enumerate(self.jobs):
            state = scheduler.state(job)
            assert (state is State.SUCCEEDED) == bool(self.succeeded[job])
            parents = [scheduler.state(p) for p in o.parents]
            gone = any(p in (State.FAILED, State.SKIPPED) for p in parents)
            assert (state is State.SKIPPED) == gone
            if state in (State.WAITING, State.READY, State.PAUSED):
                assert scheduler.is_stopped


@settings(max_examples=400, deadline=None)
@given(
    graphs(),
    st.integers(1, 4),
    st.integers(2, 3),
    st.dictionaries(st.sampled_from(["x", "y"]), st.integers(1, 2)),
    st.integers(1, 6),
    st.lists(st.sampled_from(["halt", "remove", "crash"]), max_size=4),
    st.integers(0, 10**6),
)
def test_whatever_happens_the_promises_of_the_scheduler_hold(
    jobs: list[JobOutline],
    cores: int,
    gpus: int,
    limits: dict[str, int],
    max_jobs: int,
    endings: list[str],
    seed: int,
) -> None:
    """Random graphs, needs, failures, halts and crashes; after a crash the attempts alive go on or are lost."""
    checker = Checker(jobs, Slots(cores, 100, gpus), limits, max_jobs, seed)
    for ending in [*endings, "end"]:
        alive = checker.call(ending, carry=True)
        checker.carried = {a.job for a in alive} if checker.random.random() < 0.5 else set()
