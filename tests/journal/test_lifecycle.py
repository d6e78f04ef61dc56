from __future__ import annotations

import pytest

from markab.errors import IllegalTransition
from markab.journal.lifecycle import ALIVE, FINAL, TRANSITIONS, Event, State, step


def test_only_final_states_have_no_way_out() -> None:
    assert FINAL == set(State) - {state for state, _ in TRANSITIONS}


def test_every_state_but_the_first_is_reached_and_every_event_is_used() -> None:
    assert set(TRANSITIONS.values()) == set(State) - {State.WAITING}
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_an_attempt_ends_alike_whether_it_was_seen_running_or_not() -> None:
    ends = {
        Event.DONE: State.SUCCEEDED,
        Event.RETRY: State.READY,
        Event.RETRY_LATER: State.PAUSED,
        Event.GIVE_UP: State.FAILED,
        Event.RETURNED: State.READY,
    }
    for state in ALIVE:
        assert {event: step(0, state, event) for event in ends} == ends


def test_only_a_ready_job_is_submitted() -> None:
    assert [state for state, event in TRANSITIONS if event is Event.SUBMITTED] == [State.READY]


def test_an_illegal_move_names_job_state_and_event() -> None:
    with pytest.raises(IllegalTransition, match="position 7 is succeeded: 'done' cannot happen"):
        step(7, State.SUCCEEDED, Event.DONE)
