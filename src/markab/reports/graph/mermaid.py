"""A drawing in the Mermaid language, which GitHub, GitLab and many editors render."""

from __future__ import annotations

import re

from markab.reports.graph.drawing import Drawing, Edge, Node
from markab.reports.graph.labels import lines_of, states_present, worst
from markab.reports.graph.state_styles import NOT_RUN, STATE_STYLES

BRACKETS = {
    "file": ("[/", "/]"),
    "subworkflow": ("[[", "]]"),
    "stage_in": (">", "]"),
    "stage_out": (">", "]"),
    "stage_inter": (">", "]"),
    "create_dir": ("([", "])"),
    "cleanup": ("([", "])"),
    "register": ("([", "])"),
}
"""Kind → the brackets around its label, which are Mermaid's notation of a shape."""

_UNSAFE = re.compile(r"[^\w .,:=/+×✓✗▶◔?·–-]")


def to_mermaid(drawing: Drawing) -> str:
    """Return the drawing as a flowchart."""
    lines = ["flowchart TD"]
    for number, node in enumerate(drawing.nodes):
        left, right = BRACKETS.get(node.kind, ("(", ")"))
        state = worst(node.states)
        lines.append(f'    n{number}{left}"{_label(node)}"{right}{":::" + _class(state) if state else ""}')
    lines += [f"    n{edge.tail} {_arrow(edge)} n{edge.head}" for edge in drawing.edges]
    for state in states_present(drawing):
        look = STATE_STYLES[state]
        dashes = ",stroke-dasharray:4" if state in NOT_RUN else ""
        lines.append(f"    classDef {_class(state)} fill:{look.fill},stroke:{look.color},color:#111{dashes}")
    return "\n".join([*lines, ""])


def _label(node: Node) -> str:
    # Mermaid does not allow an empty label.
    return "<br>".join(_escape(line) for line in lines_of(node)) or " "


def _escape(text: str) -> str:
    """Return text without markup: Mermaid writes special characters as `#35;`."""
    # A zero-width character between `\` and `n`: Mermaid reads the two as a line end, however they are written.
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", text.replace("\\n", "\\\u200bn"))


def _class(state: str) -> str:
    return state.replace("-", "_")


def _arrow(edge: Edge) -> str:
    if edge.dashed:
        return "-.->"
    return f"-->|{edge.weight:,}|" if edge.weight > 1 else "-->"
