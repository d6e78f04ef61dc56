import json
import random
import re
import shutil
import stat
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.errors import CorruptPlan, DrawingError, MarkabError, NotARun
from markab.operations.drawing import open_graph
from markab.plan.model import Input, Kind, Output, PlannedJob
from markab.reports.graph.dot import to_dot
from markab.reports.graph.drawing import LABELS, Drawing, JobGraph, draw, ranks, without_shortcuts
from markab.reports.graph.files import format_of, rendered, write_drawing
from markab.reports.graph.labels import worst
from markab.reports.graph.layout import GAP, lay_out, spread
from markab.reports.graph.mermaid import to_mermaid
from markab.reports.graph.state_styles import STATE_STYLES
from markab.reports.graph.svg import to_svg

dags = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4, unique=True), min_size=n, max_size=n).map(
        lambda rows: [sorted(p for p in row if p < job) for job, row in enumerate(rows)]
    )
)


def graph_of(parents, xforms=None, files=None, states=None) -> JobGraph:
    ids = [f"j{job}" for job in range(len(parents))]
    return JobGraph(
        "w",
        ids,
        [f"label of {id}" for id in ids],
        xforms or ["tool"] * len(ids),
        ["compute"] * len(ids),
        parents,
        (files or [((), ())] * len(ids)).__getitem__,
        states,
    )


def pairs(drawing: Drawing) -> set[tuple[str, str]]:
    return {(drawing.nodes[e.tail].key, drawing.nodes[e.head].key) for e in drawing.edges}


@given(dags)
def test_leaving_out_shortcuts_is_the_transitive_reduction(parents) -> None:
    graph = networkx.DiGraph((parent, job) for job, above in enumerate(parents) for parent in above)

    kept = {(parent, job) for job, above in enumerate(without_shortcuts(parents)) for parent in above}

    assert kept == set(networkx.transitive_reduction(graph).edges)


def test_files_stand_between_the_jobs_that_make_and_read_them() -> None:
    files = [((), ["x"]), (["x"], ["y"]), ((), ())]
    drawing = draw(graph_of([[], [0], [0]], files=files), files=True)

    assert pairs(drawing) == {
        ("job j0", "file x"),
        ("file x", "job j1"),
        ("job j1", "file y"),
        ("job j0", "job j2"),
    }
    assert [edge.dashed for edge in drawing.edges] == [False, False, False, True]


def test_jobs_above_and_below_one_that_is_left_out_are_joined() -> None:
    graph = graph_of([[], [0], [1], [0]], ["ns::a:1", "mid", "b", "mid"])

    assert pairs(draw(graph, remove=["mid"])) == {("job j0", "job j2")}
    assert pairs(draw(graph, remove=["a"])) == {("job j1", "job j2")}


def test_the_six_labels() -> None:
    texts = {kind: draw(graph_of([[]]), label=kind).nodes[0].label for kind in LABELS}

    assert texts == {
        "label": "label of j0",
        "xform": "tool",
        "id": "j0",
        "xform-id": "tool\nj0",
        "label-xform": "label of j0\ntool",
        "label-id": "label of j0\nj0",
    }
    with pytest.raises(ValueError, match="label-xform"):
        draw(graph_of([[]]), label="colour")


def test_many_jobs_become_groups_with_weights_and_states() -> None:
    wide = 1000
    parents = [[]] + [[0]] * wide + [list(range(1, wide + 1))]
    states = ["succeeded"] * (wide - 3) + ["failed"] * 4 + ["not-run"]
    graph = graph_of(parents, ["split"] + ["work"] * wide + ["merge"], states=states)

    drawing = draw(graph)

    assert [(n.label, n.jobs) for n in drawing.nodes] == [("split", 1), ("work", wide), ("merge", 1)]
    assert [(e.tail, e.head, e.weight) for e in drawing.edges] == [(0, 1, wide), (1, 2, wide)]
    assert drawing.nodes[1].states == {"succeeded": wide - 4, "failed": 4}
    assert "work × 1,000\\n✓ 996  ✗ 4" in to_dot(drawing)
    assert "work × 1,000" in to_svg(drawing)
    assert "-->|1,000|" in to_mermaid(drawing)
    assert len(draw(graph, full=True).nodes) == wide + 2


