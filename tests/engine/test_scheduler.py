from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markab.engine.ready_queues import AUXILIARY_AT_ONCE, rounded_up
from markab.engine.scheduler import PATIENCE, Scheduler
from markab.engine.scheduler_protocol import Verdict
from markab.engine.slots import Slots
from markab.engine.waiting_reason import WaitingReason, Why
from markab.errors import CorruptPlan, IllegalTransition, JobRejected
from markab.executors.attempt_id import AttemptId
from markab.journal.lifecycle import ALIVE, State
from markab.journal.skipped_jobs import mark_skipped
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

BIG = Slots(cores=8, memory_mb=1000, gpus=2)
RUN = "run"


def scheduler_of(
    jobs: list[JobOutline],
    slots: Slots = BIG,
    limits: dict[str, int] | None = None,
    max_jobs: int | None = None,
    **more: Any,
) -> Scheduler:
    """Return a scheduler with one run."""
    scheduler = Scheduler(slots)
    scheduler.add(RUN, jobs, limits=limits, max_jobs=max_jobs, **more)
    return scheduler


def outline(id: str, *parents: int, **more: Any) -> JobOutline:
    return JobOutline(id=id, kind=more.pop("kind", Kind.COMPUTE), parents=list(parents), **more)


def jobs_of(attempts: list[AttemptId]) -> list[int]:
    return [attempt.job for attempt in attempts]


def test_a_job_starts_when_its_last_parent_has_succeeded() -> None:
    scheduler = scheduler_of([outline("a"), outline("b"), outline("c", 0, 1)], BIG)

    first, second = scheduler.starts()
    scheduler.ended(first, True)
    assert scheduler.starts() == []
    scheduler.ended(second, True)
    assert scheduler.starts() == [AttemptId(RUN, 2, 1)]


def test_higher_priority_first_then_position_in_the_plan() -> None:
    scheduler = scheduler_of(
        [outline("a"), outline("b", priority=5), outline("c", priority=-5), outline("d", priority=5)],
        Slots(4, 1000, 0),
    )

    assert jobs_of(scheduler.starts()) == [1, 3, 0, 2]


def test_cores_memory_and_gpus_are_shared() -> None:
    jobs = [outline(f"j{i}", cores=2, memory_mb=300, gpus=1) for i in range(9)]

    assert len(scheduler_of(jobs, Slots(8, 9000, 9)).starts()) == 4
    assert len(scheduler_of(jobs, Slots(99, 1000, 9)).starts()) == 3
    assert len(scheduler_of(jobs, Slots(99, 9000, 2)).starts()) == 2


@pytest.mark.parametrize(
    ("slots", "first", "others"),
    [
        (Slots(8, 1000, 1), {"gpus": 1}, {}),
        (Slots(8, 1000, 1), {"memory_mb": 1000}, {"cores": 2}),
        (Slots(8, 1000, 2), {"gpus": 2}, {"memory_mb": 300}),
        (Slots(8, 1000, 1), {"memory_mb": 900}, {"gpus": 1}),
    ],
)
def test_a_job_that_waits_for_one_resource_never_delays_those_that_do_not_use_it(
    slots: Slots, first: dict[str, Any], others: dict[str, Any]
) -> None:
    """Also when it has waited so long that what it lacks is kept for it."""
    jobs = [outline(f"j{i}", priority=9, **first) for i in range(2)]
    jobs += [outline(f"c{i}", **others) for i in range(3 * PATIENCE)]
    scheduler = scheduler_of(jobs, slots)
    (large, *alive) = scheduler.starts()
    assert large.job == 0

    for _ in range(2 * PATIENCE):
        assert alive and 1 not in jobs_of(alive)
        scheduler.ended(alive.pop(0), True)
        alive += scheduler.starts()
    scheduler.ended(large, True)

    assert 1 in jobs_of(scheduler.starts())


def test_only_jobs_that_need_more_than_there_is_are_reported_as_such() -> None:
    jobs = [
        outline("all", cores=4, memory_mb=1000),
        outline("cores", cores=5),
        outline("memory", memory_mb=1001),
        outline("far", cores=9, site="far"),
        outline("done", cores=9),
    ]
    scheduler = Scheduler(Slots(4, 1000, 0))

    assert ["cores", "memory"] == scheduler.add(
        "run", jobs, succeeded=bytes([0, 0, 0, 0, 1]), remote_sites=["far"]
    )


def test_jobs_at_other_sites_take_no_slots_here() -> None:
    jobs = [outline(f"j{i}", cores=99, gpus=9, site="far") for i in range(9)]

    assert len(scheduler_of(jobs, Slots(1, 1, 0), remote_sites=["far"]).starts()) == 9


def test_a_category_is_throttled_and_others_pass_it() -> None:
    jobs = [outline(f"a{i}", category="io", priority=1) for i in range(4)] + [outline("b")]

    assert jobs_of(scheduler_of(jobs, BIG, {"io": 2}).starts()) == [0, 1, 4]


