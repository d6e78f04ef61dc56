from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

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
    process,
    retry,
    start,
)
from markab.cli.analyze import analyze, pegasus_analyzer
from markab.cli.explain import explain as command
from markab.insight.explanation import explain
from markab.insight.explanation_text import LINES, explanation_text
from markab.journal.records import NoRoom, Refused
from markab.plan.model import Input, Kind, Output, PlannedJob

MODULE = "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'pandas'\n"


def lacking(job: int, attempt: int = 1, **record: Any) -> Any:
    return failed(job, attempt, stderr=MODULE, invocations=[process("t", 256)], **record)


def test_equal_failures_are_one_verdict_with_what_waits_behind_it(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c", 0), compute("d", 2)]
    make_run(
        tmp_path,
        jobs,
        [began(), *(e for n in (0, 1) for e in (start(n), lacking(n), gave_up(n))), ended("failed")],
    )

    found = explain(tmp_path)

    (one,) = found.verdicts
    assert (one.rule, one.certainty, one.jobs, one.blocked) == ("F46", "likely", ["wc_a", "wc_b"], 2)
    assert one.behind == ["wc_c", "wc_d"] and found.failed == 2 and not found.not_explained
    assert "2 jobs, with the same cause    F46 module or package missing, likely" in explanation_text(found)


def test_evidence_names_the_line_of_the_journal_and_of_the_stream(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0), lacking(0), gave_up(0), ended("failed")])

    first = explain(tmp_path).verdicts[0].evidence[0]

    assert first.line == 3 and first.within == "line 3 of stderr"
    assert Path(first.source).read_text().splitlines()[first.line - 1].count("pandas") == 1
    assert first.text == "ModuleNotFoundError: No module named 'pandas'"


def test_evidence_in_a_file_has_the_number_of_the_line_there_however_long_it_is(tmp_path: Path) -> None:
    lines = [f"step {n} {'.' * 40}" for n in range(40_000)]
    (tmp_path / "a.err").write_text("\n".join([*lines, "cp: x: No space left on device", "bye"]) + "\n")
    end_ = failed(0, stderr_file="a.err", invocations=[process("t", 256)])
    make_run(tmp_path, [compute("a")], [began(), start(0), end_, gave_up(0), ended("failed")])

    first = explain(tmp_path).verdicts[0].evidence[0]

    assert first.source.endswith("a.err") and first.line == 40_001 and not first.within


def test_all_reports_show_the_same_verdict(tmp_path: Path) -> None:
    run = str(
        make_run(tmp_path, [compute("a")], [began(), start(0), lacking(0), gave_up(0), ended("failed")])
    )
    verdict = "F46 module or package missing, likely"

    for report in (command, analyze, pegasus_analyzer):
        assert verdict in CliRunner().invoke(report, [run]).output
    (cause,) = json.loads(CliRunner().invoke(analyze, [run, "--json"]).stdout)["causes"]
    (entry,) = json.loads(CliRunner().invoke(command, [run, "--json"]).stdout)["verdicts"]
    for key in ("rule", "certainty", "class"):
        assert cause[key] == entry[key]


def test_the_exit_code_is_3_if_something_is_not_explained(tmp_path: Path) -> None:
    good = make_run(tmp_path / "good", [compute("a")], [began(), start(0), end(0), ended("success")])
    known = make_run(
        tmp_path / "known", [compute("a")], [began(), start(0), lacking(0), gave_up(0), ended("failed")]
    )
    odd = failed(0, stderr="there is no station 5\n", invocations=[process("t", 3 << 8)])
    unknown = make_run(
        tmp_path / "unknown", [compute("a")], [began(), start(0), odd, gave_up(0), ended("failed")]
    )

    codes = [CliRunner().invoke(command, [str(run)]).exit_code for run in (good, known, unknown)]

    assert codes == [0, 0, 3]
    found = explain(unknown)
    assert found.not_explained == ["wc_a"] and found.verdicts[0].certainty == "unknown"
    assert any(
        one.text == "there is no station 5" and one.within == "line 1 of stderr"
        for one in found.verdicts[0].evidence
    )