def test_groups_lose_no_job_however_deep_the_graph_is() -> None:
    deep = 5000
    graph = graph_of([[job - 1] if job else [] for job in range(deep)], ["a", "b"] * (deep // 2))

    drawing = draw(graph)

    assert len(drawing.nodes) <= 150
    assert sum(node.jobs for node in drawing.nodes) == deep
    assert to_svg(drawing)


@given(dags, st.integers(0, 3))
def test_groups_stand_for_every_job_and_every_edge_between_them(parents, kinds: int) -> None:
    xforms = [f"x{random.Random(job).randint(0, kinds)}" for job in range(len(parents))]

    drawing = draw(graph_of(parents, xforms), simplify=False, jobs_shown=0)

    assert sum(node.jobs for node in drawing.nodes) == len(parents)
    inside = sum(map(len, parents)) - sum(edge.weight for edge in drawing.edges)
    assert inside >= 0
    if len(drawing.nodes) == len(parents):
        assert inside == 0
    assert len(set(pairs(drawing))) == len(drawing.edges)


@given(dags)
def test_in_a_layout_arrows_point_down_and_boxes_of_a_level_do_not_overlap(parents) -> None:
    drawing = draw(graph_of(parents), simplify=False)
    levels = ranks(drawing)
    sizes = [(40.0 + 10 * (job % 3), 30.0) for job in range(len(parents))]

    found = lay_out(levels, [(e.tail, e.head) for e in drawing.edges], sizes)

    assert all(y0 < y1 for route in found.routes for (_, y0), (_, y1) in pairwise(route))
    for level in set(levels):
        row = sorted(job for job in range(len(parents)) if levels[job] == level)
        row.sort(key=lambda job: found.centers[job][0])
        for one, other in pairwise(row):
            gap = found.centers[other][0] - found.centers[one][0] - (sizes[one][0] + sizes[other][0]) / 2
            assert gap >= GAP - 0.01
    assert all(-0.01 <= x <= found.width + 0.01 for x, _ in found.centers)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 100)), min_size=1, max_size=8))
def test_places_are_the_nearest_to_those_wished(rows) -> None:
    wished, widths = [w for w, _ in rows], [w for _, w in rows]
    places = spread(wished, widths)

    def cost(found: list[float]) -> float:
        return sum((a - b) ** 2 for a, b in zip(found, wished, strict=True))

    for position in range(len(places)):  # moving all from one on, or up to one, is no better
        for step in (-0.5, 0.5):
            right = [x + step if n >= position else x for n, x in enumerate(places)]
            if step > 0 or position == 0:
                assert cost(right) >= cost(places) - 1e-6
            left = [x + step if n <= position else x for n, x in enumerate(places)]
            if step < 0 or position == len(places) - 1:
                assert cost(left) >= cost(places) - 1e-6


def test_every_state_has_a_sign_and_a_colour_of_its_own() -> None:
    for column in ("sign", "color", "word", "fill"):
        assert max(Counter(getattr(look, column) for look in STATE_STYLES.values()).values()) == 1


NASTY = 'a"b\\n<script>alert(1)</script>&amp;;#]'


def test_names_cannot_break_out_of_any_format() -> None:
    graph = graph_of([[], [0]])
    graph.labels[0] = graph.ids[0] = graph.name = NASTY
    drawing = draw(graph)

    svg = to_svg(drawing)
    root = ElementTree.fromstring(svg)
    assert "script" not in {element.tag.rpartition("}")[2] for element in root.iter()}
    assert NASTY in "".join(root.itertext())
    assert '"a\\"b\\\\n<script>alert(1)</script>&amp;amp;;#]"' in to_dot(drawing)
    label = to_mermaid(drawing).splitlines()[1]
    assert re.fullmatch(r'    n0\("[\w .,:;=/#]*"\)', label), label


def test_characters_that_no_format_has_become_escape_sequences() -> None:
    graph = graph_of([[], [0], [1]])
    graph.labels = ["a\tb\x01\ud800\u202e", "windows\r\nline", ""]
    graph.name = "\x00name"
    drawing = draw(graph)

    shown = "".join(ElementTree.fromstring(to_svg(drawing)).itertext())
    assert r"a b\x01\ud800\u202e" in shown and r"\x00name: 3 jobs" in shown
    assert r'[label="a b\\x01\\ud800\\u202e"]' in to_dot(drawing) and '[label="windows\\nline"]' in to_dot(
        drawing
    )
    assert 'n1("windows<br>line")' in to_mermaid(drawing)
    assert all(c == "\n" or c.isprintable() for c in to_dot(drawing) + to_mermaid(drawing) + to_svg(drawing))