@pytest.mark.parametrize("none", [0, -1])
def test_a_limit_below_one_is_no_limit(none: int) -> None:
    jobs = [outline(f"a{i}", category="io") for i in range(4)]

    assert len(scheduler_of(jobs, BIG, {"io": none}, max_jobs=none).starts()) == 4


def test_only_so_many_jobs_wait_in_the_queues_of_sites() -> None:
    jobs = [*(outline(f"f{i}", site="far") for i in range(5)), outline("here")]
    scheduler = scheduler_of(jobs, BIG, remote_sites=["far"], max_idle=2)
    first, second, here = scheduler.starts()
    assert [first.job, second.job, here.job] == [0, 1, 5] and scheduler.starts() == []
    assert scheduler.why_waiting(RUN, 2) == WaitingReason(Why.MAX_IDLE, limit=2)

    scheduler.seen_running(first)
    [third] = scheduler.starts()
    scheduler.seen_held(first, "suspended")
    scheduler.ended(second, True)
    assert third.job == 2 and scheduler.starts() == [], "what is held waits too"
    scheduler.seen_running(first)
    assert [one.job for one in scheduler.starts()] == [3]
    scheduler.validate()


def test_max_jobs_counts_everything_alive() -> None:
    scheduler = scheduler_of([outline(f"a{i}", kind=Kind.STAGE_IN) for i in range(5)], BIG, max_jobs=2)

    first = scheduler.starts()
    assert len(first) == 2 and scheduler.starts() == []
    scheduler.ended(first[0], True)
    assert len(scheduler.starts()) == 1


def test_sub_workflows_take_nothing_that_their_own_jobs_need() -> None:
    nested = [outline(f"s{i}", kind=Kind.SUBWORKFLOW, category="sub") for i in range(20)]
    scheduler = Scheduler(Slots(1, 1, 0))
    scheduler.add("r", [*nested, outline("x")], limits={"sub": 12}, max_jobs=1)

    assert len(scheduler.starts()) == 13, "all that its own category allows, and one that counts"
    scheduler.add("s0", [outline("in", kind=Kind.STAGE_IN, category="sub")], limits={"sub": 12}, max_jobs=1)
    scheduler.validate()
    assert scheduler.why_waiting("s0", 0) == WaitingReason(Why.MAX_JOBS, limit=1)
    scheduler.ended(AttemptId("r", 20, 1), True)
    assert AttemptId("s0", 0, 1) in scheduler.starts(), "the category of its parent's run is another throttle"
    scheduler.validate()


def test_auxiliary_jobs_take_no_core_and_share_a_small_throttle() -> None:
    kinds = [kind for kind in Kind if kind not in (Kind.COMPUTE, Kind.SUBWORKFLOW)]
    auxiliary = [
        outline(f"c{i}", kind=kinds[i % len(kinds)], category=f"k{i % 3}", priority=1) for i in range(50)
    ]
    scheduler = scheduler_of([*auxiliary, outline("work")], Slots(1, 1, 0))

    started = jobs_of(scheduler.starts())

    assert len(started) == AUXILIARY_AT_ONCE + 1 and 50 in started


def test_auxiliary_jobs_of_a_limited_category_have_a_throttle_of_their_own() -> None:
    auxiliary = [outline(f"c{i}", kind=Kind.STAGE_OUT, category="stageout") for i in range(50)]

    assert len(scheduler_of(auxiliary, Slots(1, 1, 0), {"stageout": 10}).starts()) == 10


def test_what_asks_for_more_cores_or_memory_than_there_is_gets_all_there_is() -> None:
    jobs = [outline("a", cores=99), outline("b", memory_mb=10**6), outline("c")]
    scheduler = Scheduler(Slots(4, 1000, 0))

    assert scheduler.add(RUN, jobs) == ["a", "b"]
    assert jobs_of(scheduler.starts()) == [0]


def test_gpus_that_are_not_there_are_refused_at_the_start() -> None:
    with pytest.raises(JobRejected, match=r"has 2 GPUs, too few for 'train' \(3\)") as caught:
        scheduler_of([outline("a", gpus=2), outline("train", gpus=3)], BIG)
    assert "--gpus" in caught.value.hint


def test_gpus_that_only_a_finished_job_needed_are_not_required() -> None:
    assert scheduler_of([outline("train", gpus=3)], BIG, succeeded=[1]).is_finished(RUN)


def test_a_parent_that_does_not_stand_above_its_child_is_a_corrupt_plan() -> None:
    with pytest.raises(CorruptPlan, match="'a' at position 0 names job 1"):
        scheduler_of([outline("a", 1), outline("b")], BIG)