def test_attempts_that_end_by_different_rules_have_no_cause(tmp_path: Path) -> None:
    key = failed(
        0,
        2,
        stderr=MODULE.replace("ModuleNotFoundError: No module named 'pandas'", "KeyError: 'a'"),
        invocations=[process("t", 256)],
    )
    entries = [began(), start(0), lacking(0), retry(0), start(0, 2), key, gave_up(0, 2), ended("failed")]
    make_run(tmp_path, [compute("a")], entries)

    (one,) = explain(tmp_path).verdicts

    assert one.rule == "F84" and "which of them is the cause is not known" in one.cause
    texts = [found.text for found in one.evidence]
    assert any("pandas" in text for text in texts) and any("KeyError" in text for text in texts)


def test_what_was_corrected_between_two_calls_of_the_engine_is_not_held_against_it(tmp_path: Path) -> None:
    key = failed(
        0,
        2,
        stderr="Traceback (most recent call last):\n  x\nKeyError: 'a'\n",
        invocations=[process("t", 256)],
    )
    entries = [began(), start(0), lacking(0), gave_up(0), ended("failed")]
    make_run(
        tmp_path,
        [compute("a")],
        [*entries, began(restart=1), start(0, 2), key, gave_up(0, 2), ended("failed")],
    )

    assert explain(tmp_path).verdicts[0].rule == "F49"


def test_a_host_on_which_all_fail_what_others_can_do_is_the_cause(tmp_path: Path) -> None:
    jobs = [compute(str(n)) for n in range(8)]
    entries: list[Any] = [began()]
    for n in range(8):
        bad = failed(n, host="n7", stderr="oh\n", invocations=[process("t", 256)])
        entries += [start(n), bad if n < 4 else end(n, host=f"n{n % 2}"), *([gave_up(n)] if n < 4 else [])]
    make_run(tmp_path, jobs, [*entries, ended("failed")])

    (one,) = explain(tmp_path).verdicts

    assert (one.rule, one.certainty, len(one.jobs)) == ("F82", "likely", 4)
    assert "all of them on n7, while others succeed on n0, n1" in one.cause


def test_a_run_that_is_running_is_explained_too(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c")]
    make_run(
        tmp_path, jobs, [began(), start(0), lacking(0), gave_up(0), start(1), lacking(1), retry(1), start(2)]
    )

    with engine_alive(tmp_path):
        found = explain(tmp_path)

    assert found.state == "Running" and not found.goes_on
    assert [(one.jobs, one.note) for one in found.verdicts] == [(["wc_a"], ""), (["wc_b"], "is tried again")]
    assert not any("markab run" in step.command for one in found.verdicts for step in one.steps)


def test_a_file_that_is_made_by_another_job_and_not_declared_is_named(tmp_path: Path) -> None:
    jobs = [compute("a", outputs=[Output(lfn="t.csv")]), compute("b", inputs=[Input(lfn="u.csv")])]
    missing = failed(1, stderr="cat: t.csv: No such file or directory\n", invocations=[process("b", 256)])
    make_run(tmp_path, jobs, [began(), start(0), end(0), start(1), missing, gave_up(1), ended("failed")])

    (one,) = explain(tmp_path).verdicts

    assert one.cause == "wc_b reads 't.csv', which is a file of the workflow and not declared as its input"
    assert any(found.line == 2 and "is made by wc_a" in found.text for found in one.evidence)
    assert one.steps[0].text == "declare it in the workflow: add_inputs('t.csv') of the job 'b'"


def test_a_file_of_nearly_the_same_name_is_found_and_the_step_gives_it_the_right_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "f.in.BADNAME").write_text("x")
    job = PlannedJob(id="stage_in_0", kind=Kind.STAGE_IN, site="local")
    error = {"kind": "refused", "message": f"'{data}/f.in' (wanted at '/s/f.in') does not exist"}
    make_run(
        tmp_path / "run",
        [job, compute("a", 0)],
        [began(), start(0), end(0, ok=False, error=error), gave_up(0), ended("failed")],
    )

    (one,) = explain(tmp_path / "run").verdicts

    assert (one.rule, one.certainty) == ("F12", "certain")
    assert one.steps[0].command == f"mv {data}/f.in.BADNAME {data}/f.in" and one.steps[0].mutating
    assert one.steps[-1].command.startswith("markab run ")


