"""Assigning GPUs to attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.executors.gpus import VARIABLES, Gpus


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, "0,1"), ("3, 5,7", "3,5"), ("GPU-ab,MIG-cd", "GPU-ab,MIG-cd"), ("-1", "0,1"), ("4", "4,1")],
)
def test_devices_are_named_as_the_user_named_them_or_counted(visible: str | None, expected: str) -> None:
    gpus = Gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})

    assert gpus.environ(gpus.take(2)) == dict.fromkeys(VARIABLES, expected)


def test_an_attempt_without_gpus_inherits_the_variables_of_the_engine() -> None:
    gpus = Gpus({"CUDA_VISIBLE_DEVICES": "1"})
    assert gpus.environ(gpus.take(0)) == {}


@given(st.lists(st.integers(0, 3), max_size=30))
def test_no_two_attempts_have_the_same_device(steps: list[int]) -> None:
    """A step of 0 releases what was taken first."""
    gpus = Gpus({})
    held: list[list[int]] = []
    most = 0
    for count in steps:
        if count:
            held.append(gpus.take(count))
        elif held:
            gpus.give_back(held.pop(0))
        flat = [position for taken in held for position in taken]
        assert len(flat) == len(set(flat))
        most = max(most, len(flat))
        assert all(position < most for position in flat), "the lowest first"
