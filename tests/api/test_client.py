"""`Client` on real runs, each in its own directory."""

from pathlib import Path

import pytest

from markab.api import Job, PegasusClientError, Workflow
from markab.api.client import PlannedWorkflow, StatusReader, from_env, get_planner_args
from markab.api.errors import WorkflowInstanceError


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


def test_a_planned_workflow_processes_its_run(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = from_env().plan(document, relative_dir="one", output_dir="out")
    again = PlannedWorkflow(tmp := document.parent / "one")

    assert again.braindump == planned.braindump
    started = again.run()
    assert (started["submit_dir"], started["pegasus_wf_name"]) == (
        str(tmp),
        planned.braindump.pegasus_wf_name,
    )
    again.client.wait("w", tmp, delay=0.1)
    capsys.readouterr()
    again.status(long=True)
    again.analyze()
    again.statistics()
    shown = capsys.readouterr().out
    assert "Success" in shown and "success" in shown and "Workflow wall time" in shown
    again.remove()


def test_a_client_cleans_nothing_up_unless_it_is_said_how(document: Path) -> None:
    kept, cleaned = (
        from_env().plan(document, relative_dir=name, output_dir="out", **how)
        for name, how in (("kept", {}), ("cleaned", {"cleanup": "leaf"}))
    )
    assert "--cleanup none" in (kept.braindump.planner_arguments or "")
    assert "--cleanup leaf" in (cleaned.braindump.planner_arguments or "")


def test_a_directory_without_a_run_is_an_error_that_names_it(tmp_path: Path) -> None:
    for call in (from_env().run, from_env().remove, from_env().statistics, StatusReader().get_progress):
        with pytest.raises(PegasusClientError, match=str(tmp_path)):
            call(tmp_path)  # type: ignore[operator]
    with pytest.raises(WorkflowInstanceError, match=str(tmp_path)):
        PlannedWorkflow(tmp_path)


def test_keywords_of_plan_are_words_of_its_command_line() -> None:
    assert get_planner_args(sites=["a", "b"], force=True) == ["--sites", "a,b", "--force"]
    assert get_planner_args() == []


def test_words_that_are_joined_by_commas_in_a_list_are_as_if_they_stood_alone() -> None:
    assert get_planner_args(cluster=["label,horizontal"], sites=["a, b", "c"]) == [
        *("--cluster", "label,horizontal"),
        *("--sites", "a,b,c"),
    ]
    with_comma = get_planner_args(forward=["a=1,2"])
    assert with_comma == ["--forward", "a=1,2"]


def test_joined_words_are_checked_one_by_one(document: Path) -> None:
    planned = from_env().plan(document, cluster=["label,horizontal"], output_dir="out")
    assert "--cluster label,horizontal" in (planned.braindump.planner_arguments or "")
    with pytest.raises(PegasusClientError, match="'lable' is unknown"):
        from_env().plan(document, cluster=["horizontal,lable"])
