"""A drawing in the DOT language of Graphviz."""

from __future__ import annotations

import json

from markab.reports.graph import Drawing, Edge, Node
from markab.reports.graph_states import LOOKS
from markab.reports.graph_text import lines_of, worst

SHAPES = {
    "file": "note",
    "subworkflow": "doubleoctagon",
    "stage_in": "cds",
    "stage_out": "cds",
    "stage_inter": "cds",
    "create_dir": "folder",
    "cleanup": "oval",
    "register": "oval",
}
"""Kind → the shape of its box; jobs that compute are rounded boxes."""


def to_dot(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return the drawing as DOT text; `width` and `height` are in inches."""
    lines = [f"digraph {_quote(drawing.name)} {{"]
    if width or height:
        lines.append(f'    size="{width or 100:g},{height or 100:g}"; ratio=fill;')
    lines.append('    node [shape=box, style="rounded,filled", fillcolor="#e8eef7", fontname=Helvetica];')
    lines.append('    edge [color="#6b7280"];')
    lines += [f"    {_quote(node.key)} [{_attributes(node)}];" for node in drawing.nodes]
    for edge in drawing.edges:
        ends = f"{_quote(drawing.nodes[edge.tail].key)} -> {_quote(drawing.nodes[edge.head].key)}"
        lines.append(f"    {ends}{_edge_attributes(edge)};")
    return "\n".join([*lines, "}", ""])


def _attributes(node: Node) -> str:
    found = {"label": "\n".join(lines_of(node))}
    if node.kind == "file":
        found |= {"shape": "note", "style": "filled", "fillcolor": "white"}
    elif shape := SHAPES.get(node.kind):
        found |= {"shape": shape, "style": "filled"}
    if state := worst(node.states):
        found |= {"fillcolor": LOOKS[state].fill, "color": LOOKS[state].color}
        if state == "not-run":
            found["style"] = found.get("style", "rounded,filled") + ",dashed"
    return ", ".join(f"{key}={_quote(value)}" for key, value in found.items())


def _edge_attributes(edge: Edge) -> str:
    if edge.dashed:
        return " [style=dashed]"
    if edge.weight > 1:
        return f" [label={_quote(f'{edge.weight:,}')}, penwidth={1 + min(len(str(edge.weight)), 5) / 2:g}]"
    return ""


def _quote(text: str) -> str:
    # Graphviz reads `&amp;` and its kind in labels, so a plain & has to be one.
    return json.dumps(text.replace("&", "&amp;"), ensure_ascii=False)
