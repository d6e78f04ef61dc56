"""The tree of sums, compared with adding up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from markab.engine.order_peaks import NOTHING, OrderPeaks

STEP = st.tuples(st.integers(-50, 50), st.one_of(st.just(NOTHING), st.integers(0, 50)))


def added_up(steps: list[tuple[int, int]]) -> int:
    used, peak = 0, NOTHING
    for leaves, needs in steps:
        peak = max(peak, used + needs)
        used += leaves
    return peak


@given(
    st.lists(STEP, min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 19), st.sampled_from(["set", "add", "leave more"]), STEP), max_size=10),
)
def test_peaks_are_those_of_the_steps_as_they_are_now(
    steps: list[tuple[int, int]], changes: list[tuple[int, str, tuple[int, int]]]
) -> None:
    order = OrderPeaks([leaves for leaves, _ in steps], [needs for _, needs in steps])
    for at, way, step in changes:
        if at >= len(steps):
            continue
        leaves, needs = steps[at]
        if way == "set":
            steps[at] = step
            order.set(at, *step)
        elif way == "add":
            steps[at] = leaves, needs + step[0] if needs > NOTHING else NOTHING
            order.add(at, step[0])
        else:
            steps[at] = leaves + step[0], needs
            order.leave_more(at, step[0])

    for at in range(len(steps)):
        expected = added_up(steps[:at])
        assert order.before(at) == expected or max(order.before(at), expected) < NOTHING // 2
    assert order.peak == added_up(steps) or max(order.peak, added_up(steps)) < NOTHING // 2
