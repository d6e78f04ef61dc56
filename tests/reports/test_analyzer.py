from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.made_run import (
    T0,
    began,
    compute,
    end,
    ended,
    engine_alive,
    failed,
    gave_up,
    make_run,
    retry,
    start,
)
from markab.diagnosis.failure_analysis import Analysis, Analyzer
from markab.errors import MarkabError, NotARun, StorageError
from markab.journal.records import Incomplete, Refused
from markab.plan.model import Input, Kind, Output, PlannedJob, Transfer
from markab.reports.analyzer import MarkabFailures
from markab.reports.debug_job import make_debug_directory
from markab.reports.job_report import read_job
from markab.reports.pegasus_analyzer import pegasus_text, shell_exit_code
from markab.reports.why import read_why

CHAIN = [compute("a"), compute("b", 0), compute("c", 1), compute("d")]
INVOCATION = {"task": "a", "argv": ["/usr/bin/wc", "-l", "a b"], "status": 768, "maxrss_kb": 2048}


def analysis(directory: Path) -> Analysis:
    run = Analyzer(directory)
    try:
        return run.analyze()
    finally:
        run.close()


def shown(directory: Path, **how: int | bool) -> str:
    run = Analyzer(directory)
    try:
        return MarkabFailures(run, run.analyze()).text(**how)  # type: ignore[arg-type]
    finally:
        run.close()


def test_only_the_root_cause_is_shown_and_its_dependents_are_counted(tmp_path: Path) -> None:
    happened = [began(), start(0), failed(0, invocations=[INVOCATION]), gave_up(0), start(3), end(3)]
    make_run(tmp_path, CHAIN, [*happened, ended("failed")])
    found = analysis(tmp_path)
    assert [(group.jobs, group.blocked) for group in found.groups] == [([0], 2)]
    assert found.left["blocked"] == 2 and found.left["succeeded"] == 1
    assert found.has_failure
    assert shown(tmp_path) == (
        "words: failed after 9.0 s\n"
        "  1 of 4 jobs succeeded, 1 failed, 2 skipped, because a job before them failed\n\n"
        "wc_a: exit code 3, no output is recorded [holds up 2 jobs]\n"
        "  verdict   F86 unknown\n"
        "  command   /usr/bin/wc -l 'a b'\n"
        "  where     site local, host here\n"
        "  sibling   wc_d succeeded\n\n"
        f"all about one job:     markab why {tmp_path} JOB\n"
        f"run it again by hand:  markab analyze {tmp_path} --debug-job JOB\n"
        f"after the correction:  markab run {tmp_path}    (what succeeded is kept)\n"
    )


