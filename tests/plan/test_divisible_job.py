"""What is left to do of a job when jobs before it failed."""

from __future__ import annotations

import pytest

from markab.plan.divisible_job import has_nothing_to_do, is_divisible
from markab.plan.model import Kind


def test_jobs_that_serve_others_are_divisible_but_not_the_removal_of_a_scratch() -> None:
    found = {kind for kind in Kind if is_divisible(kind, removes_scratch=False)}
    assert found == {Kind.STAGE_INTER, Kind.STAGE_OUT, Kind.REGISTER, Kind.CLEANUP}
    assert not any(is_divisible(kind, removes_scratch=True) for kind in Kind)


@pytest.mark.parametrize(
    ("makers", "failed", "lacks_directory", "expected"),
    [
        (0, 0, False, False),
        (0, 1, False, True),
        (2, 0, False, False),
        (2, 1, False, False),
        (2, 2, False, True),
        (2, 1, True, True),
    ],
)
def test_a_divisible_job_needs_one_maker_and_every_directory_and_others_need_all(
    makers: int, failed: int, lacks_directory: bool, expected: bool
) -> None:
    assert has_nothing_to_do(makers, failed, lacks_directory=lacks_directory) == expected