def test_a_job_that_does_not_fit_is_passed_only_so_often() -> None:
    small = [outline(f"s{i}") for i in range(3 * PATIENCE)]
    scheduler = scheduler_of(
        [outline("big", cores=2, priority=1), *small],
        Slots(2, 100, 0),
        under_way=[1],
        attempts=[0, 1, *[0] * (3 * PATIENCE - 1)],
    )

    passed = 0
    alive = [scheduler.attempt(RUN, 1)]
    while scheduler.state(RUN, 0) is not State.RUNNING and scheduler.attempt(RUN, 0).number == 0:
        started = scheduler.starts()
        passed += len([a for a in started if a.job != 0])
        alive = [a for a in alive + started if a.job != 0]
        if alive and scheduler.attempt(RUN, 0).number == 0:
            # Ended one by one, so that the big job would never find two free cores by chance.
            scheduler.ended(alive.pop(0), True)
    assert passed == PATIENCE


def test_a_job_that_holds_cores_does_not_hold_what_it_does_not_lack() -> None:
    auxiliary = [outline(f"c{i}", kind=Kind.CLEANUP, category="x") for i in range(3 * PATIENCE)]
    jobs = [outline("runs"), outline("big", cores=2, priority=1), *auxiliary]
    scheduler = scheduler_of(jobs, Slots(2, 100, 0), {"x": 1}, under_way=[0])

    for _ in auxiliary:
        (one,) = scheduler.starts()
        scheduler.ended(one, True)


def test_an_attempt_that_fails_is_tried_again_as_often_as_the_plan_allows() -> None:
    scheduler = scheduler_of([outline("a", retries=3)], BIG)
    pauses = []
    for number in (1, 2, 3):
        assert scheduler.starts() == [AttemptId(RUN, 0, number)]
        decision = scheduler.ended(AttemptId(RUN, 0, number), False)
        assert decision.verdict is Verdict.RETRY
        pauses.append(decision.pause_s)
        if decision.pause_s:
            assert scheduler.starts() == [] and not scheduler.is_finished(RUN)
            assert scheduler.why_waiting(RUN, 0) == WaitingReason(Why.PAUSE, pause_s=decision.pause_s)
            scheduler.pause_over(RUN, 0)
    (last,) = scheduler.starts()
    assert scheduler.ended(last, False).verdict is Verdict.GIVE_UP
    assert scheduler.is_finished(RUN) and scheduler.state(RUN, 0) is State.FAILED
    assert pauses == [0.0, 1.0, 2.0]


def test_a_failure_that_would_occur_again_is_not_retried() -> None:
    scheduler = scheduler_of([outline("a", retries=3)], BIG)

    assert scheduler.ended(scheduler.starts()[0], False, worth_retrying=False).verdict is Verdict.GIVE_UP


def test_what_depends_on_a_failed_job_is_skipped_and_the_rest_continues() -> None:
    jobs = [outline("a"), outline("b"), outline("c", 0), outline("d", 2), outline("e", 1), outline("f", 3, 4)]
    scheduler = scheduler_of(jobs, BIG)
    a, b = scheduler.starts()

    scheduler.ended(a, False)
    scheduler.ended(b, True)
    scheduler.ended(scheduler.starts()[0], True)

    assert scheduler.is_finished(RUN)
    states = [scheduler.state(RUN, job).name for job in range(6)]
    assert states == ["FAILED", "SUCCEEDED", "SKIPPED", "SKIPPED", "SUCCEEDED", "SKIPPED"]


def ended_in(scheduler: Scheduler, *failed: int, served: dict[int, list[int]] | None = None) -> list[str]:
    """Run to the end, with these jobs failing; return the states of all jobs."""
    while attempts := scheduler.starts():
        for attempt in attempts:
            is_partial = attempt.job in scheduler.failed_parents(RUN)
            ok = attempt.job not in failed and not is_partial
            served_now = (served or {}).get(attempt.job, [])
            scheduler.ended(
                attempt, ok, worth_retrying=not is_partial, incomplete=is_partial, served=served_now
            )
            scheduler.validate()
    assert scheduler.is_finished(RUN)
    return [State(state).name for state in scheduler.states(RUN)]


@pytest.mark.parametrize("kind", [Kind.STAGE_OUT, Kind.STAGE_INTER, Kind.REGISTER, Kind.CLEANUP])
def test_a_job_that_serves_several_runs_for_those_that_succeeded_and_does_not_succeed(kind: Kind) -> None:
    jobs = [outline("a"), outline("b"), outline("c"), outline("all", 0, 1, 2, kind=kind)]

    assert ended_in(scheduler_of(jobs))[3] == "SUCCEEDED"
    assert ended_in(scheduler_of(jobs), 1)[3] == "INCOMPLETE"
    assert ended_in(scheduler_of(jobs), 0, 1, 2)[3] == "SKIPPED"
    scheduler = scheduler_of(jobs)
    a, b, c = scheduler.starts()
    scheduler.ended(a, True)
    scheduler.ended(b, False)
    assert scheduler.starts() == [], "the third is not over"
    scheduler.ended(c, True)
    assert jobs_of(scheduler.starts()) == [3] and scheduler.failed_parents(RUN) == {3: [1]}


def test_a_scratch_directory_is_removed_only_after_everything_succeeded() -> None:
    jobs = [outline("a"), outline("b"), outline("rm", 0, 1, kind=Kind.CLEANUP, removes_scratch=True)]

    assert ended_in(scheduler_of(jobs), 0)[2] == "SKIPPED"


