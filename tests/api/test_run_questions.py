"""Questions about a run, and stopping it, through the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, engine_alive, made, make_run, process, start
from markab.api import File, Job, PegasusClientError, PegasusError, Workflow
from markab.api.client import Client
from markab.plan.model import Output


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    story = [began(), start(0), end(0, invocations=[process("a")], outputs=[made("f")]), ended("success")]
    run = make_run(tmp_path / "run", [compute("a", outputs=[Output("f")])], story)
    workflow = Workflow("words").add_jobs(Job("wc", _id="a"))
    workflow.use_run(run)
    return workflow


def test_why_and_trace_print_what_the_commands_print(
    workflow: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workflow.why(workflow.get_job("a")) is workflow
    assert capsys.readouterr().out.startswith("wc_a (compute at local) succeeded\n")
    assert workflow.trace(File("f")).trace("f") is workflow
    assert capsys.readouterr().out.count("made by wc_a") == 2


def test_a_job_or_file_that_is_not_there_is_an_error(workflow: Workflow) -> None:
    with pytest.raises(PegasusClientError, match=r"(?s)explaining the job failed.*no job 'b'"):
        workflow.why("b")
    with pytest.raises(PegasusClientError, match=r"(?s)tracing the file failed.*'g'"):
        workflow.trace("g")
    with pytest.raises(PegasusError, match="plan it first"):
        Workflow("w").halt()


def test_a_running_run_is_halted(workflow: Workflow) -> None:
    with engine_alive(workflow.submit_dir):
        assert workflow.halt() is workflow
        assert (workflow.submit_dir / "control/halt").exists()
        (workflow.submit_dir / "control/halt").unlink()
        Client().halt(workflow.submit_dir)
        assert (workflow.submit_dir / "control/halt").exists()
