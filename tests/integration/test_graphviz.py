"""What is written in DOT, read by the real Graphviz: every name arrives as it was, whatever is in it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from integration.packages import have
from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.errors import DrawingError
from markab.operations.drawing import open_graph
from markab.reports.graph.drawing import Drawing, JobGraph, draw
from markab.reports.graph.files import rendered, run_graphviz, write_drawing
from markab.reports.graph.labels import lines_of
from markab.reports.graph.state_styles import STATE_STYLES
from markab.reports.graph.svg import to_svg

pytestmark = pytest.mark.integration

NAMES = [
    'a"b',
    '"',
    "back\\slash",
    "ends in \\",
    "\\N \\G \\E \\l \\n",
    '\\"',
    "<b>bold</b>",
    "<<b>html</b>>",
    "a & b &amp; &lt; &#65;",
    "naïve 日本語 🧬",
    "two\nlines",
    "a tab\there",
    "windows\r\nline",
    "\x01\x1b[0m",
    "{a|b} [x] (y)",
    "a;b#c //d /* e */",
    "",
    "graph",
    "1",
    "ns::align:0.7",
    "x" * 300,
]
KINDS = (
    "compute",
    "stage_in",
    "stage_out",
    "stage_inter",
    "create_dir",
    "cleanup",
    "register",
    "subworkflow",
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", autouse=True)
def graphviz() -> None:
    if have("dot", package="graphviz") is None:
        pytest.skip("no Graphviz is installed, and it cannot be")


def chain(is_run: bool) -> JobGraph:
    """Return a graph in which everything that can be named has each of the names."""
    count, states = len(NAMES), list(STATE_STYLES)
    return JobGraph(
        name="".join(NAMES[:9]),
        ids=NAMES,
        labels=NAMES,
        xforms=NAMES,
        kinds=[KINDS[job % len(KINDS)] for job in range(count)],
        parents=[[job - 1] if job else [] for job in range(count)],
        files=lambda job: (NAMES[job - 1 : job], [NAMES[job]]),
        states=[states[job % len(states)] for job in range(count)] if is_run else None,
    )


def texts(lines: list[str]) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in lines if line.split())


def boxes(svg: bytes) -> list[tuple[str, ...]]:
    groups = [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") == "node"]
    return sorted(texts(["".join(text.itertext()) for text in group.iter(f"{SVG}text")]) for group in groups)


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(draw(chain(False)), id="abstract"),
        pytest.param(draw(chain(True)), id="executable"),
        pytest.param(draw(chain(True), files=True), id="with files"),
        pytest.param(draw(chain(True), jobs_shown=0), id="summarised"),
        pytest.param(draw(chain(False), jobs_shown=3), id="in bands of levels"),
    ],
)
def test_every_name_arrives_as_it_was(drawing: Drawing) -> None:
    svg = rendered(drawing, "svg")

    assert boxes(svg) == sorted(texts(lines_of(node)) for node in drawing.nodes)
    arrows = [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") == "edge"]
    assert len(arrows) == len(drawing.edges)
    assert ElementTree.fromstring(to_svg(drawing)).tag == f"{SVG}svg"


def test_pictures_are_of_the_kind_that_the_ending_says(tmp_path: Path) -> None:
    entries = [began(), start(0), end(0), start(1), failed(1), gave_up(1), ended("failed")]
    run = make_run(tmp_path / "run", [compute("a"), compute("b"), compute("c", 1)], entries)

    drawing = draw(open_graph(run))
    for name, begin in (("w.png", b"\x89PNG"), ("w.pdf", b"%PDF"), ("w.gif", b"GIF8"), ("w.svg", b"<?xml")):
        write_drawing(drawing, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)


@pytest.mark.parametrize(
    ("width", "height", "pixels"), [(4, None, (384, None)), (None, 3, (None, 288)), (2, 6, (192, 576))]
)
def test_a_picture_has_the_given_size_and_keeps_its_shape_where_one_side_is_not_given(
    width: float | None, height: float | None, pixels: tuple[int | None, int | None]
) -> None:
    png = rendered(draw(chain(False), jobs_shown=3), "png", width, height)
    natural = rendered(draw(chain(False), jobs_shown=3), "png")

    wide, high = size_of(png)
    for found, wanted in zip((wide, high), pixels, strict=True):
        assert wanted is None or wanted - 12 <= found <= wanted
    if None in pixels:
        assert wide / high == pytest.approx(size_of(natural)[0] / size_of(natural)[1], rel=0.05)


def size_of(png: bytes) -> tuple[int, int]:
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def test_what_graphviz_does_not_know_is_an_error_with_its_words() -> None:
    with pytest.raises(DrawingError, match='"nonsense" not recognized'):
        run_graphviz("digraph {}", "nonsense")
