"""Engine times, schedules and where time goes: against numbers worked out by hand, and against brute force."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.journal.run_times import EngineClock
from markab.reports.statistics.schedules import critical_path, earliest_ends, peak
from markab.reports.statistics.time_use import TimedJob, time_use_of


def test_the_engine_clock_stands_still_between_engines() -> None:
    clock = EngineClock([(0.0, 6.0), (100.0, 110.0)])

    assert [clock.at(moment) for moment in (-1, 0, 5, 6, 50, 100, 104, 999)] == [0, 0, 5, 6, 6, 6, 10, 16]
    assert clock.total_s == 16


moments = st.integers(-1, 120)


@given(moments, moments)
def test_between_two_moments_an_engine_worked_as_its_clock_says(one: int, other: int) -> None:
    start, end = sorted((one, other))
    for clock in (EngineClock([(0.0, 60.0)]), EngineClock([(0.0, 6.0), (100.0, 110.0)]), EngineClock([])):
        assert clock.between(start, end) == clock.at(end) - clock.at(start)


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=12)


@given(spans)
def test_the_peak_is_what_counting_at_every_moment_gives(found: list[tuple[int, int]]) -> None:
    starts, ends = [start for start, _ in found], [start + took for start, took in found]

    counted = [sum(a <= t < b for a, b in zip(starts, ends, strict=True)) for t in range(40)]

    assert peak(starts, ends) == max(counted)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[int]], list[float]]:
    number = draw(st.integers(0, 8))
    parents = [sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(number)]
    return parents, [float(draw(st.integers(0, 5))) for _ in range(number)]


def longest(parents: list[list[int]], took: list[float], job: int) -> float:
    return took[job] + max([longest(parents, took, parent) for parent in parents[job]], default=0.0)


@given(graphs())
def test_the_critical_path_is_a_longest_chain(graph: tuple[list[list[int]], list[float]]) -> None:
    parents, took = graph
    ends = earliest_ends(parents, took)

    chain = critical_path(parents, took, ends)

    assert sum(took[job] for job in chain) == max(
        (longest(parents, took, j) for j in range(len(took))), default=0
    )
    assert all(above in parents[below] for above, below in pairwise(chain))


JOBS = [
    TimedJob("a", "local"),
    TimedJob("b", "local", [0], 2),
    TimedJob("c", "pool", [0], 4),
    TimedJob("d", "local", [1, 2]),
]
LOCAL_SITES = frozenset({"local"})


def test_queueing_is_distinguished_from_waiting_and_cores_elsewhere_are_not_counted() -> None:
    attempts = [
        (0, 1.0, 1.0, 5.0),  # waited 1, ran 4
        (1, 5.0, 5.0, 8.0),  # ran 3 with 2 cores, failed
        (2, 7.0, 12.0, 15.0),  # waited 2, queued 5, ran 3
        (1, 9.0, 9.0, 14.0),  # waited 1 for its second attempt, ran 5 with 2 cores
        (3, 15.0, 15.0, 19.0),  # ran 4
    ]

    time_use = time_use_of(JOBS, LOCAL_SITES, attempts, [(0.0, 20.0)], 19.0, [4], 5.0, 20.0)

    assert (time_use.waiting_s, time_use.queued_s) == (4, 5)
    assert (time_use.running_mean, time_use.running_peak) == (19 / 20, 2)
    assert (time_use.path_s, [(step.job, step.runtime_s) for step in time_use.path]) == (
        13,
        [("a", 4), ("b", 5), ("d", 4)],
    )
    assert (time_use.possible_mean, time_use.possible_peak) == (16 / 13, 2)
    assert (time_use.cores, time_use.cores_asked_mean) == (4, (4 + 6 + 10 + 4) / 20)
    assert (time_use.cores_given_mean, time_use.cores_used_mean) == (24 / 20, 5 / 20)


def test_cores_asked_for_given_and_used_are_three_numbers() -> None:
    attempts = [(0, 0.0, 0.0, 4.0), (1, 4.0, 4.0, 10.0), (1, 50.0, 50.0, 60.0)]
    jobs = [TimedJob("a", "local"), TimedJob("b", "local", [0], 64)]

    time_use = time_use_of(jobs, LOCAL_SITES, attempts, [(0.0, 10.0), (50.0, 60.0)], 20.0, [2, 8], 3.0, 60.0)

    assert time_use.cores == 5
    assert time_use.cores_asked_mean == (4 + 64 * 6 + 64 * 10) / 20
    assert time_use.cores_given_mean == (4 + 2 * 6 + 8 * 10) / 20, "at most what the engine of the time had"
    assert time_use.cores_used_mean == 3 / 20


def test_an_attempt_under_way_runs_or_queues_until_now() -> None:
    attempts = [(0, 0.0, 0.0, 4.0), (1, 4.0, 4.0, None), (2, 5.0, None, None)]

    time_use = time_use_of(JOBS, LOCAL_SITES, attempts, [(0.0, 9.0)], 9.0, [2], 0.0, 9.0)

    assert (time_use.waiting_s, time_use.queued_s, time_use.running_mean) == (1, 4, 1)
    assert [step.job for step in time_use.path] == ["a"], "what has not ended has no length yet"


def test_the_night_between_two_engines_is_no_waiting() -> None:
    attempts = [
        (0, 1.0, 1.0, 4.0),
        (1, 4.0, 4.0, 50.0),  # lost: its end was written by the next engine
        (1, 51.0, 51.0, 60.0),
        (2, 52.0, 52.0, 53.0),
    ]

    spans = [(0.0, 4.0), (50.0, 61.0)]
    time_use = time_use_of(JOBS, LOCAL_SITES, attempts, spans, 13.0, [1, 3], 0.0, 61.0)

    assert time_use.waiting_s == 1 + 1 + 2
    assert time_use.cores == pytest.approx((4 * 1 + 11 * 3) / 15)
    assert time_use.cores_asked_mean == pytest.approx((3 + 2 * 9) / 15), "the lost attempt ran no time"


def test_a_run_that_never_started_took_nothing() -> None:
    time_use = time_use_of(JOBS, LOCAL_SITES, [], [], 0.0, [], 0.0, 0.0)

    assert (time_use.running_mean, time_use.running_peak, time_use.path, time_use.cores) == (0, 0, [], None)
