"""The share of time that a repeated piece of work may take."""

from __future__ import annotations

import pytest

from markab.engine.time_share import MOST_SAVED_S, TimeShare


def test_work_takes_no_more_than_its_share_of_a_long_time() -> None:
    share, now_s, spent_s = TimeShare(0.05), 0.0, 0.0
    while now_s < 1000:
        if share.may_go_on(now_s):
            share.spend(0.02)
            now_s, spent_s = now_s + 0.02, spent_s + 0.02
        else:
            now_s += 0.001

    assert spent_s == pytest.approx(0.05 * 1000, rel=0.01)


def test_a_long_rest_saves_no_more_than_a_short_burst() -> None:
    share = TimeShare(0.5)
    share.may_go_on(0.0)
    share.may_go_on(1e6)
    share.spend(MOST_SAVED_S)

    assert not share.may_go_on(1e6) and share.may_go_on(1e6 + 0.01)


def test_work_that_costs_nothing_is_never_held_up() -> None:
    share = TimeShare(0.05)

    assert all(share.may_go_on(5.0) for _ in range(1000))