@pytest.mark.parametrize("failed", [0, 1])
def test_nothing_is_moved_into_a_directory_that_could_not_be_made(failed: int) -> None:
    jobs = [
        outline("dir", kind=Kind.CREATE_DIR),
        outline("a"),
        outline("b"),
        outline("move", 0, 1, 2, kind=Kind.STAGE_INTER),
    ]

    assert ended_in(scheduler_of(jobs), failed)[3] == ("SKIPPED" if failed == 0 else "INCOMPLETE")


def test_a_registration_runs_for_what_a_failed_delivery_delivered() -> None:
    jobs = [outline("a"), outline("out", 0, kind=Kind.STAGE_OUT), outline("in", 1, kind=Kind.REGISTER)]

    assert ended_in(scheduler_of(jobs), 1)[2] == "SKIPPED"
    assert ended_in(scheduler_of(jobs), 1, served={1: [2]})[2] == "INCOMPLETE"


def test_consumers_start_when_their_own_files_arrived_though_others_failed() -> None:
    jobs = [outline("in", kind=Kind.STAGE_IN, retries=1), outline("a", 0), outline("b", 0), outline("c", 1)]
    scheduler = scheduler_of(jobs)
    (first,) = scheduler.starts()

    assert scheduler.ended(first, False, served=[1]).verdict is Verdict.RETRY
    second, a = scheduler.starts()
    assert (second.job, a.job) == (0, 1)
    scheduler.ended(a, True)
    scheduler.ended(second, False, served=[1])
    scheduler.validate()

    assert jobs_of(scheduler.starts()) == [3]
    assert scheduler.state(RUN, 2) is State.SKIPPED
    assert scheduler.unfinished_parents(RUN, 1) == [] and scheduler.unfinished_parents(RUN, 2) == [0]


def test_a_consumer_that_started_before_is_not_freed_again_when_its_stage_in_succeeds() -> None:
    jobs = [outline("in", kind=Kind.STAGE_IN, retries=1), outline("a", 0), outline("b", 0, 1)]
    scheduler = scheduler_of(jobs)
    (first,) = scheduler.starts()
    scheduler.ended(first, False, served=[1])
    second, a = scheduler.starts()
    scheduler.ended(second, True)
    scheduler.validate()
    assert scheduler.starts() == []
    scheduler.ended(a, True)
    scheduler.validate()

    assert jobs_of(scheduler.starts()) == [2]


def test_an_attempt_of_an_earlier_call_that_failed_waits_for_the_parents_that_run_again() -> None:
    jobs = [outline("a"), outline("b"), outline("out", 0, 1, kind=Kind.STAGE_OUT)]
    scheduler = scheduler_of(jobs, succeeded=[0, 1, 0], attempts=[1, 1, 1], under_way=[2])
    scheduler.validate()
    (a,) = scheduler.starts()

    assert scheduler.ended(AttemptId(RUN, 2, 1), False, worth_retrying=False).verdict is Verdict.RETURNED
    scheduler.validate()
    assert scheduler.state(RUN, 2) is State.WAITING and scheduler.starts() == []
    scheduler.ended(a, True)
    (again,) = scheduler.starts()
    assert again == AttemptId(RUN, 2, 2) and not scheduler.failed_parents(RUN)


def test_an_attempt_of_an_earlier_call_whose_parents_fail_in_this_one_is_not_repeated() -> None:
    jobs = [outline("a"), outline("b", 0), outline("c", 1)]
    scheduler = scheduler_of(jobs, attempts=[0, 1, 0], under_way=[1])
    (a,) = scheduler.starts()
    scheduler.ended(a, False)
    scheduler.validate()

    scheduler.ended(AttemptId(RUN, 1, 1), False)
    scheduler.validate()

    assert [State(state).name for state in scheduler.states(RUN)] == ["FAILED", "SKIPPED", "SKIPPED"]


def test_what_lacks_no_parent_in_this_call_is_tried_again_when_it_is_incomplete() -> None:
    """The attempt was started by an engine before, and did without jobs that have succeeded since."""
    jobs = [outline("a"), outline("b"), outline("out", 0, 1, kind=Kind.STAGE_OUT)]
    scheduler = scheduler_of(jobs, succeeded=[0, 1, 0], attempts=[1, 1, 1], under_way=[2])
    (a,) = scheduler.starts()
    scheduler.ended(a, True)

    early = AttemptId(RUN, 2, 1)
    assert scheduler.ended(early, False, worth_retrying=False, incomplete=True).verdict is Verdict.RETURNED
    scheduler.validate()
    assert scheduler.starts() == [AttemptId(RUN, 2, 2)]