def test_what_mermaid_would_not_take_is_written_otherwise() -> None:
    graph = graph_of([[], [0]])
    graph.labels = ["", "back\\n"]

    assert to_mermaid(draw(graph)).splitlines()[1:3] == ['    n0(" ")', '    n1("back#92;#8203;n")']


def test_a_picture_keeps_its_shape_when_only_one_side_is_said() -> None:
    drawing = draw(graph_of([[], [0], [0]]))

    def sides(width: float | None, height: float | None) -> list[float]:
        root = ElementTree.fromstring(to_svg(drawing, width, height))
        return [float(root.attrib[side].removesuffix("in")) for side in ("width", "height")]

    wide, high = sides(None, None)
    assert sides(4, None) == [4, pytest.approx(4 * high / wide, rel=1e-3)]
    assert sides(None, 3) == [pytest.approx(3 * wide / high, rel=1e-3), 3]
    assert sides(4, 3) == [4, 3]


@pytest.mark.parametrize(
    ("states", "colour"),
    [
        ({"succeeded": 999, "failed": 1}, "failed"),
        ({"succeeded": 999, "running": 1, "waiting": 500}, "running"),
        ({"succeeded": 985, "not-run": 15}, "succeeded"),
        ({"succeeded": 15, "not-run": 985}, "not-run"),
        ({"succeeded": 5, "waiting": 5}, "waiting"),
        ({}, ""),
    ],
)
def test_a_group_has_the_colour_of_what_to_look_at_first_or_of_most_of_it(states, colour: str) -> None:
    assert worst(states) == colour


def test_a_run_is_drawn_with_the_states_of_its_jobs(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b", 0), compute("c", 1)]
    make_run(tmp_path, jobs, [began(), start(0), end(0), start(1), failed(1), gave_up(1), ended("failed")])

    graph = open_graph(tmp_path)

    assert graph.states == ["succeeded", "failed", "skipped"]
    assert open_graph(tmp_path / "plan.jsonl").ids == open_graph(tmp_path / "words-0.dag").ids == graph.ids
    svg = to_svg(draw(graph))
    assert all(f"{STATE_STYLES[state].sign} {STATE_STYLES[state].word}" in svg for state in graph.states)


def test_a_run_that_never_started_and_an_empty_one_can_be_drawn(tmp_path: Path) -> None:
    assert open_graph(make_run(tmp_path / "a", [compute("a")])).states is None
    empty = draw(open_graph(make_run(tmp_path / "b", [])))
    for format in ("svg", "dot", "mermaid", "json"):
        if format != "svg" or shutil.which("dot") is None:
            assert rendered(empty, format)


def test_a_plan_with_a_damaged_line_is_an_error_that_names_it(tmp_path: Path) -> None:
    done = [began(), start(0), end(0), start(1), end(1), ended("success")]
    run = make_run(tmp_path, [compute("a"), compute("b")], done)
    text = (run / "plan.jsonl").read_text()
    (run / "plan.jsonl").write_text(text.replace('"id":"wc_b"', '"id":17'))

    with pytest.raises(CorruptPlan, match="line 3"):
        open_graph(run)


def test_files_of_an_executable_workflow(tmp_path: Path) -> None:
    job = PlannedJob(
        id="c", kind=Kind.COMPUTE, site="local", inputs=[Input("x")], outputs=[Output("y"), Output("x")]
    )
    graph = open_graph(make_run(tmp_path, [job]))
    assert pairs(draw(graph, files=True)) == {("file x", "job c"), ("job c", "file y")}


def test_the_document_in_the_directory_is_found_and_a_bare_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match=r"neither plan\.jsonl nor workflow\.yml"):
        open_graph(tmp_path)
    uses = [
        [{"lfn": "x", "type": "output"}],
        [{"lfn": "x", "type": "input"}, {"lfn": "y", "type": "inout"}],
    ]
    jobs = [
        {"type": "job", "id": f"j{n}", "name": "t", "namespace": "ns", "arguments": [], "uses": use}
        for n, use in enumerate(uses)
    ]
    jobs += [{"type": "job", "id": "j2", "name": "t", "arguments": [], "uses": [], "stdin": "y"}]
    (tmp_path / "workflow.yml").write_text(json.dumps({"pegasus": "5.0", "name": "w", "jobs": jobs}))

    graph = open_graph(tmp_path)

    assert graph.parents == [[], [0], [1]]
    assert graph.xforms == ["ns::t", "ns::t", "t"]