def test_a_job_below_two_causes_counts_for_both_and_what_holds_up_most_comes_first(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c", 1), compute("d", 0, 1)]
    bad = [began()]
    for n, word in enumerate(("wind", "rain")):
        bad += [start(n), failed(n, invocations=[INVOCATION], stderr=word), gave_up(n)]
    make_run(tmp_path, jobs, [*bad, ended("failed")])
    assert [(group.jobs, group.blocked) for group in analysis(tmp_path).groups] == [([1], 2), ([0], 1)]


def test_equal_failures_are_one_group_and_others_are_not(tmp_path: Path) -> None:
    jobs = [compute(f"x{n}") for n in range(5)]
    happened = [began()]
    for n in range(4):
        happened += [start(n), failed(n, invocations=[INVOCATION], stderr=f"bad x{n}, line {n}"), gave_up(n)]
    happened += [start(4), failed(4, invocations=[INVOCATION], stderr="something else"), gave_up(4)]
    make_run(tmp_path, jobs, [*happened, ended("failed")])
    assert [group.jobs for group in analysis(tmp_path).groups] == [[0, 1, 2, 3], [4]]
    assert "1. 4 jobs of wc, with the same error: exit code 3: bad x0, line 0" in shown(tmp_path)
    assert 4 == len(shown(tmp_path, quiet=1).splitlines())
    assert 2 == len(shown(tmp_path, summary=True).splitlines())


def test_many_kinds_of_failure_are_cut_but_not_with_verbose(tmp_path: Path) -> None:
    words = [letter * 3 for letter in "abcdefghijkl"]
    happened = [began()]
    for n, word in enumerate(words):
        happened += [start(n), failed(n, invocations=[INVOCATION], stderr=word), gave_up(n)]
    make_run(tmp_path, [compute(f"x{word}") for word in words], [*happened, ended("failed")])
    assert "… and 2 more kinds of failure, 2 jobs: see -v" in shown(tmp_path)
    assert "12. wc_xlll" in shown(tmp_path, verbose=1)


def test_lost_cancelled_failing_and_never_started_are_distinguished(tmp_path: Path) -> None:
    cancelled = end(2, ok=False, error={"kind": "cancelled", "message": "cancelled"})
    jobs = [compute(name) for name in "abcde"]
    happened = [began(), start(0), end(0), start(1), start(2), cancelled, start(3), failed(3), retry(3)]
    make_run(tmp_path, jobs, happened)
    found = analysis(tmp_path)
    assert {word: number for word, number in found.left.items() if number} == {
        "succeeded": 1,
        "failing": 1,
        "cancelled": 1,
        "lost": 1,
        "unsubmitted": 1,
    }
    assert found.engine_crashed and found.has_failure
    assert "1 lost when the engine stopped" in shown(tmp_path) and "lost: wc_b" in shown(tmp_path)


def test_time_outs_and_held_jobs_are_counted(tmp_path: Path) -> None:
    happened = [began()]
    for n, kind in enumerate(("timeout", "held")):
        happened += [start(n), end(n, ok=False, error={"kind": kind, "message": f"it {kind}"}), gave_up(n)]
    make_run(tmp_path, [compute("a"), compute("b")], [*happened, ended("failed")])
    assert "2 failed (1 by time-out, 1 held)" in shown(tmp_path)


def test_a_run_that_goes_on_or_never_started_has_no_failure(tmp_path: Path) -> None:
    make_run(tmp_path / "new", CHAIN)
    assert not analysis(tmp_path / "new").has_failure
    make_run(tmp_path / "going", CHAIN, [began(), start(0)])
    with engine_alive(tmp_path / "going"):
        assert not analysis(tmp_path / "going").has_failure
        assert "words: still running\n" in shown(tmp_path / "going")
    make_run(tmp_path / "done", CHAIN[:1], [began(), start(0), end(0), ended("success")])
    assert shown(tmp_path / "done") == "words: succeeded after 9.0 s\n  1 of 1 job succeeded\n"


def test_a_refused_run_says_so_and_why(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [Refused(T0, "this machine has no GPUs", "plan with --gpus N")])
    found = Analyzer(tmp_path)
    pegasus = pegasus_text(found, found.analyze())
    found.close()

    assert analysis(tmp_path).has_failure
    assert "words: refused\n" in shown(tmp_path)
    for text in (shown(tmp_path), pegasus):
        assert "refused: this machine has no GPUs\n  hint: plan with --gpus N\n" in text
    assert read_why(tmp_path, "b").verdict == "waits: the run was refused"


def test_a_failure_followed_by_a_success_is_none(tmp_path: Path) -> None:
    first = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    make_run(tmp_path, CHAIN[:1], [*first, began(T0 + 20), start(0, 2), end(0, 2), ended("success", T0 + 30)])
    assert analysis(tmp_path).groups == [] and not analysis(tmp_path).has_failure


def test_earlier_attempts_are_folded(tmp_path: Path) -> None:
    happened = [began()]
    for n, word in enumerate(("x", "y", "y"), 1):
        happened += [start(0, n), failed(0, n, invocations=[INVOCATION], stderr=word), retry(0, n)]
    happened[-1] = gave_up(0, 3)
    make_run(tmp_path, CHAIN, [*happened, ended("failed")])
    assert "  tries     attempt 1: exit code 3: x\n  tries     attempts 2 to 3: exit code 3: y\n" in shown(
        tmp_path
    )


def test_the_json_has_the_shape_of_pegasus_analyzer(tmp_path: Path) -> None:
    happened = [began(), start(0), failed(0, invocations=[INVOCATION], cwd="/w"), gave_up(0), ended("failed")]
    make_run(tmp_path, CHAIN, happened)
    run = Analyzer(tmp_path)
    found = json.loads(json.dumps(MarkabFailures(run, run.analyze()).to_json()))
    root = found["workflows"]["root"]
    assert found["root_wf_uuid"] == root["wf_uuid"] == "7a3c" and root["wf_status"] == "failure"
    assert root["submit_dir"] == str(tmp_path)
    assert list(root) == [
        "wf_uuid",
        "dag_file_name",
        "submit_hostname",
        "submit_dir",
        "user",
        "planner_version",
        "wf_name",
        "wf_status",
        "parent_wf_name",
        "parent_wf_uuid",
        "jobs",
    ]
    jobs = root["jobs"]
    assert (jobs["total"], jobs["success"], jobs["failed"], jobs["held"], jobs["unsubmitted"]) == (
        4,
        0,
        1,
        0,
        3,
    )
    one = jobs["job_details"]["failed_jobs_details"]["wc_a"]
    assert (one["executable"], one["argv"], one["work_dir"]) == ("/usr/bin/wc", "-l 'a b'", "/w")
    assert one["tasks"] == {
        "1": {
            "task_submit_seq": 1,
            "exitcode": 3,
            "executable": "/usr/bin/wc",
            "arguments": "-l 'a b'",
            "transformation": "wc",
            "abs_task_id": "a",
        }
    }
    assert {key: value for key, value in one.items() if key not in ("submit_dir", "tasks")} == {
        "job_name": "wc_a",
        "state": "JOB_FAILURE",
        "site": "local",
        "hostname": "here",
        "work_dir": "/w",
        "submit_file": f"{tmp_path / 'plan.jsonl'}:2",
        "stdout_file": "-",
        "stderr_file": "-",
        "executable": "/usr/bin/wc",
        "argv": "-l 'a b'",
        "pre_executable": "-",
        "pre_argv": "-",
        "subwf_dir": "-",
        "stdout_text": "-",
        "stderr_text": "exit code 3",
    }
    assert found["causes"][0]["holds_up"] == 2
    own = {"cause", "kind", "title", "remedy", "rule", "certainty", "class"}
    assert own | {"transformation", "jobs", "holds_up", "first"} == set(found["causes"][0])


def test_the_text_of_pegasus_has_a_block_for_each_job(tmp_path: Path) -> None:
    happened = [
        began(),
        start(0),
        failed(0, invocations=[INVOCATION], stderr="boo"),
        gave_up(0),
        ended("failed"),
    ]
    run = Analyzer(make_run(tmp_path, CHAIN, happened))
    found = MarkabFailures(run, run.analyze())
    printed = found.pegasus_text()
    assert " Workflow Status    : failure\n Total jobs         :      4 (100.00%)\n" in printed
    assert " last state: JOB_FAILURE\n       site: local\n" in printed and "exitcode    : 3\n" in printed
    assert printed.endswith("\n\nboo\n\n")
    assert "last state" not in found.pegasus_text(summary=True)
    assert found.to_json()["left"]["failed"] == 1
    assert [shell_exit_code(status) for status in (-1, 768, 9)] == [-1, 3, 137]


def test_what_is_no_submit_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        shown(tmp_path)


def test_a_debug_directory_has_inputs_and_a_script(tmp_path: Path) -> None:
    job = compute("a", inputs=[Input(lfn="d/in"), Input(lfn="gone")], outputs=[Output(lfn="o/out")])
    make_run(tmp_path / "run", [job], [began(), start(0), failed(0), gave_up(0), ended("failed")])
    (tmp_path / "run/scratch/d").mkdir(parents=True)
    (tmp_path / "run/scratch/d/in").write_text("x")
    made = make_debug_directory(tmp_path / "run", "a", tmp_path / "debug")
    assert (made.path / "d/in").read_text() == "x" and (made.path / "o").is_dir()
    assert made.missing == ["gone"] and "gone was not found" in made.text()
    assert "/usr/bin/wc -l in\n" in made.script.read_text()
    with pytest.raises(StorageError, match="not empty"):
        make_debug_directory(tmp_path / "run", "a", tmp_path / "debug")


def test_a_directory_that_was_kept_is_shown_with_whether_it_is_still_there(tmp_path: Path) -> None:
    directory = tmp_path / "work/a.1"
    bad = failed(0, cwd=str(directory), kept=True, undeclared=["clue"])
    make_run(tmp_path / "run", [compute("a")], [began(), start(0), bad, gave_up(0), ended("failed")])

    story = read_job(tmp_path / "run", "a")
    assert f"in     {directory}  (kept, and removed since)" in story.text()
    directory.mkdir(parents=True)
    assert f"in     {directory}  (kept)" in story.text()
    assert "  not declared as outputs: clue" in story.text()
    assert f"directory {directory}" in shown(tmp_path / "run")


def test_the_script_of_a_debug_directory_replaces_no_file_of_the_job(tmp_path: Path) -> None:
    job = compute("a", inputs=[Input(lfn="run.sh")], outputs=[Output(lfn="run-2.sh/out")])
    make_run(tmp_path / "run", [job], [began(), start(0), failed(0), gave_up(0), ended("failed")])
    (tmp_path / "run/scratch").mkdir(parents=True)
    (tmp_path / "run/scratch/run.sh").write_text("the user's")

    made = make_debug_directory(tmp_path / "run", "a", tmp_path / "debug")
    assert made.script.name == "run-3.sh" and (made.path / "run.sh").read_text() == "the user's"


def test_attempts_that_ended_alike_but_for_a_size_are_shown_in_one_line(tmp_path: Path) -> None:
    def out_of_memory(attempt: int, peak_kb: int) -> list[object]:
        ran = {"task": "a", "argv": ["fit"], "status": 9, "maxrss_kb": peak_kb}
        return [start(0, attempt), failed(0, attempt, invocations=[ran])]

    tries = [*out_of_memory(1, 402_000), retry(0), *out_of_memory(2, 401_000), gave_up(0, 2)]
    make_run(tmp_path, [compute("a")], [began(), *tries, ended("failed")])
    found = shown(tmp_path)
    assert "392 MB" in found and "2 attempts, all with the same end" in found


def test_no_name_begins_a_command_of_the_script(tmp_path: Path) -> None:
    job = compute("a", inputs=[Input("x\ntouch pwned")])
    bad = failed(0, host="h\ntouch pwned", cwd="/tmp/\ntouch pwned")
    make_run(tmp_path / "run", [job], [began(), start(0), bad, gave_up(0), ended("failed")])

    made = make_debug_directory(tmp_path / "run", "a", tmp_path / "debug")

    assert "\ntouch pwned" not in made.script.read_text()


def test_a_job_of_markab_has_nothing_to_debug(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [PlannedJob(id="tidy", kind=Kind.CLEANUP, site="local")])
    with pytest.raises(MarkabError, match="no command to run by hand"):
        make_debug_directory(tmp_path / "run", "tidy", tmp_path / "debug")


def test_the_story_of_a_job_names_its_pass_its_parents_and_its_attempts(tmp_path: Path) -> None:
    jobs = [
        PlannedJob(id="in", kind=Kind.STAGE_IN, site="local", why="move_data: 1 file(s) for a"),
        compute("a", 0),
    ]
    tries = [start(1), failed(1, stderr="boo"), retry(1), start(1, 2, T0 + 9), end(1, 2, T0 + 12)]
    make_run(tmp_path, jobs, [began(), start(0), end(0), *tries, ended("success")])
    assert "  made by   move_data: 1 file(s) for a\n" in read_why(tmp_path, "in").text()
    text = read_why(tmp_path, "a").text()
    assert text.startswith("wc_a (compute at local) succeeded after 2 attempts\n")
    assert "  after     in (succeeded)\n" in text and "  pause     7.0 s\n" in text
    assert "then tried again" in text


def test_a_skipped_job_names_the_job_that_failed_however_far_above(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), failed(0), gave_up(0), ended("failed")])
    story = read_why(tmp_path, "c")
    assert [one.job for one in story.failed_ancestors] == [
        "wc_a"
    ] and "skipped: a job before it failed" in story.text()
    assert json.loads(json.dumps(story.to_json()))["because_of"] == ["wc_a"]