def test_a_start_that_another_scheduler_decided_takes_the_job_from_the_queue_and_its_slots() -> None:
    scheduler = scheduler_of([outline("a"), outline("b"), outline("c")], Slots(2, 100, 0))

    for job in (1, 0):  # not the first of the queue, and the first
        scheduler.started(AttemptId(RUN, job, 4))
        scheduler.validate()

    assert scheduler.starts() == []
    scheduler.ended(AttemptId(RUN, 1, 4), True)
    assert scheduler.starts() == [AttemptId(RUN, 2, 1)]
    assert scheduler.attempt(RUN, 0) == AttemptId(RUN, 0, 4)
    scheduler.validate()


def test_a_start_that_was_decided_before_a_halt_is_recorded_after_it() -> None:
    scheduler = scheduler_of([outline("a"), outline("b")])
    scheduler.halt(RUN)

    scheduler.started(AttemptId(RUN, 1, 1))
    scheduler.validate()

    assert scheduler.alive == 1 and scheduler.starts() == []


@pytest.mark.parametrize(("job", "number"), [(0, 2), (0, 1), (1, 1)])
def test_a_start_of_an_old_number_or_of_a_job_that_waits_is_a_bug(job: int, number: int) -> None:
    scheduler = scheduler_of([outline("a"), outline("b", 0)], attempts=[2, 0])

    with pytest.raises(IllegalTransition, match=f"a start of attempt {number}"):
        scheduler.started(AttemptId(RUN, job, number))


@pytest.mark.parametrize(("keep_going", "starts"), [(True, [1]), (False, [])])
def test_a_run_that_is_looked_at_after_a_failure_goes_on_as_its_engine_does(
    keep_going: bool, starts: list[int]
) -> None:
    jobs = [outline("a"), outline("b"), outline("c", 0), outline("d")]
    scheduler = scheduler_of(jobs, attempts=[1, 0, 0, 1], failed=[0], paused=[3], keep_going=keep_going)
    scheduler.validate()

    names = [State(state).name for state in scheduler.states(RUN)]
    assert names == ["FAILED", "READY", "SKIPPED", "PAUSED"]
    assert jobs_of(scheduler.starts()) == starts


def test_what_a_hold_said_is_forgotten_when_the_attempt_runs_or_has_ended() -> None:
    scheduler = scheduler_of([outline("a", retries=1), outline("b")])
    first, second = scheduler.starts()
    for attempt in (first, second):
        scheduler.seen_held(attempt, "no quota")
    on_hold = WaitingReason(Why.ON_HOLD, text="no quota")
    assert scheduler.why_waiting(RUN, 0) == scheduler.why_waiting(RUN, 1) == on_hold

    scheduler.seen_running(second)
    scheduler.ended(first, False)

    assert scheduler.why_waiting(RUN, 1) is None
    assert scheduler.why_waiting(RUN, 0) == WaitingReason(Why.TURN)


def test_a_partial_job_that_fails_itself_is_retried_and_fails() -> None:
    jobs = [outline("a"), outline("b"), outline("out", 0, 1, kind=Kind.STAGE_OUT, retries=1)]
    scheduler = scheduler_of(jobs)
    a, b = scheduler.starts()
    scheduler.ended(a, False)
    scheduler.ended(b, True)

    assert scheduler.ended(scheduler.starts()[0], False).verdict is Verdict.RETRY
    assert scheduler.ended(scheduler.starts()[0], False).verdict is Verdict.GIVE_UP
    assert scheduler.state(RUN, 2) is State.FAILED


def test_success_without_what_failed_parents_make_is_a_bug() -> None:
    scheduler = scheduler_of([outline("a"), outline("b"), outline("out", 0, 1, kind=Kind.STAGE_OUT)])
    a, b = scheduler.starts()
    scheduler.ended(a, False)
    scheduler.ended(b, True)

    with pytest.raises(IllegalTransition, match="success without what its failed parents make"):
        scheduler.ended(scheduler.starts()[0], True)


def test_without_keep_going_the_first_failure_stops_new_starts() -> None:
    scheduler = scheduler_of([outline("a"), outline("b"), outline("c", 1)], BIG, keep_going=False)
    a, b = scheduler.starts()

    scheduler.ended(a, False)
    assert not scheduler.is_finished(RUN)
    scheduler.ended(b, True)
    assert scheduler.starts() == [] and scheduler.is_finished(RUN)


def test_halt_lets_what_runs_end() -> None:
    scheduler = scheduler_of([outline("a"), outline("b", 0)], BIG)
    (a,) = scheduler.starts()
    scheduler.halt(RUN)
    assert not scheduler.is_finished(RUN)

    scheduler.ended(a, True)

    assert scheduler.is_finished(RUN) and scheduler.starts() == []
    assert scheduler.state(RUN, 1) is State.READY


def test_a_cancelled_attempt_is_no_failure_of_its_job() -> None:
    scheduler = scheduler_of([outline("a"), outline("b", 0)], BIG)
    (a,) = scheduler.starts()

    assert scheduler.remove(RUN) == [a]
    assert scheduler.ended(a, False).verdict is Verdict.RETURNED
    assert (
        scheduler.is_finished(RUN)
        and scheduler.state(RUN, 0) is State.READY
        and scheduler.state(RUN, 1) is State.WAITING
    )


