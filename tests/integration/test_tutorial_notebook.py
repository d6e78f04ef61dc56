"""Real kernels: the tutorial runs from top to bottom, and no interrupt of a notebook stops a run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from integration.browser import NAMES
from integration.packages import have
from integration.tools import SRC, environment, journal, script
from kit.waiting import wait_until

ROOT = SRC.parent

pytestmark = pytest.mark.integration


@pytest.fixture
def kernel_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels find this Markab, and nothing of the user's Jupyter."""
    for name, value in environment({"IPYTHONDIR": str(tmp_path / ".ipython")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / ".jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ".runtime"))


def executed(notebook: Path) -> dict[str, list[Any]]:
    """Run a notebook where it lies; return the outputs of each cell of code by the cell's first words."""
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    where = {"metadata": {"path": str(notebook.parent)}}
    NotebookClient(content, timeout=180, kernel_name="python3", resources=where).execute()
    return {cell.source.split("(")[0]: cell.outputs for cell in content.cells if cell.cell_type == "code"}


def html(outputs: list[Any]) -> str:
    return "\n".join(output.data["text/html"] for output in outputs if "text/html" in output.get("data", ()))


@pytest.mark.usefixtures("kernel_environment")
def test_the_tutorial_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "examples", clone / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "tutorial.ipynb", clone / "docs")

    cells = executed(clone / "docs" / "tutorial.ipynb")

    outputs = [output for shown in cells.values() for output in shown]
    assert {output.output_type for output in outputs} == {"display_data", "execute_result"}
    built = next(
        shown
        for source, shown in cells.items()
        if 'Workflow("mauna-loa")' in str(source) or "decades" in source
    )
    assert "fit × 4" in html(built) and "<svg" in html(built)
    progress = html(cells["wf.plan"])
    assert "Success" in progress and "100.0 %" in progress and "<td" not in progress
    assert not any("widget" in kind for output in cells["wf.plan"] for kind in output.data)
    assert "<table" in html(cells["wf.status"]) and "mauna-loa: succeeded" in html(cells["wf.status"])
    picture = cells["wf.graph"][0].data["image/svg+xml"]
    assert "bootstrap 1990s" in picture and "succeeded" in picture
    statistics = html(cells["wf.statistics"])
    assert "<table" in statistics and "bootstrap" in statistics and "Workflow wall time" in statistics
    assert "| 1960s  | 488 " in cells["Markdown"][0].data["text/markdown"]
    assert "CO₂ rises faster" in cells["SVG"][0].data["image/svg+xml"]
    assert sorted(place.name for place in clone.iterdir()) == ["demo", "docs", "examples"]


def test_the_tutorial_notebook_is_kept_without_outputs() -> None:
    content = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(content)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in content.cells)


BEGIN = """
from Pegasus.api import *
import os, sys
if not {with_widget}:
    sys.modules["anywidget"] = None  # as if it were not installed
os.chdir({directory!r})
sleeper = Transformation("sleeper", site="local", pfn={sleeper!r}, is_stageable=True)
wf = Workflow("slow").add_transformation_catalog(TransformationCatalog().add_transformations(sleeper))
wf.add_jobs(Job(sleeper).set_stdout("awake"))
wf.plan(dir="runs", output_dir="outputs", submit=True)
"""


@pytest.fixture
def kernel(tmp_path: Path, kernel_environment: None) -> Iterator[Any]:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        yield manager, client
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """What a job waits for; it comes at the latest when the test is over, so that no run is left."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.mark.parametrize(("end", "with_widget"), [("interrupt", False), ("restart", True)])
def test_neither_an_interrupt_nor_a_restart_of_the_kernel_touches_the_run(
    tmp_path: Path, kernel: Any, gate: Path, end: str, with_widget: bool
) -> None:
    """Jupyter sends its signals to the whole process group of the kernel."""
    manager, client = kernel
    sleeper = script(
        tmp_path / "sleeper", f"#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.1; done; echo yes\n"
    )
    started = client.execute_interactive(
        BEGIN.format(directory=str(tmp_path), sleeper=str(sleeper), with_widget=with_widget),
        timeout=60,
        output_hook=lambda message: None,
    )
    assert started["content"]["status"] == "ok", started["content"]
    (submit_dir,) = tmp_path.glob("runs/*/pegasus/slow/run0001")

    shown: list[dict[str, Any]] = []

    def interrupt_once_shown(message: dict[str, Any]) -> None:
        if message["msg_type"] in ("display_data", "update_display_data"):
            shown.append(message["content"]["data"])
            if len(shown) == 1:
                manager.interrupt_kernel()

    reply = client.execute_interactive("wf.wait(); after = 1", timeout=60, output_hook=interrupt_once_shown)
    assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
    assert "the run continues" in shown[-1]["text/html"] and "Running" in shown[-1]["text/html"]
    assert any("widget-view" in kind for kind in shown[0]) is with_widget
    assert not any("widget-view" in kind for kind in shown[-1])
    if end == "restart":
        manager.restart_kernel(now=True)

    gate.touch()
    wait_until(lambda: (tmp_path / "outputs" / "awake").exists())
    wait_until(lambda: any(record["event"] == "run-end" for record in journal(submit_dir)))
    assert [r["outcome"] for r in journal(submit_dir) if r["event"] == "run-end"] == ["success"]


PAGE = """<!doctype html><meta charset="utf-8"><body><div id="here"></div><pre id="log"></pre><script type="module">
{esm}
const htmls = {htmls};
const model = {{ html: htmls[0], on(name, call) {{ this.call = call; }}, off() {{}}, get() {{ return this.html; }} }};
const here = document.getElementById("here");
try {{
  render({{ model, el: here }});
  const bar = here.querySelector('[data-cell="Completed"]');
  model.html = htmls[1];
  model.call();
  await new Promise((done) => setTimeout(done, 3000));
  const same = bar === here.querySelector('[data-cell="Completed"]');
  const clock = here.querySelector('[data-text="clock"]').textContent;
  document.getElementById("log").textContent = `same=${{same}} width=${{bar.style.width}} clock=${{clock}}`;
}} catch (error) {{ document.getElementById("log").textContent = `error ${{error}}`; }}
</script>"""


def test_in_a_browser_the_widget_moves_the_bar_and_its_clock_ticks(tmp_path: Path) -> None:
    import json

    from markab.api.notebook_html import progress_html
    from markab.api.notebook_widget import ESM
    from markab.reports.status import Status

    browser = have(*NAMES, package="chromium")
    if browser is None:
        pytest.skip("no Chromium is installed, and it cannot be")
    counts = {
        "unready": 0,
        "queued": 0,
        "failed": 0,
        "running": 0,
        "total": 4,
        "state": "Running",
        "workflow": "w",
    }
    htmls = [
        progress_html(Status(ready=4 - done, succeeded=done, started=100.0, **counts), 100.0 + now_s)
        for done, now_s in ((1, 5), (3, 57))
    ]
    page = tmp_path / "page.html"
    page.write_text(
        PAGE.format(esm=ESM.replace("export default", "const exported ="), htmls=json.dumps(htmls))
    )

    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    assert "same=true width=75%" in done.stdout, done.stdout
    assert done.stdout.partition("clock=")[2].partition("<")[0] in ("59 s", "1:00")


def test_the_real_widget_carries_what_is_shown() -> None:
    from markab.api.notebook_widget import make_widget

    widget = make_widget("<p>one</p>")
    widget.html = "<p>two</p>"
    assert widget.get_state(["html"]) == {"html": "<p>two</p>"}
    assert "render" in str(widget._esm)
