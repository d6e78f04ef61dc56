"""What of a worker's record the journal holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.journal.records import cleaned

plain = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**63) + 1, 2**63 - 1)
values = st.recursive(
    plain | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1, 1.0 and True are not the same."""
    return repr(one) == repr(other)


@given(values)
def test_what_json_can_hold_stays_what_it_is(value: Any) -> None:
    assert same(cleaned(value), value)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**63), str(-(2**63))),
        ((1, (2.5, None)), [1, [2.5, None]]),
        ({1: b"a\xff", b"k": True}, {"1": "a\ufffd", "k": True}),
        ("a\udcffb", "a\ufffdb"),
        ("\ud800", "?"),
        ("é\udcc3\udca9", "éé"),
        (complex(1, 2), "(1+2j)"),
    ],
)
def test_what_it_cannot_hold_becomes_text(value: Any, held: Any) -> None:
    assert same(cleaned(value), held)


def test_a_number_that_is_none_stays_a_number() -> None:
    assert math.isnan(cleaned(math.nan))
