from __future__ import annotations

import pytest

from markab.spec.units import age_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12h", 43200), ("30d", 30 * 86400), ("1.5 D", 129600), ("2w", 14 * 86400), ("3", 3 * 86400), ("0", 0)],
)
def test_an_age_is_in_days_or_has_a_unit(text: str, seconds: float) -> None:
    assert seconds == age_s(text)


@pytest.mark.parametrize("text", ["", "d", "3m", "3 days", "-1d", "1d 2h", "nan", "1e3d", "9" * 30])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(ValueError):
        age_s(text)