def test_an_attempt_that_succeeds_while_it_is_cancelled_has_succeeded() -> None:
    scheduler = scheduler_of([outline("a")], BIG)
    (a,) = scheduler.starts()
    scheduler.remove(RUN)

    assert scheduler.ended(a, True).verdict is Verdict.DONE


@pytest.mark.parametrize("stale", [AttemptId(RUN, 0, 1), AttemptId(RUN, 0, 3)])
def test_a_report_about_another_attempt_than_the_last_is_a_bug(stale: AttemptId) -> None:
    scheduler = scheduler_of([outline("a", retries=1)], BIG)
    scheduler.ended(scheduler.starts()[0], False)
    scheduler.starts()

    with pytest.raises(IllegalTransition, match=f"a report about attempt {stale.number} cannot happen"):
        scheduler.ended(stale, True)
    with pytest.raises(IllegalTransition):
        scheduler.seen_running(stale)


def test_many_memory_sizes_make_few_groups_and_reserve_little_more() -> None:
    jobs = [outline(f"j{i}", memory_mb=1000 + i) for i in range(5000)]
    scheduler = scheduler_of(jobs, Slots(1, 10**6, 0))

    assert len(scheduler._ready.groups) < 120
    assert all(n <= rounded_up(n) <= n * 33 / 32 for n in range(1, 5000))


