"""The styles of states in drawings: a colour, a sign and a word each, so that none depends on colour alone.

The colours are those of Okabe and Ito, distinguishable with any kind of colour vision.
"""

from __future__ import annotations

from typing import NamedTuple

from markab.journal.lifecycle import State
from markab.journal.run_reader import RunReader


class StateStyle(NamedTuple):
    """The style of one state."""

    word: str
    sign: str
    color: str
    """Colour of bars and borders."""
    fill: str
    """Colour of boxes that hold dark text."""


STATE_STYLES: dict[str, StateStyle] = {
    "succeeded": StateStyle("succeeded", "✓", "#009e73", "#d3f0e5"),
    "failed": StateStyle("failed", "✗", "#d55e00", "#fbd9c4"),
    "incomplete": StateStyle("done in part", "◑", "#e69f00", "#fbe9c6"),
    "running": StateStyle("running", "▶", "#0072b2", "#cfe5f5"),
    "queued": StateStyle("queued", "◔", "#56b4e9", "#e2f2fc"),
    "lost": StateStyle("lost with the engine", "?", "#cc79a7", "#f7e3ee"),
    "waiting": StateStyle("waiting", "·", "#8c8c8c", "#f1f1f1"),
    "skipped": StateStyle("skipped", "⊘", "#a08f70", "#f5efe3"),
    "not-run": StateStyle("not started", "–", "#b8b8b8", "#fafafa"),
}
"""State as shown → its style; the second row has the failures, the third what they held back, the rest is ordered by progress."""

CODES = {state: number for number, state in enumerate(STATE_STYLES)}
"""State as shown → its number in packed data."""


NOT_RUN = ("skipped", "not-run")
"""The states of jobs that the run left out."""


def shown_states(run: RunReader) -> list[str]:
    """Return the state of every job as shown: one that waits in a run that has ended was not started."""
    living = run.state == "Running"
    waits = "not-run" if run.state in ("Failure", "Removed", "Success") else "waiting"
    table = {
        State.WAITING: waits,
        State.READY: waits,
        State.PAUSED: waits,
        State.QUEUED: "queued" if living else "lost",
        State.RUNNING: "running" if living else "lost",
        State.SUCCEEDED: "succeeded",
        State.FAILED: "failed",
        State.SKIPPED: "skipped",
        State.INCOMPLETE: "incomplete",
    }
    by_number = [table[State(number)] for number in range(len(State))]
    return [by_number[state] for state in run.job_states()]
