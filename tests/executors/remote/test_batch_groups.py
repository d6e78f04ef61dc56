"""Which attempts are submitted together, and how many run in one process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.executors.remote.batch_groups import APART, PACKED_S, attempts_an_element, group
from markab.plan.model import Kind, PlannedJob

CONTEXT = RunContext("run", "flow", "/submit", "full", 2, 1, None)


def attempt(number: int, cores: int = 1, runtime_s: float = 0, site: str = "cluster") -> Attempt:
    job = PlannedJob(f"j{number}", Kind.COMPUTE, site, cores=cores, runtime_s=runtime_s)
    return Attempt(AttemptId("run", number, 1), job, CONTEXT, "/scratch", "/work")


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0.0, 1.0, 20.0, 500.0]), st.sampled_from("ab"))),
    st.integers(1, 10),
)
def test_every_attempt_is_in_one_job_with_its_equals_and_no_job_is_too_large(
    asked: list[tuple[int, float, str]], most: int
) -> None:
    attempts = [attempt(n, *one) for n, one in enumerate(asked)]
    groups = list(group(attempts, most))

    placed = [one for each in groups for element in each.elements for one in element]
    assert sorted(one.id for one in placed) == [one.id for one in attempts]
    for each in groups:
        assert 0 < len(each.elements) <= most and all(each.elements)
        members = [one.job for element in each.elements for one in element]
        assert len({(job.cores, job.runtime_s, job.site) for job in members}) == 1
        longest = max(map(len, each.elements)) * members[0].runtime_s
        assert each.request.runtime_s >= longest and each.limit_s <= each.request.runtime_s


@given(st.floats(0, 1e6), st.integers(1, 10**6))
def test_packing_never_costs_parallelism_nor_makes_long_processes(runtime_s: float, count: int) -> None:
    each = attempts_an_element(runtime_s, count)

    assert each >= 1
    if each > 1:
        assert each * runtime_s <= PACKED_S and count / each > APART / 2


def test_attempts_that_do_not_say_how_long_they_take_run_alone() -> None:
    assert attempts_an_element(0, 10**6) == 1
    assert attempts_an_element(1, APART) == 1 and attempts_an_element(1, 10 * APART) == 10


def test_a_task_is_ended_a_little_before_the_limit_that_was_asked_for() -> None:
    (short,) = group([attempt(1, runtime_s=10)], 100)
    (long,) = group([attempt(1, runtime_s=36_000)], 100)
    (unknown,) = group([attempt(1)], 100)

    assert (short.request.runtime_s, short.limit_s) == (60, 54)
    assert (long.request.runtime_s, long.limit_s) == (36_000, 35_970)
    assert (unknown.request.runtime_s, unknown.limit_s) == (0, 0)
