"""The text in the boxes of a drawing, for every format."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markab.formatting import printable
from markab.reports.graph.drawing import Drawing, Node
from markab.reports.graph.state_styles import STATE_STYLES

_BLANK = re.compile("\r\n?|[\t\x0b\x0c\x85\u2028\u2029]")

BY_URGENCY = ("failed", "lost", "running", "queued")
"""States that decide the colour of a group as soon as one of its jobs is in them."""
CALM = ("waiting", "skipped", "not-run", "succeeded")


def showable(text: str) -> str:
    """Return text of which every character can be shown in any format: as `printable`, and blanks for tabs and odd line ends."""
    return printable(_BLANK.sub(lambda found: "\n" if found[0] == "\r\n" else " ", text))


def worst(states: Mapping[str, int]) -> str:
    """Return the state that colours a group: the one that needs attention first, else the most frequent."""
    if urgent := next((state for state in BY_URGENCY if states.get(state)), ""):
        return urgent
    return max(CALM, key=lambda state: states.get(state, 0)) if states else ""


def lines_of(node: Node) -> list[str]:
    """Return the label, the number of jobs, and their states."""
    lines = showable(node.label).split("\n")
    if node.jobs > 1:
        lines[0] += f" × {node.jobs:,}"
    if text := states_text(node):
        lines.append(text)
    return lines


def states_text(node: Node) -> str:
    """Return the states of a node as words and signs: `✓ succeeded`, or `✓ 9,990  ✗ 10` for a group."""
    if node.jobs == 1:
        return "".join(f"{STATE_STYLES[state].sign} {STATE_STYLES[state].word}" for state in node.states)
    return "  ".join(
        f"{look.sign} {node.states[state]:,}"
        for state, look in STATE_STYLES.items()
        if node.states.get(state)
    )


def states_present(drawing: Drawing) -> list[str]:
    """Return the states that occur, in the order of a legend."""
    return [state for state in STATE_STYLES if any(state in node.states for node in drawing.nodes)]
