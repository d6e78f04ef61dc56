"""A drawing as SVG, with our own layout: for machines without Graphviz, and for the HTML report.

Colours are CSS variables with a light and a dark set, so that the picture follows the
page or the viewer that shows it.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise

from markab.formatting import count
from markab.reports.graph.drawing import Drawing, Edge, Node, ranks
from markab.reports.graph.labels import lines_of, showable, states_present, worst
from markab.reports.graph.layout import Point, lay_out
from markab.reports.graph.state_styles import STATE_STYLES

CHARACTER_WIDTH = 6.9
"""Width of the mean character at FONT_PX in the usual `sans-serif` fonts of browsers."""
FONT_PX = 12
LINE_PX = 16
MARGIN = 16
CHARACTERS = 34
ROUND = {"create_dir", "cleanup", "register"}
MOVING = {"stage_in", "stage_out", "stage_inter"}

STYLE = """\
.wfg{--ink:#1c2430;--soft:#5b6675;--line:#98a2b0;--box:#e8eef7;--edge:#7c8ea8;--paper:#fff;font:12px system-ui,sans-serif}
.wfg text{fill:var(--ink);text-anchor:middle}.wfg .sub{fill:var(--soft);font-size:11px}
.wfg .e{fill:none;stroke:var(--line);stroke-width:1.2}.wfg .d{stroke-dasharray:4 3}.wfg .a{fill:var(--line)}
.wfg .w{fill:var(--soft);font-size:10px;paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.wfg .n{fill:var(--box);stroke:var(--edge);stroke-width:1.3}.wfg .file{fill:var(--paper)}
"""
PAPER = ".wfg{background:var(--paper);border-radius:6px;max-width:100%;height:auto}"
"""A picture in a notebook has its own light background: it cannot detect whether the page is dark."""
DARK_INK = "--ink:#e7ebf1;--soft:#a9b4c2;--line:#5f6b7b;--box:#243042;--edge:#6d83a3;--paper:#12171f"


def style(dark: str) -> str:
    """Return the style sheet; `dark` is a template with `{}` that selects when the dark colours apply."""
    light = [f".wfg .s-{name}{{fill:{look.fill};stroke:{look.color}}}" for name, look in STATE_STYLES.items()]
    light += [f".wfg .b-{name}{{fill:{look.color}}}" for name, look in STATE_STYLES.items()]
    light.append(".wfg .s-skipped,.wfg .s-not-run,.wfg .s-waiting{stroke-dasharray:4 3}")
    night = [f".wfg{{{DARK_INK}}}"]
    night += [f".wfg .s-{name}{{fill:{look.color};fill-opacity:.28}}" for name, look in STATE_STYLES.items()]
    return STYLE + "\n".join(light) + "\n" + dark.replace("{}", "\n".join(night)) + "\n"


def to_svg(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return the drawing as a document of its own; `width` and `height` are in inches."""
    css = style("@media(prefers-color-scheme:dark){{}}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + svg_element(drawing, f"<style>{css}</style>", width, height)
        + "\n"
    )


def inline_svg(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return the drawing as an `<svg>` element for any page, on a light background; `width` and `height` are in inches."""
    return svg_element(drawing, f"<style>{style('')}{PAPER}</style>", width, height)


def svg_element(
    drawing: Drawing, inside: str = "", width: float | None = None, height: float | None = None
) -> str:
    """Return the drawing as an `<svg>` element for a page that includes `style`.

    Of `width` and `height`, in inches, one that is not given follows from the other.
    """
    texts = [[_shortened(line) for line in lines_of(node)] for node in drawing.nodes]
    sizes = [_size(node, lines) for node, lines in zip(drawing.nodes, texts, strict=True)]
    found = lay_out(ranks(drawing), [(edge.tail, edge.head) for edge in drawing.edges], sizes)
    legend, legend_px = _legend(drawing)
    wide = max(found.width, legend_px) + 2 * MARGIN
    high = found.height + 2 * MARGIN + (30 if legend else 0)
    left = MARGIN + max(0.0, (legend_px - found.width) / 2)
    size = f' width="{wide:.0f}" height="{high:.0f}"'
    if width or height:
        size = f' width="{width or (height or 0) * wide / high:g}in" height="{height or (width or 0) * high / wide:g}in"'
    parts = [
        f'<svg class="wfg" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}"{size} role="img">',
        f"<title>{escape(showable(drawing.name))}: {count(drawing.jobs, 'job')}</title>",
        inside,
        '<defs><marker id="wfga" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        '<path class="a" d="M0 0.8L8 4L0 7.2z"/></marker></defs>',
        f'<g transform="translate({left:.1f} {MARGIN})">',
    ]
    for edge, route in zip(drawing.edges, found.routes, strict=True):
        parts.append(_arrow(edge, route, sizes[edge.tail][1] / 2, sizes[edge.head][1] / 2))
    for node, lines, center, box in zip(drawing.nodes, texts, found.centers, sizes, strict=True):
        parts.append(_box(node, lines, center, box))
    parts.append("</g>")
    if legend:
        parts.append(f'<g transform="translate({MARGIN} {high - 22:.0f})">{legend}</g>')
    return "\n".join([*filter(None, parts), "</svg>"])


def _shortened(line: str) -> str:
    if len(line) <= CHARACTERS:
        return line
    return f"{line[: CHARACTERS * 2 // 3]}…{line[-CHARACTERS // 3 + 1 :]}"


def _size(node: Node, lines: list[str]) -> tuple[float, float]:
    longest = max(sum(1.7 if ord(c) > 0x2E80 else 1.0 for c in line) for line in lines)
    bar = 8 if len(node.states) > 1 else 0
    return (max(longest * CHARACTER_WIDTH + 20, 44.0), len(lines) * LINE_PX + 12.0 + bar)


def _box(node: Node, lines: list[str], center: Point, size: tuple[float, float]) -> str:
    width, height = size
    left, top = center[0] - width / 2, center[1] - height / 2
    state = worst(node.states)
    names = f"n{' s-' + state if state else ''}{' file' if node.kind == 'file' else ''}"
    at = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    if node.kind in MOVING:
        slant = 9
        corners = (
            (left + slant, top),
            (left + width, top),
            (left + width - slant, top + height),
            (left, top + height),
        )
        shape = f'<polygon class="{names}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>'
    else:
        radius = height / 2 if node.kind in ROUND else 1 if node.kind == "file" else 7
        shape = f'<rect class="{names}" {at} rx="{radius:.1f}"/>'
        if node.kind == "subworkflow":
            inner = f'x="{left + 3:.1f}" y="{top + 3:.1f}" width="{width - 6:.1f}" height="{height - 6:.1f}"'
            shape += f'<rect class="{names}" {inner} rx="4"/>'
    texts = []
    for position, line in enumerate(lines):
        sub = ' class="sub"' if position else ""
        y = top + 6 + LINE_PX * position + 12
        texts.append(f'<text{sub} x="{center[0]:.1f}" y="{y:.1f}">{escape(line)}</text>')
    title = "<title>" + escape("\n".join(lines_of(node))) + "</title>"
    return f"<g>{title}{shape}{''.join(texts)}{_bar(node, left, top + height, width)}</g>"


def _bar(node: Node, left: float, bottom: float, width: float) -> str:
    """Return the shares of states in a group, as a strip at the bottom of its box."""
    if len(node.states) < 2:
        return ""
    at, pieces = left + 10, []
    for state in STATE_STYLES:
        if count := node.states.get(state):
            # A few jobs of many must be visible too, so no piece is thinner than 2.
            share = max(2.0, (width - 20) * count / node.jobs)
            share = min(share, left + width - 10 - at) if at < left + width - 12 else 2.0
            pieces.append(
                f'<rect class="b-{state}" x="{at:.1f}" y="{bottom - 10:.1f}" width="{share:.1f}" height="5"/>'
            )
            at += share
    return "".join(pieces)


def _arrow(edge: Edge, route: list[Point], half_tail: float, half_head: float) -> str:
    points = list(route)
    down = 1 if points[-1][1] >= points[0][1] else -1
    points[0] = (points[0][0], points[0][1] + down * half_tail)
    points[-1] = (points[-1][0], points[-1][1] - down * half_head)
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    thick = f' style="stroke-width:{1 + min(len(str(edge.weight)), 6) * 0.4:.1f}"' if edge.weight > 1 else ""
    names = "e d" if edge.dashed else "e"
    text = ""
    if edge.weight > 1:
        (x0, y0), (x1, y1) = points[0], points[1]
        text = f'<text class="w" x="{(x0 + x1) / 2:.1f}" y="{(y0 + y1) / 2 + 3:.1f}">{edge.weight:,}</text>'
    return f'<path class="{names}" d="{"".join(path)}" marker-end="url(#wfga)"{thick}/>{text}'


def _legend(drawing: Drawing) -> tuple[str, float]:
    at, parts = 0.0, []
    for state in states_present(drawing):
        look = STATE_STYLES[state]
        text = f"{look.sign} {look.word}"
        parts.append(f'<rect class="n s-{state}" x="{at:.0f}" y="0" width="14" height="12" rx="3"/>')
        parts.append(
            f'<text class="sub" style="text-anchor:start" x="{at + 19:.0f}" y="10">{escape(text)}</text>'
        )
        at += 19 + len(text) * CHARACTER_WIDTH + 16
    return "".join(parts), at
