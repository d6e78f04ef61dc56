"""Orders in which files fit into bounded scratch directories, of random graphs."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from markab.planner.scratch_order import (
    NO_SITE,
    Order,
    Removal,
    ScratchFile,
    SpaceNeed,
    find_order,
    sufficient_bounds,
)


@dataclass
class Graph:
    """Jobs that each may make a file, at one of two sites, and read files of jobs before."""

    parents: list[list[int]]
    needs: list[SpaceNeed]
    files: list[ScratchFile]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    parents: list[list[int]] = []
    needs, users, sizes = [], [], []
    for job in range(draw(st.integers(1, 30))):
        parents.append(sorted(draw(st.sets(st.integers(0, job - 1), max_size=3))) if job else [])
        site = draw(st.integers(NO_SITE, 1))
        size = draw(st.integers(0, 100)) if site != NO_SITE else 0
        needs.append(SpaceNeed(site, draw(st.integers(0, 20)) if site != NO_SITE else 0, size))
        users.append([job])
        sizes.append(size)
        for parent in parents[job]:
            users[parent].append(job)
    files = [
        ScratchFile(need.site, size, its)
        for need, size, its in zip(needs, sizes, users, strict=True)
        if need.site != NO_SITE and draw(st.booleans())
    ]
    return Graph(parents, needs, files)


def checked_peaks(graph: Graph, order: Order) -> list[int]:
    """Check that an order does every job once after its parents, and removes every file once after its users; return its peaks."""
    done: set[int] = set()
    removed: set[int] = set()
    used, peaks = [0, 0], [0, 0]
    for step in order.steps:
        if isinstance(step, Removal):
            for number in step.files:
                assert number not in removed
                assert set(graph.files[number].users) <= done, "a file is removed before its last user"
                assert graph.files[number].site == step.site
                used[step.site] -= graph.files[number].size_bytes
                removed.add(number)
            continue
        assert step not in done
        assert done.issuperset(graph.parents[step]), "a job comes before a parent"
        done.add(step)
        need = graph.needs[step]
        if need.site != NO_SITE:
            used[need.site] += need.adds_bytes
            peaks[need.site] = max(peaks[need.site], used[need.site] + need.own_bytes)
    assert done == set(range(len(graph.parents)))
    assert removed == set(range(len(graph.files)))
    return peaks


@settings(deadline=None, max_examples=60)
@given(graphs(), st.integers(0, 600), st.integers(0, 600))
def test_an_order_keeps_below_its_bounds_or_says_that_it_does_not(graph: Graph, one: int, two: int) -> None:
    order = find_order(graph.parents, graph.needs, graph.files, [one, two])

    peaks = checked_peaks(graph, order)
    assert peaks == order.peaks
    assert (order.lack is None) == (peaks[0] <= one and peaks[1] <= two)
    assert order.lack is None or order.lack.bytes_lacking > 0
    assert order == find_order(graph.parents, graph.needs, graph.files, [one, two]), "same input, same order"


@settings(deadline=None, max_examples=60)
@given(graphs(), st.integers(0, 100))
def test_the_bounds_that_are_said_to_be_enough_are_enough(graph: Graph, bound: int) -> None:
    enough = sufficient_bounds(graph.parents, graph.needs, graph.files, [bound, bound])

    assert find_order(graph.parents, graph.needs, graph.files, enough).lack is None


def test_what_was_begun_is_finished_before_more_is_begun() -> None:
    """Ten pairs of a job that makes a file of 100 bytes and one that makes 1 byte of it."""
    parents = [[] if job % 2 == 0 else [job - 1] for job in range(20)]
    needs = [SpaceNeed(0, 0, 100 if job % 2 == 0 else 1) for job in range(20)]
    files = [ScratchFile(0, 100, [job, job + 1]) for job in range(0, 20, 2)]

    order = find_order(parents, needs, files, [120])

    assert order.lack is None
    assert order.peaks == [110]
