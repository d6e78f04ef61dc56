"""Jobs with scripts around them, and jobs that end the run, in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.cli.run_output import run_here
from markab.engine.run import Outcome, RunOptions, run
from markab.journal.records import AttemptEnd, GiveUp
from markab.journal.search import records_of
from markab.planner.planning import plan


class Scripted:
    """One task `t` that runs a shell script, and `later`, which reads what it makes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bench = Bench(directory)
        self.bench.has("in")
        self.bench.transformations[0]["sites"][0]["name"] = "local"
        self.submit_dir = Path()

    def script(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def plan(self, tool: str, retries: int = 0, **dagman: str) -> Path:
        self.script("bin/tool", tool)
        keys = {key.replace("__", ".").replace("_", "-"): value for key, value in dagman.items()}
        tasks = [
            task("t", "in", "out", profiles={"dagman": {"RETRY": str(retries), **keys}}),
            task("later", "out", "end"),
        ]
        for one in tasks:
            one["arguments"] = [one["id"]]
        planned = plan(self.bench.options(*tasks, output_dir=self.directory / "out", sites=["local"]))
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir
        return self.submit_dir

    def run(self, tool: str, retries: int = 0, **dagman: str) -> Outcome:
        return run(self.plan(tool, retries, **dagman), RunOptions(cores=2))

    def records(self, name: str = "tool_t") -> list[dict[str, Any]]:
        ends = records_of(self.submit_dir / "journal.jsonl", AttemptEnd)
        return [
            end.record for end in ends if (end.record.get("invocations") or [{}])[0].get("task", "t") in name
        ]


MAKES = "case $1 in t) echo x > out;; *) echo y > end;; esac"


def test_scripts_run_in_the_submit_directory_around_the_task(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    log = made.script("log", f'echo $(pwd) "$@" >> {tmp_path}/lines')
    outcome = made.run(
        f"echo $1 >> {tmp_path}/lines; {MAKES}",
        PRE=log, PRE__ARGUMENTS="before '$JOB' $JOB $RETRY", POST=log, POST__ARGUMENTS="after $RETURN $MAX_RETRIES",
    )  # fmt: skip

    assert outcome.state == "success"
    place = made.submit_dir
    assert (tmp_path / "lines").read_text().splitlines() == [
        f"{place} before $JOB tool_t 0", "t", f"{place} after 0 0", "later"
    ]  # fmt: skip
    (record,) = [one for one in made.records() if "pre" in one]
    assert record["pre"]["argv"][:2] == [log, "before"] and record["post"]["status"] == 0
    assert [one["task"] for one in record["invocations"]] == ["t"]


def test_a_pre_that_fails_is_tried_again_and_the_task_does_not_run_before(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    pre = made.script("pre", f"[ -e {tmp_path}/second ] || {{ touch {tmp_path}/second; exit 4; }}")
    outcome = made.run(f"echo $1 >> {tmp_path}/lines; {MAKES}", retries=1, PRE=pre)

    assert outcome.state == "success"
    assert (tmp_path / "lines").read_text().splitlines() == ["t", "later"]
    failed = [one for one in made.records() if not one["ok"]]
    assert [one["error"]["kind"] for one in failed] == ["pre-script"] and "invocations" not in failed[0]


def test_post_decides_whether_the_task_succeeded(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    three_is_fine = made.script("post", "[ $1 = 3 ]")
    outcome = made.run(f"{MAKES}; [ $1 != t ] || exit 3", POST=three_is_fine, POST__ARGUMENTS="$RETURN")
    assert outcome.state == "success" and (tmp_path / "out/end").exists()


def test_a_post_that_fails_makes_a_good_task_fail_and_its_outputs_are_not_taken(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    outcome = made.run(MAKES, POST=made.script("post", "echo bad result; exit 1"))

    assert outcome.state == "failed"
    ((_, _, error),) = outcome.failed
    assert error["kind"] == "post-script" and "ended with exit code 1" in error["message"]
    (record,) = [one for one in made.records() if "post" in one]
    assert record["stdout"] == "bad result\n" and "outputs" not in record


def test_a_post_does_not_make_up_for_a_missing_output(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    outcome = made.run("exit 3", POST="true")

    assert [error["kind"] for _, _, error in outcome.failed] == ["missing-output"]


@pytest.mark.parametrize(("rule", "code"), [("3", 3), ("3 RETURN 0", 0)])
def test_an_exit_code_can_end_the_run_without_a_retry(tmp_path: Path, rule: str, code: int) -> None:
    made = Scripted(tmp_path)
    outcome = made.run("exit 3", retries=5, ABORT_DAG_ON=rule)

    assert (outcome.state, outcome.exit_code) == ("removed", code)
    assert "job 'tool_t' ended the run, as its profile dagman.ABORT-DAG-ON says" in outcome.warnings
    (given_up,) = records_of(made.submit_dir / "journal.jsonl", GiveUp)
    assert given_up.why == "its exit code ends the run, as dagman.ABORT-DAG-ON says"


def test_the_command_ends_with_the_exit_code_of_the_run(tmp_path: Path) -> None:
    submit_dir = Scripted(tmp_path).plan("exit 3", ABORT_DAG_ON="3 RETURN 77")

    assert run_here(submit_dir, quiet=1) == 77


def test_another_exit_code_does_not_end_the_run(tmp_path: Path) -> None:
    outcome = Scripted(tmp_path).run("exit 4", ABORT_DAG_ON="3")

    assert (outcome.state, outcome.exit_code) == ("failed", None)


def test_a_run_that_a_job_ended_can_be_continued(tmp_path: Path) -> None:
    made = Scripted(tmp_path)
    assert made.run("exit 3", ABORT_DAG_ON="3").state == "removed"
    made.script("bin/tool", MAKES)

    again = run(made.submit_dir, RunOptions(cores=2))
    assert (again.state, again.exit_code) == ("success", None)