def test_png_without_graphviz_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    drawing = draw(graph_of([[], [0]]))

    with pytest.raises(DrawingError, match="there is no `dot` on PATH") as caught:
        write_drawing(drawing, tmp_path / "w.png")
    assert "install" in caught.value.hint and not (tmp_path / "w.png").exists()
    write_drawing(drawing, tmp_path / "w.svg")
    assert ElementTree.parse(tmp_path / "w.svg").getroot().tag.endswith("svg")


def test_graphviz_that_fails_is_an_error_with_its_words(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "dot"
    tool.write_text("#!/bin/sh\necho bad format >&2; exit 3\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(MarkabError, match="bad format") as caught:
        write_drawing(draw(graph_of([[]])), tmp_path / "w.png")
    assert isinstance(caught.value, DrawingError) and caught.value.returncode == 3


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.dot", "dot"), ("a.GV", "dot"), ("a.mmd", "mermaid"), ("a.svg", "svg"), ("a", "png"), ("a.ps", "ps")],
)
def test_the_ending_of_a_file_says_its_format(name: str, format: str) -> None:
    assert format_of(Path(name)) == format


def fan(width: int) -> list[list[int]]:
    """One job, so many after it, and one after all of them."""
    return [[], *([0] for _ in range(width)), list(range(1, width + 1))]


def test_on_a_level_that_is_too_wide_jobs_of_one_transformation_are_one_box() -> None:
    states = ["succeeded"] * 14 + ["failed", "waiting"]
    drawing = draw(graph_of(fan(14), ["split", *["fit"] * 13, "plot", "merge"], states=states))

    assert drawing.summarised and drawing.jobs == 16
    shown = [(node.key, node.label, node.jobs, node.states) for node in drawing.nodes]
    assert shown == [
        ("job j0", "label of j0", 1, {"succeeded": 1}),
        ("fit @1", "fit", 13, {"succeeded": 13}),
        ("job j14", "label of j14", 1, {"failed": 1}),
        ("job j15", "label of j15", 1, {"waiting": 1}),
    ]
    assert pairs(drawing) == {
        ("job j0", "fit @1"), ("job j0", "job j14"), ("fit @1", "job j15"), ("job j14", "job j15"),
    }  # fmt: skip
    assert {edge.weight for edge in drawing.edges} == {1, 13}


def test_a_level_that_can_be_read_is_drawn_job_by_job() -> None:
    assert not draw(graph_of(fan(12))).summarised
    assert len(draw(graph_of(fan(13))).nodes) == 3


def test_a_wide_level_is_drawn_whole_if_that_or_its_files_are_asked_for() -> None:
    assert len(draw(graph_of(fan(30)), full=True).nodes) == 32
    assert len(draw(graph_of(fan(30)), files=True).nodes) == 32


def test_jobs_of_a_wide_level_that_are_all_different_stay_single() -> None:
    drawing = draw(graph_of(fan(20), [f"tool{n}" for n in range(22)]))
    assert len(drawing.nodes) == 22 and not drawing.summarised


def test_what_is_left_out_does_not_make_a_level_wide() -> None:
    xforms = ["split", *["cleanup"] * 10, *["fit"] * 10, "merge"]
    drawing = draw(graph_of(fan(20), xforms), remove=["cleanup"])
    assert len(drawing.nodes) == 12 and not drawing.summarised


@given(dags, st.integers(1, 3))
def test_boxes_of_wide_levels_stand_for_every_job(parents, kinds: int) -> None:
    wide = [*parents, *([0] for _ in range(14))]
    graph = graph_of(wide, [f"t{job % kinds}" for job in range(len(wide))])

    drawing = draw(graph, simplify=False)

    assert sum(node.jobs for node in drawing.nodes) == len(wide)
    assert sum(edge.weight for edge in drawing.edges) == sum(map(len, wide))
