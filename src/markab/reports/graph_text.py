"""What stands in the boxes of a drawing, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping

from markab.reports.graph import Drawing, Node
from markab.reports.graph_states import LOOKS

BY_URGENCY = ("failed", "lost", "running", "queued", "waiting", "not-run", "succeeded")


def worst(states: Mapping[str, int]) -> str:
    """Return the state that a group is coloured by: the one that a user should look at first."""
    return next((state for state in BY_URGENCY if states.get(state)), "")


def lines_of(node: Node) -> list[str]:
    """Return the label, how many jobs it stands for, and how they are doing."""
    lines = node.label.split("\n")
    if node.jobs > 1:
        lines[0] += f" × {node.jobs:,}"
    if text := states_text(node):
        lines.append(text)
    return lines


def states_text(node: Node) -> str:
    """Return the states of a node in words and signs: `✓ succeeded`, or `✓ 9,990  ✗ 10` for a group."""
    if node.jobs == 1:
        return "".join(f"{LOOKS[state].sign} {LOOKS[state].word}" for state in node.states)
    return "  ".join(
        f"{look.sign} {node.states[state]:,}" for state, look in LOOKS.items() if node.states.get(state)
    )


def states_present(drawing: Drawing) -> list[str]:
    """Return the states that occur, in the order of a legend."""
    return [state for state in LOOKS if any(state in node.states for node in drawing.nodes)]
