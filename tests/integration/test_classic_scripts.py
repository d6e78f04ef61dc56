"""The two scripts every Pegasus user has run, unchanged: `python script.py && pegasus-plan --submit`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integration.tools import command, script
from kit.waiting import wait_until

PAGE = "".join(f"line {number}\n" for number in range(137))

PIPELINE = """#!/usr/bin/env python3
import sys
from Pegasus.api import *

wf = Workflow("pipeline", infer_dependencies=False)
page = File("page.html")
count = File("count.txt")
fetch = Job("curl").add_args("-s", "-o", page, sys.argv[1]).add_outputs(page, stage_out=True, register_replica=True)
lines = Job("wc").add_args("-l", page).add_inputs(page).set_stdout(count, stage_out=True, register_replica=True)
wf.add_jobs(fetch, lines)
wf.add_dependency(lines, parents=[fetch])
wf.write("pipeline.yml")
"""

FIND = """#!/usr/bin/env python3
import sys
*inputs, output = sys.argv[1:]
text = "".join(open(name).read() for name in inputs)
open(output, "w").write(f"{sys.argv[0].rsplit('/', 1)[-1]}\\n{text}")
"""

DIAMOND = """#!/usr/bin/env python3
import logging
from pathlib import Path
from Pegasus.api import *

logging.basicConfig(level=logging.INFO)
here = Path(__file__).parent.resolve()

a, b1, b2, c1, c2, d = (File("f." + n) for n in ("a", "b1", "b2", "c1", "c2", "d"))
rc = ReplicaCatalog().add_replica("local", a, here / "input" / "f.a")
rc.write()

tools = [Transformation(name, site="local", pfn=here / "bin" / name, is_stageable=True, arch=Arch.X86_64, os_type=OS.LINUX)
         for name in ("preprocess", "findrange", "analyze")]
tc = TransformationCatalog()
tc.add_transformations(*tools)
tc.write()
preprocess, findrange, analyze = tools

Workflow("diamond").add_jobs(
    Job(preprocess).add_args(a, b1).add_inputs(a).add_outputs(b1),
    Job(preprocess, node_label="second").add_args(a, b2).add_inputs(a).add_outputs(b2),
    Job(findrange).add_args(b1, c1).add_inputs(b1).add_outputs(c1, stage_out=False),
    Job(findrange).add_args(b2, c2).add_inputs(b2).add_outputs(c2, stage_out=False),
    Job(analyze).add_args(c1, c2, d).add_inputs(c1, c2).add_outputs(d),
).write()
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve one page on the loopback; yield its URL."""
    public = tmp_path / "public"
    public.mkdir()
    (public / "page.html").write_text(PAGE)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(public)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()
    server.server_close()


def wait_until_done(submit_dir: str, cwd: Path) -> dict[str, object]:
    """Ask `pegasus-status` until the run is over; return its JSON."""

    def final() -> dict[str, object] | None:
        status = json.loads(command("pegasus-status", "-j", submit_dir, cwd=cwd).stdout)
        return status if status["dags"]["root"]["state"] in ("Success", "Failure") else None

    return wait_until(final) or {}


def submit_dir_of(output: str) -> str:
    """Return the directory that pegasus-plan names in its output."""
    return next(word for line in output.splitlines() for word in line.split() if word.endswith("run0001"))


@pytest.mark.integration
def test_the_pipeline_runs_unchanged(tmp_path: Path, site: str) -> None:
    script(tmp_path / "pipeline.py", PIPELINE)

    command("python3", "pipeline.py", site, cwd=tmp_path)
    planned = command("pegasus-plan", "--submit", "--output-sites", "local", "pipeline.yml", cwd=tmp_path)
    status = wait_until_done(submit_dir_of(planned.stdout), tmp_path)

    assert "Success" == status["dags"]["root"]["state"]  # type: ignore[index]
    assert PAGE == (tmp_path / "wf-output" / "page.html").read_text()
    assert ["137", "page.html"] == (tmp_path / "wf-output" / "count.txt").read_text().split()


@pytest.mark.integration
def test_the_diamond_runs_unchanged(tmp_path: Path) -> None:
    for name in ("preprocess", "findrange", "analyze"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        script(tmp_path / "bin" / name, FIND)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "f.a").write_text("a\n")
    script(tmp_path / "diamond.py", DIAMOND)

    command("python3", "diamond.py", cwd=tmp_path)
    planned = command(
        "pegasus-plan",
        "--submit",
        "--sites",
        "condorpool",
        "--output-sites",
        "local",
        "workflow.yml",
        cwd=tmp_path,
    )
    wait_until_done(submit_dir_of(planned.stdout), tmp_path)

    half = "findrange\npreprocess\na\n"
    assert f"analyze\n{half}{half}" == (tmp_path / "wf-output" / "f.d").read_text()
    assert {"f.b1", "f.b2", "f.d"} == {path.name for path in (tmp_path / "wf-output").iterdir()}