@st.composite
def graphs(draw: st.DrawFn) -> list[JobOutline]:
    count = draw(st.integers(1, 14))
    jobs = []
    for i in range(count):
        parents = sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else []
        kind = draw(st.sampled_from([Kind.COMPUTE, Kind.COMPUTE, *Kind]))
        jobs.append(
            outline(
                f"j{i}",
                *parents,
                kind=kind,
                removes_scratch=kind is Kind.CLEANUP and draw(st.booleans()),
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
    """Runs schedulers over several graphs at random, call after call, and checks every step."""

    def __init__(
        self, graphs: list[list[JobOutline]], slots: Slots, limits: dict[str, int], max_jobs: int, seed: int
    ) -> None:
        self.graphs = {f"run{n}": jobs for n, jobs in enumerate(graphs)}
        self.slots, self.limits, self.max_jobs = slots, limits, max_jobs
        self.random = random.Random(seed)
        self.attempts = {run: [0] * len(jobs) for run, jobs in self.graphs.items()}
        self.succeeded = {run: [0] * len(jobs) for run, jobs in self.graphs.items()}
        self.alive: set[AttemptId] = set()
        self.carried: set[AttemptId] = set()
        """Attempts alive that an earlier call started."""
        self.served: set[tuple[str, int, int]] = set()
        """Run, job of which an attempt failed, child that has all it needs of it."""
        self.paused: set[tuple[str, int]] = set()
        self.grown: dict[tuple[str, int], int] = {}
        """Run, job → memory in MB that its next attempts ask for."""
        self.open: set[str] = set()
        self.ending: dict[str, str] = {}
        """Run → `halt` or `remove`."""

    def outline(self, attempt: AttemptId) -> JobOutline:
        return self.graphs[attempt.run][attempt.job]

    def needs(self, attempt: AttemptId) -> tuple[int, int, int]:
        o = self.outline(attempt)
        if o.kind is not Kind.COMPUTE:
            return 0, 0, 0
        memory_mb = self.grown.get(attempt[:2], o.memory_mb)
        return min(o.cores, self.slots.cores), min(memory_mb, self.slots.memory_mb), o.gpus

    def throttle(self, attempt: AttemptId) -> tuple[str, int]:
        o = self.outline(attempt)
        limit = self.limits.get(o.category, 0)
        if o.kind is Kind.SUBWORKFLOW:
            return f"sub-workflows {attempt.run} {o.category}", limit or 10**6
        if o.kind is not Kind.COMPUTE and not limit:
            return "auxiliary", AUXILIARY_AT_ONCE
        return "category " + o.category, limit or 10**6

    def kept_back(self, scheduler: Scheduler, run: str, job: int) -> tuple[list[int], bool]:
        """Return the parents that a job waits for, and whether parents that failed leave it nothing to do."""
        graph = self.graphs[run]
        waits, gone = [], []
        for parent in graph[job].parents:
            state = scheduler.state(run, parent)
            if state is State.SUCCEEDED or (run, parent, job) in self.served:
                continue
            (gone if state in (State.FAILED, State.SKIPPED, State.INCOMPLETE) else waits).append(parent)
        if not self.is_divisible(run, job):
            return sorted(waits + gone), bool(gone)
        directories = {p for p in graph[job].parents if graph[p].kind is Kind.CREATE_DIR}
        makers = [p for p in graph[job].parents if p not in directories]
        return waits, bool(directories.intersection(gone)) or (bool(gone) and set(gone) == set(makers))

    def check_skipped(self, run: str, states: list[State]) -> None:
        """Reports, which only have the journal, find the same jobs skipped."""
        served: dict[int, set[int]] = {}
        for one, parent, child in self.served:
            if one == run:
                served.setdefault(parent, set()).add(child)
        found = bytearray(State.WAITING if state is State.SKIPPED else state for state in states)
        mark_skipped(found, self.graphs[run], served)
        assert [State(state) for state in found] == states

    def is_divisible(self, run: str, job: int) -> bool:
        graph = self.graphs[run]
        o = graph[job]
        if o.removes_scratch or all(graph[parent].kind is Kind.CREATE_DIR for parent in o.parents):
            return False
        return o.kind in (Kind.STAGE_OUT, Kind.STAGE_INTER, Kind.REGISTER, Kind.CLEANUP)

    def counted(self, attempts: Collection[AttemptId]) -> int:
        return sum(self.outline(one).kind is not Kind.SUBWORKFLOW for one in attempts)

    def fits(self, run: str, job: int) -> bool:
        """Return whether another job may be alive, beside those of all runs."""
        new = AttemptId(run, job, 0)
        alive = [*self.alive, new]
        used = [sum(column) for column in zip(*map(self.needs, alive), strict=True)]
        name, limit = self.throttle(new)
        return (
            (self.outline(new).kind is Kind.SUBWORKFLOW or self.counted(alive) <= self.max_jobs)
            and all(u <= s or not n for u, s, n in zip(used, self.slots, self.needs(new), strict=True))
            and sum(1 for other in alive if self.throttle(other)[0] == name) <= limit
        )

    def add(self, scheduler: Scheduler, run: str) -> None:
        scheduler.add(
            run,
            self.graphs[run],
            limits=self.limits,
            max_jobs=self.max_jobs,
            succeeded=self.succeeded[run],
            attempts=self.attempts[run],
            under_way=[a.job for a in self.alive if a.run == run],
        )
        self.open.add(run)

    def call(self, ending: str) -> None:
        """One call of the engine, ended by `ending`; only after a crash, attempts are alive then."""
        scheduler = Scheduler(self.slots)
        self.paused.clear()
        self.grown.clear()
        self.open.clear()
        self.ending.clear()
        to_add = list(self.graphs)
        self.served.clear()
        carried, self.alive = self.alive, set()
        self.carried = set(carried)
        self.undo_some()
        stop_at = self.random.randrange(30)
        for turn in range(1000):
            if to_add and (not self.open or self.random.random() < 0.3):
                run = to_add.pop(0)
                self.alive |= {a for a in carried if a.run == run}
                self.add(scheduler, run)
                scheduler.validate()
            self.start(scheduler)
            self.check_states(scheduler)
            self.forget_some(scheduler)
            if not to_add and all(scheduler.is_finished(run) for run in self.open):
                assert not self.alive and not scheduler.alive
                return
            if turn == stop_at and ending == "crash":
                self.alive |= {a for a in carried if a.run in to_add}
                return
            if turn >= stop_at and ending in ("halt", "remove") and self.open - self.ending.keys():
                self.stop(scheduler, self.random.choice(sorted(self.open - self.ending.keys())), ending)
                scheduler.validate()
            if self.alive or self.paused:
                self.happen(scheduler)
                scheduler.validate()
        raise AssertionError("the runs do not end")

    def undo_some(self) -> None:
        """Sometimes, files have been lost since the last call: jobs that succeeded have to run again."""
        for jobs in self.succeeded.values():
            if self.random.random() < 0.2:
                jobs[self.random.randrange(len(jobs))] = 0

    def start(self, scheduler: Scheduler) -> None:
        for attempt in scheduler.starts():
            run, job, number = attempt
            assert run in self.open and run not in self.ending
            assert self.kept_back(scheduler, run, job) == ([], False), "it starts before its parents are done"
            assert not self.succeeded[run][job] and (run, job) not in self.paused
            assert (run, job) not in {a[:2] for a in self.alive}
            assert self.fits(run, job)
            assert number == self.attempts[run][job] + 1
            self.attempts[run][job] += 1
            self.alive.add(attempt)
        scheduler.validate()

    def check_states(self, scheduler: Scheduler) -> None:
        for run in self.open:
            states = [State(state) for state in scheduler.states(run)]
            assert list(scheduler.counts(run)) == [states.count(one) for one in State]
            self.check_skipped(run, states)
            assert {j for j, one in enumerate(states) if one in ALIVE} == {
                a.job for a in self.alive if a.run == run
            }
            for job, state in enumerate(states):
                self.check_reason(scheduler, run, job, state)

    def check_reason(self, scheduler: Scheduler, run: str, job: int, state: State) -> None:
        reason = scheduler.why_waiting(run, job)
        why = reason.why if reason else None
        expected = {
            State.WAITING: {Why.PARENTS},
            State.SKIPPED: {Why.FAILED_PARENT},
            State.PAUSED: {Why.STOPPED if run in self.ending else Why.PAUSE},
            State.SUCCEEDED: {None},
            State.FAILED: {None},
            State.INCOMPLETE: {None},
            State.QUEUED: {None, Why.ON_HOLD},
            State.RUNNING: {None},
        }
        if state is State.READY:
            assert (why is Why.STOPPED) == (run in self.ending)
            assert why is Why.STOPPED or not self.fits(run, job), "it could start, and did not"
            assert why is not Why.TURN
        else:
            assert why in expected[state]
        if reason and why is Why.PARENTS:
            parents = scheduler.unfinished_parents(run, job)
            assert (parents, False) == self.kept_back(scheduler, run, job)
            assert reason.parents == len(parents)

    def forget_some(self, scheduler: Scheduler) -> None:
        for run in sorted(self.open):
            if not scheduler.is_finished(run):
                continue
            self.check_end(scheduler, run)
            if self.random.random() < 0.5:
                scheduler.forget(run)
                self.open.discard(run)
                self.paused = {pair for pair in self.paused if pair[0] != run}
                scheduler.validate()

    def stop(self, scheduler: Scheduler, run: str, ending: str) -> None:
        self.ending[run] = ending
        if ending == "halt":
            scheduler.halt(run)
        else:
            assert set(scheduler.remove(run)) == {a for a in self.alive if a.run == run}

    def happen(self, scheduler: Scheduler) -> None:
        if self.paused and (not self.alive or self.random.random() < 0.5):
            run, job = self.paused.pop()
            scheduler.pause_over(run, job)
            return
        attempt = self.random.choice(sorted(self.alive))
        run, job, _ = attempt
        is_queued = scheduler.state(run, job) is State.QUEUED
        what = self.random.random()
        if what < 0.2 and is_queued:
            scheduler.seen_running(attempt)
        elif what < 0.3:
            scheduler.seen_held(attempt, "no quota")
            assert scheduler.why_waiting(run, job) == WaitingReason(Why.ON_HOLD, text="no quota")
        elif what < 0.35:
            scheduler.seen_queued(attempt)
        else:
            self.end(scheduler, attempt)

    def end(self, scheduler: Scheduler, attempt: AttemptId) -> None:
        run, job, _ = attempt
        self.alive.discard(attempt)
        is_partial = job in scheduler.failed_parents(run) and attempt not in self.carried
        ok = self.random.random() < 0.6 and not is_partial
        untimely = attempt in self.carried and self.kept_back(scheduler, run, job) != ([], False)
        served = [child for child in scheduler.children(run, job) if self.random.random() < 0.5]
        incomplete = not ok and self.is_divisible(run, job) and self.random.random() < 0.5
        memory_mb = self.random.choice([0, 0, 30, 5000])
        decision = scheduler.ended(
            attempt,
            ok,
            worth_retrying=not incomplete and self.random.random() < 0.9,
            incomplete=incomplete,
            served=() if ok else served,
            memory_mb=memory_mb,
        )
        if decision.verdict is Verdict.RETRY and memory_mb:
            self.grown[run, job] = rounded_up(memory_mb)
        returned = not ok and (
            self.ending.get(run) == "remove" or untimely or (incomplete and not is_partial)
        )
        assert (decision.verdict is Verdict.RETURNED) == returned
        assert not incomplete or decision.verdict in (Verdict.RETURNED, Verdict.INCOMPLETE)
        if decision.verdict in (Verdict.RETRY, Verdict.GIVE_UP, Verdict.INCOMPLETE):
            self.served |= {
                (run, job, child)
                for child in served
                if decision.verdict is not Verdict.RETRY or not self.is_divisible(run, child)
            }
        if ok:
            assert not self.succeeded[run][job]
            self.succeeded[run][job] = 1
        if decision.pause_s:
            self.paused.add((run, job))

    def check_end(self, scheduler: Scheduler, run: str) -> None:
        for job in range(len(self.graphs[run])):
            state = scheduler.state(run, job)
            assert (state is State.SUCCEEDED) == bool(self.succeeded[run][job])
            if state is not State.SUCCEEDED:
                assert (state is State.SKIPPED) == self.kept_back(scheduler, run, job)[1]
            if state in (State.WAITING, State.READY, State.PAUSED):
                assert run in self.ending


@settings(max_examples=120, deadline=None)
@given(
    st.lists(graphs(), min_size=1, max_size=3),
    st.integers(1, 4),
    st.integers(2, 3),
    st.dictionaries(st.sampled_from(["x", "y"]), st.integers(1, 2)),
    st.integers(1, 6),
    st.lists(st.sampled_from(["halt", "remove", "crash"]), max_size=4),
    st.integers(0, 10**6),
)
def test_the_guarantees_of_the_scheduler_hold_for_all_events(
    runs: list[list[JobOutline]],
    cores: int,
    gpus: int,
    limits: dict[str, int],
    max_jobs: int,
    endings: list[str],
    seed: int,
) -> None:
    """Random graphs, needs, failures, halts and crashes; after a crash the attempts alive continue or are lost."""
    checker = Checker(runs, Slots(cores, 100, gpus), limits, max_jobs, seed)
    for ending in [*endings, "end"]:
        checker.call(ending)
        if checker.random.random() < 0.5:
            checker.alive.clear()
