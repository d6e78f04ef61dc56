from markab.executors.registry import BACK_ENDS
from markab.planner.site_executors import AVAILABLE


def test_the_planner_names_the_executors_that_there_are() -> None:
    assert AVAILABLE == BACK_ENDS.keys()
