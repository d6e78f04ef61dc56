"""What is said of a sub-workflow that cannot be planned."""

from __future__ import annotations

from markab.errors import PlanningError, Problem
from markab.operations.child_planning import HINTS, hints_of


def test_the_hints_of_all_problems_are_kept_each_once_and_not_too_many() -> None:
    again, other = "plan with `--sites local`", "register it"
    error = PlanningError(Problem("a", again), Problem("b", again), Problem("c"), Problem("d", other))

    assert hints_of(error) == f"{again}; {other}"
    assert hints_of(PlanningError(*(Problem("x", str(n)) for n in range(9)))).count(";") == HINTS - 1
    assert hints_of(PlanningError(Problem("x"))) == ""
