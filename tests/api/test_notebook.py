import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from api.test_workflow_document import diamond
from kit.made_run import T0, began, compute, end, ended, engine_alive, failed, gave_up, make_run, start
from markab.api import Job, PegasusError, SubWorkflow, Workflow, notebook
from markab.api.notebook_html import progress_html, status_html, table_html
from markab.plan import model
from markab.reports.status import Status, UnderWay


@dataclass
class Output:
    """One place below a cell; what was shown in it, newest last."""

    name: str | None
    bundles: list[dict[str, str]]


class FakeNotebook:
    """What IPython offers in a kernel, as far as it is used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs: list[Output] = []
        self.calls = 0
        self.interrupted_at = 0
        self.was_interrupted = False
        self.shell: Any = SimpleNamespace(kernel=object(), execution_count=1)
        display = ModuleType("IPython.display")
        display.display = self.display  # type: ignore[attr-defined]
        package = SimpleNamespace(get_ipython=lambda: self.shell, display=display)
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(
        self, bundle: dict[str, str], raw: bool, display_id: str | None = None, update: bool = False
    ) -> None:
        assert raw
        self.called()
        if not update:
            self.outputs.append(Output(display_id, [dict(bundle)]))
        for output in self.outputs:  # as a notebook does: what is not there is not updated
            if update and output.name == display_id:
                output.bundles.append(dict(bundle))

    def called(self) -> None:
        """Count a change of what is shown; at one of them the user presses a key."""
        self.calls += 1
        if self.calls == self.interrupted_at:
            self.was_interrupted = True
            raise KeyboardInterrupt

    @property
    def html(self) -> str:
        """What was shown last."""
        return self.outputs[-1].bundles[-1]["text/html"]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> FakeNotebook:
    monkeypatch.setattr(notebook, "find_spec", lambda name: None)
    monkeypatch.setattr("markab.api.workflow.time.sleep", lambda delay: None)
    return FakeNotebook(monkeypatch)


def status(**more: Any) -> Status:
    """Return the status of a run of ten jobs that started twelve seconds ago."""
    numbers = {"unready": 3, "ready": 1, "queued": 2, "succeeded": 3, "failed": 1, "running": 1}
    jobs = (UnderWay("fit <2>", "local", "Run", 1, T0 + 5), UnderWay("fit_3", "pool", "Idle", 1, T0 + 5))
    about = {"total": 10, "state": "Running", "workflow": "words", "started": T0, "jobs": jobs}
    return Status(**(numbers | about | more))


OVER = status(unready=0, ready=0, queued=0, running=0, succeeded=9, state="Failure", ended=T0 + 75, jobs=())


def run_of(directory: Path, entries: Sequence[Any] = ()) -> Workflow:
    """Return a workflow of two jobs that is planned, and whose run has the given journal."""
    workflow = Workflow("words").add_jobs(
        Job("wc", _id="a").add_outputs("mid"), Job("wc", _id="b").add_inputs("mid")
    )
    workflow.write(directory / "workflow.yml")
    workflow._submit_dir = make_run(directory / "run", [compute("a"), compute("b", 0)], entries)
    return workflow


SUCCESS = [began(), start(0), end(0), start(1), end(1), ended("success")]
FAILURE = [began(), start(0), failed(0, message="<exit> code 3"), gave_up(0), ended("failed")]


def test_importing_the_api_loads_nothing_of_a_notebook_or_of_the_machinery() -> None:
    names = "IPython anywidget traitlets markab.planner markab.engine markab.reports sqlalchemy rich"
    code = f"import sys, Pegasus.api; print([n for n in {names.split()} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", [None, SimpleNamespace(execution_count=3)], ids=["script", "terminal"])
def test_without_a_kernel_all_is_text(shell: object, page: FakeNotebook, tmp_path: Path, capsys) -> None:
    """IPython in a terminal has a shell, but no kernel."""
    page.shell = shell
    workflow = run_of(tmp_path, SUCCESS)

    workflow.status().wait().analyze().graph(include_files=False)

    printed = capsys.readouterr().out
    assert " UNREADY  READY" in printed and "[#########################] 100.0% ..Success" in printed
    assert "words: succeeded" in printed and 'digraph "words"' in printed
    assert page.outputs == []


def test_in_a_notebook_nothing_is_printed_and_each_call_shows_html_with_text_beside_it(
    page: FakeNotebook, tmp_path: Path, capsys
) -> None:
    workflow = run_of(tmp_path, SUCCESS)

    assert workflow.wait().status().analyze().graph() is workflow

    assert capsys.readouterr().out == ""
    kinds = [set(output.bundles[0]) for output in page.outputs]
    assert kinds == [{"text/html", "text/plain"}] * 3 + [{"image/svg+xml", "text/plain"}]
    assert "100.0 %" in page.outputs[1].bundles[0]["text/html"]
    assert "UNREADY" in page.outputs[1].bundles[0]["text/plain"]
    assert "words: succeeded" in page.outputs[2].bundles[0]["text/html"]


def test_what_was_asked_for_as_json_is_printed_in_a_notebook_too(
    page: FakeNotebook, tmp_path: Path, capsys
) -> None:
    run_of(tmp_path, FAILURE).status(json=True).analyze(json_mode=True)
    assert '"totals"' in capsys.readouterr().out and page.outputs == []


def test_waiting_changes_one_output_in_place(page: FakeNotebook, tmp_path: Path, monkeypatch) -> None:
    looks = iter([status(), status(succeeded=4, unready=2), OVER])
    monkeypatch.setattr("markab.operations.running.follow_status", lambda run, why: lambda: next(looks))

    run_of(tmp_path).wait()

    (output,) = page.outputs
    assert ["40.0", "90.0", "90.0"] == [
        bundle["text/html"].partition(" %")[0].rpartition(">")[2] for bundle in output.bundles[1:]
    ]
    assert "Failure" in output.bundles[-1]["text/html"] and "1:15" in output.bundles[-1]["text/html"]
    assert output.bundles[-1]["text/plain"].startswith("[#########################]  90.0% ..Failure")


@pytest.mark.parametrize("looks_before", [0, 1, 2, 3])
def test_an_interrupt_ends_the_waiting_and_leaves_the_run_alone(
    page: FakeNotebook, tmp_path: Path, monkeypatch, looks_before: int
) -> None:
    left = [looks_before]

    def look() -> Status:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return status()

    monkeypatch.setattr("markab.operations.running.follow_status", lambda run, why: look)
    monkeypatch.setattr("markab.operations.remove", lambda run, **_: pytest.fail("it was stopped"))
    workflow = run_of(tmp_path)

    assert workflow.wait() is workflow

    assert len(page.outputs) == min(1, looks_before)
    assert looks_before == 0 or "the run continues" in page.html
    assert not (tmp_path / "run" / "control").exists()


@pytest.mark.parametrize("with_widget", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_interrupt_while_something_is_being_shown_ends_the_waiting_too(
    page: FakeNotebook, tmp_path: Path, monkeypatch, call: int, with_widget: bool
) -> None:
    made: list[FakeWidget] = []

    class SlowWidget(FakeWidget):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "html":
                page.called()
            super().__setattr__(name, value)

    if with_widget:
        monkeypatch.setattr(notebook, "_make_widget", lambda html: made.append(SlowWidget(html)) or made[0])
    looks = iter([status(), status(succeeded=4, unready=2), OVER])
    monkeypatch.setattr("markab.operations.running.follow_status", lambda run, why: lambda: next(looks))
    page.interrupted_at = call

    workflow = run_of(tmp_path)
    assert workflow.wait() is workflow
    assert [True] * with_widget == [widget.closed for widget in made]
    assert page.was_interrupted


class FakeWidget:
    def __init__(self, html: str) -> None:
        self.shown = [html]
        self.closed = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "html":
            self.shown.append(value)
        else:
            super().__setattr__(name, value)

    def _repr_mimebundle_(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "widget"}, {}

    def close(self) -> None:
        self.closed = True


def test_with_anywidget_the_widget_is_changed_and_html_is_left_behind(
    page: FakeNotebook, tmp_path: Path, monkeypatch
) -> None:
    made: list[FakeWidget] = []
    monkeypatch.setattr(notebook, "_make_widget", lambda html: made.append(FakeWidget(html)) or made[0])
    looks = iter([status(), status(succeeded=4, unready=2), OVER])
    monkeypatch.setattr("markab.operations.running.follow_status", lambda run, why: lambda: next(looks))

    run_of(tmp_path).wait()

    (output,), (widget,) = page.outputs, made
    assert set(output.bundles[0]) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    assert output.bundles[0]["text/plain"] != "widget"
    assert len(widget.shown) == 3 and widget.closed
    assert [set(bundle) for bundle in output.bundles[1:]] == [{"text/html", "text/plain"}]
    assert "Failure" in output.bundles[-1]["text/html"]


def test_a_widget_is_closed_when_looking_fails(page: FakeNotebook, tmp_path: Path, monkeypatch) -> None:
    made: list[FakeWidget] = []
    monkeypatch.setattr(notebook, "_make_widget", lambda html: made.append(FakeWidget(html)) or made[0])

    with pytest.raises(OSError, match="gone"), notebook.live() as show:
        show(status())
        raise OSError("gone")

    assert made[0].closed
    assert set(page.outputs[0].bundles[-1]) == {"text/html", "text/plain"}  # a closed widget shows nothing


def test_a_run_that_was_not_started_is_not_waited_for(page: FakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(PegasusError, match="call run"):
        run_of(tmp_path).wait()
    assert page.outputs == []


def test_the_cause_of_a_failure_is_shown_and_escaped(page: FakeNotebook, tmp_path: Path) -> None:
    run_of(tmp_path, FAILURE).analyze()
    assert "✗ wc_a: " in page.html and "holds up 1 job" in page.html
    assert "&lt;exit&gt; code 3" in page.html and "<exit>" not in page.html


def test_results_that_were_not_delivered_are_listed_with_the_reason(
    page: FakeNotebook, tmp_path: Path
) -> None:
    workflow = run_of(tmp_path)
    moved = [model.Transfer("mid", [], [])]
    out = model.PlannedJob("out", model.Kind.STAGE_OUT, "local", parents=[0], transfers=moved)
    workflow._submit_dir = make_run(
        tmp_path / "other",
        [compute("a", outputs=[model.Output("mid")]), out],
        [*FAILURE[:-1], ended("failed")],
    )
    workflow.analyze()
    assert "not delivered: 1 result" in page.html and "mid: wc_a failed" in page.html


def test_nothing_from_outside_becomes_markup_or_controls_the_text_beside_it(
    page: FakeNotebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "--></script><!--<img src=x onerror='1'>\x1b[2J\u202e"
    bad = failed(0, message=evil, stderr=evil, stdout=evil, host=evil)
    workflow = run_of(tmp_path, [began(), start(0), bad, gave_up(0), ended("failed")])

    workflow.status().analyze().statistics()

    shown = [text for output in page.outputs for bundle in output.bundles for text in bundle.values()]
    assert "\\x1b[2J\\u202e" in "".join(shown)
    assert all(c == "\n" or c.isprintable() for text in shown for c in text)
    for output in page.outputs:
        names = {element.tag for element in ElementTree.fromstring(output.bundles[0]["text/html"]).iter()}
        assert names.isdisjoint(("img", "script"))
    page.shell = None
    workflow.status().analyze().statistics().graph()
    printed = capsys.readouterr().out
    assert "\\x1b[2J\\u202e" in printed and all(c == "\n" or c.isprintable() for c in printed)
    bar = progress_html(status(workflow=evil, note=evil, jobs=(UnderWay(evil, evil, "Run", 1, T0),)), T0)
    assert "img" not in {element.tag for element in ElementTree.fromstring(bar).iter()}


def test_statistics_are_tables_with_the_rest_folded(page: FakeNotebook, tmp_path: Path) -> None:
    ran = [{"task": "a", "argv": ["wc"], "start": T0 + 1, "duration_s": 1.0, "pid": 7, "status": 0}]
    run_of(
        tmp_path, [began(), start(0), end(0, invocations=ran), start(1), end(1), ended("success")]
    ).statistics()

    text = page.outputs[-1].bundles[0]["text/plain"]
    root = ElementTree.fromstring(page.html)
    rows = [[cell.text for cell in row] for row in root.iter("tr")]
    assert rows[:3] == [
        ["Type", "Succeeded", "Failed", "Incomplete", "Total", "Retries", "Total+Retries"],
        ["Tasks", "2", "0", "0", "2", "0", "2"],
        ["Jobs", "2", "0", "0", "2", "0", "2"],
    ]
    assert ["Workflow wall time", "9 secs"] in rows and "Workflow wall time" in text
    assert any(row[:4] == ["wc", "compute", "1", "1"] for row in rows)
    titles = [title.text or "" for title in root.iterfind("details/summary/b")]
    assert "Transformations" in titles and any(title.startswith("Critical path") for title in titles)


def test_of_many_causes_the_first_are_shown_and_the_others_counted(
    page: FakeNotebook, tmp_path: Path
) -> None:
    jobs = [compute(f"{letter * 3}") for letter in "abcdefghijklm"]
    words = "apple brick cloud drum eagle flint grape horse ink jar kite lamp moon"
    entries: list[Any] = [began()]
    for position, word in enumerate(words.split()):
        entries += [start(position), failed(position, message=f"no {word}"), gave_up(position)]
    workflow = run_of(tmp_path)
    workflow._submit_dir = make_run(tmp_path / "many", jobs, [*entries, ended("failed")])

    workflow.analyze()

    assert page.html.count("<details") == 10 and page.html.count(' open="open"') == 3
    assert "3 more kinds of failure" in page.html


def test_a_status_in_a_notebook_lists_what_is_under_way(page: FakeNotebook, tmp_path: Path) -> None:
    workflow = run_of(tmp_path, [began(), start(0)])
    with engine_alive(tmp_path / "run"):
        workflow.status()
        assert "wc_a" in page.html and "Running" in page.html
        workflow.status(noqueue=True)
        assert "wc_a" not in page.html


def test_the_graph_of_a_run_is_coloured_and_that_of_a_document_is_not(
    page: FakeNotebook, tmp_path: Path
) -> None:
    def shown(entries: Sequence[Any], **options: Any) -> str:
        run_of(tmp_path, entries).graph(include_files=False, **options)
        return page.outputs[-1].bundles[0]["image/svg+xml"]

    assert "succeeded" in words_of(shown(SUCCESS))
    failure = words_of(shown(FAILURE))
    assert "failed" in failure and "skipped" in failure and "succeeded" not in failure
    (tmp_path / "run" / "journal.jsonl").unlink()
    assert "succeeded" not in words_of(shown([]))
    assert 'width="4in"' in shown([], width=4)


def test_a_task_that_the_plan_left_out_was_never_started(page: FakeNotebook, tmp_path: Path) -> None:
    workflow = run_of(tmp_path)
    workflow._submit_dir = make_run(
        tmp_path / "part", [compute("a")], [began(), start(0), end(0), ended("success")]
    )

    workflow.graph(include_files=False)

    words = words_of(page.outputs[-1].bundles[0]["image/svg+xml"])
    assert words.count("✓ succeeded") == 2 and words.count("– not started") == 2  # a box and the legend each


def words_of(svg: str) -> str:
    """Return the text of a picture, which must be well-formed."""
    root = ElementTree.fromstring(svg)
    return " ".join(element.text or "" for element in root.iter() if element.tag.endswith("}text"))


def test_a_file_written_from_a_notebook_is_the_same_as_elsewhere(page: FakeNotebook, tmp_path: Path) -> None:
    workflow = run_of(tmp_path, SUCCESS)
    workflow.graph(output=tmp_path / "in.svg")
    assert page.outputs == []
    page.shell = None
    workflow.graph(output=tmp_path / "out.svg")
    assert (tmp_path / "in.svg").read_bytes() == (tmp_path / "out.svg").read_bytes()


def test_a_workflow_shows_its_name_its_jobs_and_its_run(tmp_path: Path) -> None:
    assert repr(Workflow("w")) == "Workflow('w', jobs=0)"
    assert repr(run_of(tmp_path)) == f"Workflow('words', jobs=2, submit_dir='{tmp_path}/run')"


def test_a_workflow_shows_a_table_and_its_picture_before_it_is_written() -> None:
    html = diamond()._repr_html_() or ""
    assert "<td" in html and "findrange × 2" in html and "<svg" in html
    assert "preprocess" in words_of(html[html.index("<svg") : html.index("</svg>") + 6])


def test_a_picture_in_the_making_is_that_of_the_written_document(tmp_path: Path) -> None:
    from markab import operations
    from markab.api.graph import workflow_model

    workflow = diamond().write(tmp_path / "w.yml")
    workflow.add_dependency(workflow.jobs["ID0000001"], children=[workflow.jobs["ID0000004"]])
    workflow.write(tmp_path / "w.yml")

    how = {"files": True, "simplify": False, "label": "label-xform"}
    made = operations.draw(workflow_model(workflow), **how)
    read = operations.draw(tmp_path / "w.yml", **how)

    assert made.nodes == read.nodes
    assert set(made.edges) == set(read.edges)


@pytest.mark.parametrize(("jobs", "has_picture"), [(0, False), (1, True), (60, True), (61, False)])
def test_only_a_small_workflow_shows_its_picture(jobs: int, has_picture: bool) -> None:
    html = Workflow("w").add_jobs(*(Job(f"t{n}") for n in range(jobs)))._repr_html_() or ""
    assert ("<svg" in html) is has_picture
    assert ("t0 × 1" not in html) and (", …" in html) is (jobs > 12)


def test_a_workflow_shows_how_its_run_is_doing_or_why_that_is_not_known(tmp_path: Path) -> None:
    workflow = run_of(tmp_path, FAILURE)
    assert "Failure, 0 of 2 jobs succeeded" in (workflow._repr_html_() or "")
    html = workflow._repr_html_() or ""
    assert "✗ failed" in words_of(html[html.index("<svg") : html.index("</svg>") + 6])
    (tmp_path / "run" / "plan.jsonl").unlink()
    assert "cannot be read" in (workflow._repr_html_() or "")


def test_a_workflow_that_cannot_be_planned_is_drawn_with_what_it_has() -> None:
    first = Job("a").add_outputs("x")
    workflow = Workflow("w").add_jobs(first, Job("b").add_outputs("x"), SubWorkflow(Workflow("inner")))
    workflow.add_dependency(first, children=[Job("c", _id="gone")])
    html = workflow._repr_html_() or ""
    assert "<svg" in html and "inner" in html and "gone" not in html


CALLS: dict[str, Callable[[Workflow], object]] = {
    "wait": Workflow.wait,
    "status": Workflow.status,
    "analyze": Workflow.analyze,
    "graph": Workflow.graph,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_cell_that_showed_the_run_does_not_show_the_workflow_below_it_again(
    page: FakeNotebook, tmp_path: Path, call: str
) -> None:
    workflow = run_of(tmp_path, SUCCESS)
    assert workflow._repr_html_() is not None
    CALLS[call](workflow)
    assert workflow._repr_html_() is None
    page.shell.execution_count = 2
    assert workflow._repr_html_() is not None


def test_the_bar_has_every_named_part_whatever_the_status() -> None:
    """The widget moves parts by name from one picture into the next, so none may come or go."""

    def parts(html: str) -> list[str]:
        return [
            f"{name}={value}"
            for element in ElementTree.fromstring(html).iter()
            for name, value in element.attrib.items()
            if name in ("data-cell", "data-text")
        ]

    running, over = progress_html(status(), T0 + 12), progress_html(OVER, T0 + 99)
    empty = progress_html(status(total=0, started=0.0, jobs=(), state="Not started"), T0)

    assert parts(running) == parts(over) == parts(empty)
    assert "data-text=clock" in parts(over) and "data-cell=Failed" in parts(over)
    assert 'data-elapsed="12.0" data-over="0"' in running and "fit &lt;2&gt;" in running
    assert 'data-elapsed="75.0" data-over="1"' in over
    assert 'data-elapsed=""' in empty


def test_the_cells_of_the_bar_fill_it() -> None:
    root = ElementTree.fromstring(progress_html(status(), T0))
    widths = {
        e.attrib["data-cell"]: float(e.attrib["style"].partition("width:")[2].partition("%")[0])
        for e in root.iter()
        if "data-cell" in e.attrib
    }
    assert widths == {"Completed": 30, "Failed": 10, "Running": 10, "Queued": 20, "Unready": 30}


def test_sub_workflows_have_a_line_each_those_that_failed_first() -> None:
    inner = [(f"pegasus-plan_{n}", status(state="Success", succeeded=3, failed=0, total=3)) for n in range(9)]
    inner.append(("pegasus-plan_<b>", status(state="Failure", succeeded=1, failed=1, total=3)))
    root = ElementTree.fromstring(progress_html(status(inner=tuple(inner)), T0))

    (part,) = root.findall(".//*[@data-text='inner']")
    lines = ["".join(line.itertext()) for line in part]
    assert lines[0] == "pegasus-plan_<b>: Failure, 1 of 3 jobs, 1 failed"
    assert len(lines) == 9 and lines[-1] == "and 2 more sub-workflows"
    assert "pegasus-plan_0" in status_html(status(inner=tuple(inner)), T0)


def test_many_running_jobs_are_counted_not_listed() -> None:
    jobs = tuple(UnderWay(f"j{n}", "local", "Run", 1, T0) for n in range(1000))
    html = progress_html(status(jobs=jobs, note="halting"), T0)
    assert "j0, j1, j2, j3 and 996 more · halting" in html and "j4" not in html


def test_cells_of_a_table_are_escaped() -> None:
    html = table_html(["<a>"], [["b & c"]])
    assert "&lt;a&gt;" in html and "b &amp; c" in html and "<thead>" in html
    assert "<thead>" not in table_html([], [["x"]])
