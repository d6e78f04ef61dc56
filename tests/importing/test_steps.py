"""Steps put together into jobs: whatever they touch, running the jobs leaves what running the steps in order leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from markab.importing.steps import Step, grouped, outside_reads

FILES = st.sets(st.sampled_from("abcdef"), max_size=3)


def step(line: int, reads: str = "", writes: str = "") -> Step:
    return Step(f"s{line}", line, "", set(reads), set(writes))


def lines(groups: list[list[Step]]) -> list[list[int]]:
    return [[each.line for each in group] for group in groups]


def run(steps: list[Step], world: dict[str, tuple]) -> None:
    """Each step writes into its files what it is and what it has read."""
    for each in steps:
        seen = tuple((name, world.get(name)) for name in sorted(each.reads))
        world.update(dict.fromkeys(sorted(each.writes), (each.line, seen)))


def test_steps_without_common_files_are_jobs_of_their_own() -> None:
    assert lines(grouped([step(1, "a", "b"), step(2, "b", "c"), step(3, "a", "d")])) == [[1], [3], [2]]


def test_steps_that_write_one_file_are_one_job_with_those_that_read_it_in_between() -> None:
    steps = [step(1, "", "a"), step(2, "a", "b"), step(3, "a", "a"), step(4, "a", "c"), step(5, "", "d")]

    assert sorted(lines(grouped(steps))) == [[1, 2, 3], [4], [5]]


def test_steps_that_would_wait_for_each_other_are_one_job() -> None:
    steps = [step(1, "", "a"), step(2, "a", "b"), step(3, "b", "a"), step(4, "a", "c")]

    assert lines(grouped(steps)) == [[1, 2, 3], [4]]


@given(st.lists(st.tuples(FILES, FILES), max_size=8))
def test_jobs_leave_the_files_that_the_steps_leave_and_each_is_made_by_one(pairs: list) -> None:
    steps = [Step(f"s{i}", i, "", set(reads), set(writes)) for i, (reads, writes) in enumerate(pairs)]
    written = {name for each in steps for name in each.writes}
    first = {name: min(i for i, s in enumerate(steps) if name in s.writes) for name in written}
    # What is read before it is written was there before; that is refused elsewhere.
    for i, each in enumerate(steps):
        each.reads -= {name for name in each.reads & written if first[name] >= i}
    expected: dict[str, tuple] = {}
    run(steps, expected)

    groups = grouped(steps)

    found: dict[str, tuple] = {}
    made: set[str] = set()
    for group in groups:
        assert outside_reads(group) & written <= made
        writes = {name for each in group for name in each.writes}
        assert not writes & made
        made |= writes
        run(group, found)
    assert found == expected
    assert sorted(each.line for group in groups for each in group) == list(range(len(steps)))
