"""A drawing in the DOT language of Graphviz."""

from __future__ import annotations

import json

from markab.formatting import printable
from markab.reports.graph.drawing import Drawing, Edge, Node
from markab.reports.graph.labels import lines_of, showable, worst
from markab.reports.graph.state_styles import NOT_RUN, STATE_STYLES

SHAPES = {
    "file": "note",
    "subworkflow": "doubleoctagon",
    "stage_in": "box",
    "stage_out": "box",
    "stage_inter": "box",
    "create_dir": "folder",
    "cleanup": "oval",
    "register": "oval",
}
"""Kind → the shape of its box: compute jobs are rounded, jobs that move files have cut corners."""


UNBOUND = 1000
"""Inches, for the side that was not given."""
FONT = 'fontname="Helvetica,Arial,sans-serif"'
STYLE = (
    "graph [nodesep=0.2, ranksep=0.4];",
    f'node [shape=box, style="rounded,filled", fillcolor="#e8eef7", color="#7c8ea8", fontsize=12, {FONT}, margin="0.16,0.06", height=0.3];',
    f'edge [color="#6b7280", fontcolor="#5b6675", fontsize=10, {FONT}, arrowsize=0.7];',
)


def to_dot(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return the drawing as DOT text; `width` and `height` are in inches."""
    lines = [f"digraph {dot_string(showable(drawing.name))} {{"]
    if width and height:
        lines.append(f'    size="{width:g},{height:g}"; ratio=fill;')
    elif width or height:  # `!`: as large as that allows
        lines.append(f'    size="{width or UNBOUND:g},{height or UNBOUND:g}!";')
    lines += [f"    {line}" for line in STYLE]
    lines += [f"    {dot_string(node.key)} [{_attributes(node)}];" for node in drawing.nodes]
    for edge in drawing.edges:
        ends = f"{dot_string(drawing.nodes[edge.tail].key)} -> {dot_string(drawing.nodes[edge.head].key)}"
        lines.append(f"    {ends}{_edge_attributes(edge)};")
    return "\n".join([*lines, "}", ""])


def _attributes(node: Node) -> str:
    found = {"label": "\n".join(lines_of(node))}
    if node.kind == "file":
        found |= {"shape": "note", "style": "filled", "fillcolor": "white"}
    elif shape := SHAPES.get(node.kind):
        found |= {"shape": shape, "style": "filled,diagonals" if shape == "box" else "filled"}
        if shape == "oval":
            found["margin"] = "0,0"
    if state := worst(node.states):
        found |= {"fillcolor": STATE_STYLES[state].fill, "color": STATE_STYLES[state].color}
        if state in NOT_RUN:
            found["style"] = found.get("style", "rounded,filled") + ",dashed"
    return ", ".join(f"{key}={dot_string(value)}" for key, value in found.items())


def _edge_attributes(edge: Edge) -> str:
    if edge.dashed:
        return " [style=dashed]"
    if edge.weight > 1:
        return (
            f" [label={dot_string(f' {edge.weight:,}')}, penwidth={1 + min(len(str(edge.weight)), 5) / 2:g}]"
        )
    return ""


def dot_string(text: str) -> str:
    """Return text as a string of the DOT language; it stands for itself, except for what `printable` escapes."""
    # Graphviz reads entities such as `&amp;` in labels, so a plain & must be written as one.
    return json.dumps(printable(text).replace("&", "&amp;"), ensure_ascii=False)