def test_one_job_is_explained_alone_and_a_skipped_one_by_what_failed_before_it(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c", 0)]
    odd = failed(1, stderr="boo\n", invocations=[process("t", 256)])
    make_run(
        tmp_path,
        jobs,
        [began(), start(0), lacking(0), gave_up(0), start(1), odd, gave_up(1), ended("failed")],
    )

    assert [one.jobs for one in explain(tmp_path, "a").verdicts] == [["wc_a"]]
    skipped = explain(tmp_path, "c")
    assert [one.jobs for one in skipped.verdicts] == [["wc_a"]]
    assert skipped.notes == ["wc_c was not started: 1 job before it failed"]


def test_a_job_that_passed_at_last_is_a_remark(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        [compute("a")],
        [began(), start(0), lacking(0), retry(0), start(0, 2), end(0, 2), ended("success")],
    )

    assert not explain(tmp_path).verdicts and not explain(tmp_path).remarks
    (one,) = explain(tmp_path, everything=True).remarks
    assert (one.rule, one.note) == ("F46", "succeeded at a later attempt")
    assert explain(tmp_path, "a").notes == ["wc_a succeeded at a later attempt"]


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([Refused(T0, why="job 'a' asks for 64 cores, and the machine has 2", hint="ask for less")], "F06"),
        (
            [
                began(),
                NoRoom(T0, job=0, why="it needs 2 GB, and 1 GB is there", hint="plan with more"),
                ended("failed"),
            ],
            "F63",
        ),
        ([began(), start(0)], "F83"),
    ],
)
def test_what_stopped_the_engine_is_explained(tmp_path: Path, entries: list[Any], rule: str) -> None:
    make_run(tmp_path, [compute("a")], entries)

    one = explain(tmp_path).verdicts[0]

    assert (one.rule, one.certainty) == (rule, "certain")
    assert one.evidence[0].line > 0 and any(step.command for step in one.steps)


def test_the_text_is_short_however_many_causes_there_are(tmp_path: Path) -> None:
    jobs = [compute(str(n), transformation=f"p{n}") for n in range(40)]
    entries = [e for n in range(40) for e in (start(n), lacking(n), gave_up(n))]
    make_run(tmp_path, jobs, [began(), *entries, ended("failed")])

    found = explain(tmp_path)
    text = explanation_text(found)

    assert len(text.splitlines()) <= LINES and "more entries: markab explain -v" in text
    assert explanation_text(found, verbose=True).count("●") == 40


def test_a_sub_workflow_is_explained_by_what_failed_in_it(tmp_path: Path) -> None:
    inner = PlannedJob(id="pegasus-plan_inner", kind=Kind.SUBWORKFLOW, site="local")
    error = {"kind": "sub-workflow", "message": "1 job of the sub-workflow failed"}
    bad = end(0, ok=False, error=error)
    from markab.plan.model import SUB_WORKFLOWS, PlanSite, local_directory

    sites = {
        "local": PlanSite(scratch=local_directory("local", f"{tmp_path}/scratch")),
        SUB_WORKFLOWS: PlanSite(executor="nested"),
    }
    make_run(
        tmp_path, [inner, compute("b", 0)], [began(), start(0), bad, gave_up(0), ended("failed")], sites=sites
    )
    child = tmp_path / "00" / "00" / "pegasus-plan_inner"
    make_run(child, [compute("fit")], [began(), start(0), lacking(0), gave_up(0), ended("failed")])

    (one,) = explain(tmp_path).verdicts

    assert (one.rule, one.jobs, one.workflow, one.blocked) == ("F46", ["wc_fit"], "pegasus-plan_inner", 1)
    assert explain(tmp_path, "pegasus-plan_inner/wc_fit").verdicts[0].rule == "F46"


def test_after_a_kill_for_memory_the_step_says_how_much_to_ask_for(tmp_path: Path) -> None:
    killed = end(
        0,
        ok=False,
        error={"kind": "memory", "message": "killed"},
        invocations=[process("t", 9, maxrss_kb=390 << 10)],
    )
    make_run(
        tmp_path,
        [compute("a", memory_mb=300)],
        [began(memory_mb=8000), start(0), killed, gave_up(0), ended("failed")],
    )

    (one,) = explain(tmp_path).verdicts

    assert (one.rule, one.certainty) == ("F52", "certain")
    assert one.steps[0].text.startswith("ask for 450 MB, with the profile pegasus.memory")
    assert any(found.text == "memory: 390 MB at most; asked for 300 MB" for found in one.evidence)
