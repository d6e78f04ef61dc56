"""What jobs have written, through the API."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, failed, make_run, retry, start
from markab.api import Job, PegasusClientError, PegasusError, Workflow
from markab.api.client import Client, PlannedWorkflow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    story = [began(), start(0), failed(0, stdout="one\n"), retry(0), start(0, 2)]
    story += [end(0, 2, stdout="two\x07\nthree\n", stderr="bad\r\n"), ended("success")]
    return make_run(tmp_path / "run", [compute("a")], story)


@pytest.fixture
def workflow(run: Path) -> Workflow:
    workflow = Workflow("words").add_jobs(Job("wc", _id="a", node_label="counts"))
    workflow.use_run(run)
    return workflow


def test_a_job_prints_what_it_has_written(workflow: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    job = workflow.get_job("a")
    assert job.logs() is job
    assert capsys.readouterr() == ("two\\x07\nthree\n", "bad\n")
    assert workflow.logs(job, attempt=1, stderr=False) is workflow
    assert capsys.readouterr() == ("one\n", "")
    job.logs(follow=True, tail=1, stderr=False)
    assert capsys.readouterr() == ("three\n", "[attempt 2 of wc_a]\n[wc_a succeeded]\n")


def test_a_job_returns_what_it_has_written_as_it_is(workflow: Workflow) -> None:
    job = workflow.get_job("a")
    assert job.get_logs() == {"stdout": "two\x07\nthree\n", "stderr": "bad\r\n"}
    assert workflow.get_logs("wc_a", attempt=1) == {"stdout": "one\n", "stderr": ""}


def test_a_client_prints_the_logs_of_a_directory(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PlannedWorkflow(run, Client()).logs("a", attempt=1)
    assert capsys.readouterr().out == "one\n"


def test_what_cannot_be_shown_is_an_error_of_the_api(workflow: Workflow) -> None:
    with pytest.raises(PegasusClientError, match=r"(?s)reading the logs failed.*wc_a has no attempt 7"):
        workflow.get_job("a").logs(attempt=7)
    with pytest.raises(PegasusError, match=r"Job\(.*\) has no logs: add it to a workflow first"):
        Job("wc").logs()
    with pytest.raises(PegasusError, match="has no submit directory: plan it first"):
        Workflow("w").add_jobs(job := Job("wc")).get_job(str(job._id)).get_logs()
    with pytest.raises(PegasusError, match="has no id"):
        workflow.logs(Job("wc"))


def test_a_copy_of_a_job_is_in_no_workflow(workflow: Workflow) -> None:
    job = workflow.get_job("a")
    for same in (copy.deepcopy(job), copy.copy(job), pickle.loads(pickle.dumps(job))):
        assert same._workflow is None and same._id == "a"
