from __future__ import annotations

from markab.journal.lifecycle import ALIVE, FINAL, TRANSITIONS, WITHOUT_SUCCESS, Event, State


def test_only_final_states_have_no_transition_out() -> None:
    assert FINAL == set(State) - {state for state, _ in TRANSITIONS}


def test_a_job_is_tried_again_in_the_next_call_unless_it_succeeded() -> None:
    assert WITHOUT_SUCCESS == FINAL - {State.SUCCEEDED}


def test_every_state_is_reached_and_every_event_is_used() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_only_an_attempt_of_an_earlier_call_makes_a_job_wait_again() -> None:
    assert {event for (_, event), state in TRANSITIONS.items() if state is State.WAITING} == {Event.UNTIMELY}


def test_an_attempt_ends_the_same_whether_it_was_seen_running_or_not() -> None:
    ends = {
        Event.DONE: State.SUCCEEDED,
        Event.RETRY: State.READY,
        Event.RETRY_LATER: State.PAUSED,
        Event.GIVE_UP: State.FAILED,
        Event.RETURNED: State.READY,
        Event.PART_DONE: State.INCOMPLETE,
        Event.UNTIMELY: State.WAITING,
    }
    for state in ALIVE:
        assert {event: TRANSITIONS[state, event] for event in ends} == ends


def test_only_a_ready_job_is_submitted() -> None:
    assert [state for state, event in TRANSITIONS if event is Event.SUBMITTED] == [State.READY]


def test_an_attempt_that_its_site_holds_or_requeues_no_longer_runs() -> None:
    assert TRANSITIONS[State.RUNNING, Event.REQUEUED] is State.QUEUED
