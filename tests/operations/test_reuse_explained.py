"""`plan --explain`, `why` and `trace` of runs with reuse by content."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from kit.content_runs import Lab, Step, chain
from markab import operations
from markab.errors import MarkabError
from markab.plan.reused_tasks import read_reused_tasks


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, chain("a", "b", "c"), {"in": "input\n"})
    lab.run()
    return lab


def explained(lab: Lab, *, dry: bool = False) -> dict[str, str]:
    lab.write()
    plan = operations.dry_run if dry else operations.plan
    planned = plan(lab.plan_options(), explain=True)
    return {r.job: r.why for r in planned.reasons if r.by == "reuse_by_content"}


@pytest.mark.parametrize("dry", [True, False])
def test_a_plan_says_which_program_changed(lab: Lab, dry: bool) -> None:
    lab.steps[1].line = "edited"

    why = explained(lab, dry=dry)

    assert why["a"].startswith("reused: as made by job tool_a_a of run ")
    assert why["b"].startswith(f"it runs again because {lab.path}/bin/b changed (sha256 ")
    assert "it reads 'b.out', which b makes in this run" == why["c"]


def test_a_first_plan_says_that_nothing_is_known(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"})

    assert {"a": "no earlier run of this workflow made its outputs"} == explained(lab)


def test_what_changed_is_told_against_the_run_that_made_what_is_in_use(lab: Lab) -> None:
    lab.steps[0].argument = "second"
    lab.run()
    lab.steps[0].argument = ""
    lab.run()  # reuses what the first run made
    lab.steps[0].argument = "third"

    assert "its arguments changed: a.out - in → a.out third in" in explained(lab)["a"]


def test_why_tells_what_ran_again_what_was_brought_and_what_was_left_out(lab: Lab) -> None:
    lab.steps[1].comment = "edited"
    run = lab.run().submit_dir

    texts = {name: operations.why(run, name).text() for name in "abc"}

    assert "a was not run: reused, as made by job tool_a_a of run " in texts["a"]
    assert "reuse     it runs again because " in texts["b"] and "bin/b changed (sha256 " in texts["b"]
    assert "reuse     its outputs were brought, as made by job tool_c_c of run " in texts["c"]
    assert operations.why(run, "a").to_json()["reused"]["job"] == "tool_a_a"


def test_why_of_a_task_that_is_nowhere_is_an_error(lab: Lab) -> None:
    with pytest.raises(MarkabError, match="the run has no job 'zz'"):
        operations.why(lab.run().submit_dir, "zz")


def test_trace_says_which_job_made_what_was_brought(lab: Lab) -> None:
    lab.steps[1].comment = "edited"

    text = operations.trace(lab.run().submit_dir, "c.out").text()

    assert (
        "made by tool_c_c (tool_c at condorpool), which brought it: as made by job tool_c_c of run " in text
    )


def test_show_tells_what_was_brought(lab: Lab) -> None:
    lab.steps[1].comment = "edited"

    run = lab.run().submit_dir
    text = operations.show_job(run, "c").text()

    assert "ran no task: its outputs were brought, as made by job tool_c_c of run " in log_of(run, "c")
    assert "brought c.out" in text and "as made by job tool_c_c of run " in text


def test_trace_names_the_run_that_made_a_reused_file(lab: Lab) -> None:
    lab.steps[2].line = "edited"
    run = lab.run().submit_dir

    text = operations.trace(run, "c.out").text()

    assert "from job tool_b_b of run " in text and "reused" in text
    left_out = operations.trace(lab.run().submit_dir, "c.out")
    assert left_out.files["c.out"].source.endswith("reused")


@pytest.fixture
def left_out(lab: Lab) -> tuple[Path, str]:
    """A run that left out `a`, and what is to be said of the job that made its output."""
    lab.steps[1].line = "edited"
    run = lab.run().submit_dir
    first = run.with_name("run0001")
    return run, f"reused, as made by job tool_a_a of run {first}, planned {time.strftime('%Y-%m-%d')} "


def log_of(run: Path, job: str, *, follow: bool = False) -> str:
    with operations.open_log(run, job) as log:
        text = "".join(text for _, text in operations.shown_log(log, follow=follow))
        assert log.exit_state == "success"
    return text


def test_all_that_is_known_of_a_task_that_was_left_out_is_in_its_json(left_out: tuple[Path, str]) -> None:
    run, _ = left_out
    story = operations.show_job(run, "a")
    (task,) = [task for task in read_reused_tasks(run / "reused.jsonl") if task.task == "a"]

    found = story.to_json()

    assert found.pop("reused").keys() == {"key", "run", "job", "submit_dir", "planned"}
    (made,) = found.pop("made")
    assert (made["lfn"], made["sha256"], made["size"]) == (
        "a.out",
        task.made[0].sha256,
        task.made[0].size_bytes,
    )
    assert found.pop("verdict").startswith("was not run: reused, as made by job tool_a_a of run ")
    assert found == {"job": "a", "label": "", "state": "reused"}


def test_every_view_of_a_task_that_was_left_out_names_job_run_and_date(left_out: tuple[Path, str]) -> None:
    run, origin = left_out

    for view in (operations.show_job, operations.why):
        for name in ("a", "tool_a_a"):
            assert f"a was not run: {origin}" in view(run, name).text()
    assert operations.show_job(run, "a").to_json()["reused"]["submit_dir"] == str(run.with_name("run0001"))
    assert f"from {origin.partition('by ')[2]}" in operations.trace(run, "a.out").text()
    (row,) = operations.list_jobs(run, ["reused"])
    assert (row["job"], row["attempts"]) == ("a", 0)
    assert operations.has_job(run, "a") and ("a", "reused") in operations.job_names(run)


def test_a_task_that_was_left_out_is_named_by_its_label_or_transformation_and_shown_with_it(
    tmp_path: Path,
) -> None:
    steps = [
        Step("a", ["in"], "a.out", keys={"nodeLabel": "first fit"}),
        Step("b", ["in"], "b.out", keys={"nodeLabel": "fit"}),
        Step("c", ["in"], "c.out", keys={"nodeLabel": "fit"}),
        Step("d", ["in"], "d.out", keys={"nodeLabel": "tool_a"}),
    ]
    lab = Lab(tmp_path, steps, {"in": "input\n"})
    lab.run()
    lab.steps[3].line = "edited"
    run = lab.run().submit_dir

    for name in ("a", "first fit"):
        assert operations.why(run, name).text().startswith("a (first fit) was not run: reused")
        assert operations.has_job(run, name)
    assert "b (fit) was not run" in log_of(run, "tool_b")
    assert {"first fit", "fit"} == {row["label"] for row in operations.list_jobs(run, ["reused"])}
    with pytest.raises(MarkabError, match="several jobs") as several:
        operations.why(run, "fit")
    assert several.value.hint == "name one of them: b, c"
    assert operations.why(run, "tool_a").to_json()["job"] == "tool_d_d"  # one that is planned comes first


@pytest.mark.parametrize("follow", [False, True])
def test_the_log_of_a_task_that_was_left_out_says_where_its_output_is(
    left_out: tuple[Path, str], follow: bool
) -> None:
    run, origin = left_out

    text = log_of(run, "a", follow=follow)

    assert origin in text
    assert text.endswith(f"`markab logs {run.with_name('run0001')} tool_a_a` prints what that job wrote]\n")


def test_a_deleted_run_is_still_named_as_the_origin(left_out: tuple[Path, str]) -> None:
    run, origin = left_out
    shutil.rmtree(run.with_name("run0001"))

    text = log_of(run, "a")

    assert origin in text and text.endswith(", which was deleted since]\n")


def test_trace_of_a_task_says_which_file_to_trace(left_out: tuple[Path, str]) -> None:
    run, origin = left_out

    for name, kind in (("a", f"a task, which was not run: {origin}"), ("b", "a job")):
        with pytest.raises(MarkabError) as caught:
            operations.trace(run, name)
        assert f"{name!r} is no file, but {kind}" in caught.value.message
        assert caught.value.hint == f"trace a file that it makes: `markab trace {run} {name}.out`"


def test_what_cannot_be_had_of_a_task_that_was_left_out_says_why(left_out: tuple[Path, str]) -> None:
    run, origin = left_out

    with pytest.raises(MarkabError) as caught:
        operations.make_debug_directory(run, "a")
    assert caught.value.message == f"a was not run: {origin}" + caught.value.message.partition(origin)[2]
    with pytest.raises(MarkabError, match="task 'a' was not run: reused"):
        operations.read_metadata(run, task="a")


def test_show_and_logs_find_the_task_of_a_cluster(tmp_path: Path) -> None:
    keys = {"name": "tool_a", "profiles": {"pegasus": {"clusters.size": "2"}}}
    steps = [Step(name, ["in"], f"{name}.out", keys=keys) for name in ("a", "b")]
    lab = Lab(tmp_path, steps, {"in": "input\n"}, options={"cluster": ["horizontal"]})
    run = lab.run().submit_dir

    story = operations.show_job(run, "b")

    text, cluster = story.text(), story.to_json()["job"]
    assert f"{cluster}  (compute" in text and "cluster  b is task 2 of 2 that it runs\n" in text
    assert "b.out" in text and "a.out" not in text and text.count("  ran ") == 1
    assert story.to_json()["task"] == "b"
    assert f"[b is task 2 of 2 of {cluster}, whose output this is]\n" in log_of(run, "b")
    assert "task" not in operations.show_job(run, cluster).to_json()
    assert operations.why(run, "b").to_json()["job"] == cluster


def test_a_plan_says_of_each_task_of_a_cluster_what_changed(tmp_path: Path) -> None:
    """Also if one of the two runs had no clusters."""
    keys = {"name": "tool_a", "profiles": {"pegasus": {"clusters.size": "2"}}}
    steps = [Step(name, ["in"], f"{name}.out", keys=keys) for name in ("a", "b")]
    lab = Lab(tmp_path, steps, {"in": "input\n"}, options={"cluster": ["horizontal"]})
    lab.run()
    lab.steps[0].argument, lab.steps[1].argument = "one", "two"

    clustered = explained(lab, dry=True)
    lab.options = {}
    alone = explained(lab, dry=True)

    for why in (clustered, alone):
        assert "it runs again because its arguments changed: a.out - in → a.out one in" == why["a"]
        assert "it runs again because its arguments changed: b.out - in → b.out two in" == why["b"]
