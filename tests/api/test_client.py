"""`Client` on real runs, each in its own directory."""

from pathlib import Path

import pytest

from markab.api import Job, PegasusClientError, Workflow
from markab.api.client import PlannedWorkflow, StatusReader, from_env, get_planner_args


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Workflow("w").add_jobs(Job("true")).write("w.yml").path


def test_a_client_plans_a_document_and_knows_the_run(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = from_env("/usr")
    planned = client.plan(document, relative_dir="one", output_dir="out")

    assert planned.client is client
    submit_dir = planned.braindump.submit_dir
    assert submit_dir is not None and submit_dir.name == "one"
    totals = client.get_status("w", submit_dir)["totals"]
    assert totals == StatusReader().fetch_status(submit_dir, json=True)["totals"]  # type: ignore[index]
    capsys.readouterr()
    client.status(submit_dir)
    shown = capsys.readouterr().out
    assert StatusReader().fetch_status(submit_dir) is None and capsys.readouterr().out == shown


def test_a_directory_without_a_run_is_an_error_that_names_it(tmp_path: Path) -> None:
    for call in (from_env().run, from_env().remove, from_env().statistics, StatusReader().get_progress):
        with pytest.raises(PegasusClientError, match=str(tmp_path)):
            call(tmp_path)  # type: ignore[operator]
    with pytest.raises(PegasusClientError, match=str(tmp_path)):
        PlannedWorkflow(tmp_path).braindump  # noqa: B018


def test_keywords_of_plan_are_words_of_its_command_line() -> None:
    assert get_planner_args(sites=["a", "b"], force=True) == ["--sites", "a,b", "--force"]
    assert get_planner_args() == []
