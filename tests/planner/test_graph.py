"""Graphs of ints against networkx."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.planner.graph import children_of, find_cycle, levels_of, topological_order

Parents = list[list[int]]


@st.composite
def any_graph(draw: st.DrawFn) -> Parents:
    n = draw(st.integers(1, 12))
    return [sorted(draw(st.sets(st.integers(0, n - 1), max_size=3)) - {node}) for node in range(n)]


@st.composite
def acyclic_graph(draw: st.DrawFn) -> Parents:
    n = draw(st.integers(1, 12))
    label = draw(st.permutations(range(n)))
    parents: Parents = [[] for _ in range(n)]
    for node in range(1, n):
        chosen = draw(st.sets(st.integers(0, node - 1), max_size=3))
        parents[label[node]] = sorted(label[parent] for parent in chosen)
    return parents


def as_networkx(parents: Parents) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(parents)))
    graph.add_edges_from((parent, node) for node, its in enumerate(parents) for parent in its)
    return graph


@given(any_graph())
def test_levels_exist_exactly_when_there_is_no_cycle(parents: Parents) -> None:
    assert nx.is_directed_acyclic_graph(as_networkx(parents)) == (levels_of(parents) is not None)


@given(any_graph())
def test_the_cycle_that_is_named_is_one(parents: Parents) -> None:
    cycle = find_cycle(parents)

    assert bool(cycle) != nx.is_directed_acyclic_graph(as_networkx(parents))
    for node, following in zip(cycle, [*cycle[1:], *cycle[:1]], strict=True):
        assert node in parents[following]


@given(acyclic_graph())
def test_a_level_is_the_length_of_the_longest_way_down(parents: Parents) -> None:
    graph = as_networkx(parents)
    levels = levels_of(parents)
    assert levels is not None
    for level, nodes in enumerate(nx.topological_generations(graph)):
        assert {level} == {levels[node] for node in nodes}


@given(acyclic_graph(), st.data())
def test_a_topological_order_has_parents_first_and_lower_ranks_early(
    parents: Parents, data: st.DataObject
) -> None:
    rank = data.draw(st.lists(st.integers(0, 3), min_size=len(parents), max_size=len(parents)))

    order = topological_order(parents, rank)

    expected = nx.lexicographical_topological_sort(as_networkx(parents), key=lambda node: (rank[node], node))
    assert list(expected) == order


def test_an_order_of_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        topological_order([[1], [0]], [0, 0])


def test_children_are_ascending() -> None:
    assert [[1, 2], [2], []] == children_of([[], [0], [0, 1]])