def test_results_that_were_not_delivered_are_listed_with_the_reason(tmp_path: Path) -> None:
    names = [f"r{n}" for n in range(12)]
    jobs = [compute("a", outputs=[Output(name) for name in names]), compute("b")]
    jobs.append(
        PlannedJob(
            "out", Kind.STAGE_OUT, "local", parents=[0, 1], transfers=[Transfer(n, [], []) for n in names]
        )
    )
    error = {"kind": "incomplete", "message": "12 files not delivered, because wc_a failed"}
    part = [start(2), end(2, ok=False, error=error), Incomplete(T0 + 3, 2, 1)]
    make_run(
        tmp_path, jobs, [began(), start(0), failed(0), gave_up(0), start(1), end(1), *part, ended("failed")]
    )

    text = shown(tmp_path)
    assert "1 of 3 jobs succeeded, 1 failed, 1 done in part" in text
    assert "not delivered: 12 results\n  r0: wc_a failed\n" in text and "  … and 2 more: see -v\n" in text
    assert "  r11: wc_a failed\n" in shown(tmp_path, verbose=1)
    assert "not delivered: 12 results\n" in shown(tmp_path, quiet=1) and "r0:" not in shown(tmp_path, quiet=1)
    assert [len(group.jobs) for group in analysis(tmp_path).groups] == [1], "it is no cause"


def test_undelivered_results_and_incomplete_jobs_are_in_the_form_for_programs(tmp_path: Path) -> None:
    jobs = [compute("a", outputs=[Output("x")]), compute("b")]
    jobs.append(PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0, 1], transfers=[Transfer("x", [], [])]))
    part = [
        start(2),
        end(2, ok=False, error={"kind": "incomplete", "message": "x"}),
        Incomplete(T0 + 3, 2, 1),
    ]
    make_run(
        tmp_path, jobs, [began(), start(0), failed(0), gave_up(0), start(1), end(1), *part, ended("failed")]
    )
    run = Analyzer(tmp_path)
    report = MarkabFailures(run, run.analyze())

    assert report.to_json()["undelivered"] == [{"lfn": "x", "job": "out", "why": "wc_a failed"}]
    assert report.to_json()["left"]["incomplete"] == 1
    assert report.to_json()["workflows"]["root"]["jobs"]["incomplete"] == 1
    assert " # jobs done in part :      1 (33.33%)\n" in report.pegasus_text()
    run.close()
