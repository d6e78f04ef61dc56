from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from kit.made_run import T0, began, compute, end, ended, failed, gave_up, make_run, retry, start
from markab.diagnosis.failed_attempts import FailedAttempts
from markab.diagnosis.failed_job import examine_failed_job
from markab.diagnosis.failure_analysis import Analyzer
from markab.errors import MarkabError
from markab.formatting import count, duration, size, tail
from markab.plan.job_lookup import find_job
from markab.plan.model import Input, Kind, Place, PlannedJob, PlannedTask, Registration, Transfer
from markab.reports.job_report import read_job, read_jobs, wait_status

JOBS = [compute("a"), compute("b", 0)]
INVOCATION = {
    "argv": ["/usr/bin/wc", "-l", "a b"],
    "duration_s": 1.5,
    "utime_s": 0.2,
    "maxrss_kb": 2048,
    "status": 768,
}


def test_a_job_is_described_with_plan_attempts_and_output(tmp_path: Path) -> None:
    (tmp_path / "00").mkdir()
    (tmp_path / "00/out").write_text("".join(f"line {n}\n" for n in range(100)))
    entries = [
        *(began(), start(0), failed(0, invocations=[INVOCATION], stderr="wc: in: no such file\n"), retry(0)),
        *(start(0, 2), end(0, 2, stdout_file="00/out", outputs=[{"lfn": "out", "size": 3000}]), start(1)),
    ]
    story = read_job(make_run(tmp_path, JOBS, entries), "wc_a")
    text = story.text()

    assert text.startswith("wc_a  (compute at local): succeeded")
    assert "task     a: /usr/bin/wc -l in" in text
    assert "attempt 1" in text and "failed after 1.0 s on here; tried again" in text
    assert "exit code 3" in text and "ended  with exit code 3" in text
    assert "ran    /usr/bin/wc -l 'a b'" in text
    assert "wc: in: no such file" in text
    assert "made   out, 2.9 KB" in text
    assert "line 99" in text and "line 10\n" not in text and "(60 lines above)" in text
    assert json.loads(json.dumps(story.to_json()))["attempts"][1]["record"]["ok"] is True


def test_the_metadata_of_a_task_are_shown(tmp_path: Path) -> None:
    story = read_job(make_run(tmp_path, [compute("a", task={"metadata": {"n": "3"}})]), "wc_a")
    assert "  meta   n=3\n" in story.text()


def test_secrets_in_the_urls_of_files_are_not_shown(tmp_path: Path) -> None:
    url = "https://store/{}?X-Amz-Signature=hush"
    move = Transfer("x", [Place("web", url.format("x"))], [Place("local", "/scratch/x")])
    into = Registration("x", url.format("out"), "web")
    fetched = Input("y", sources=[Place("web", url.format("y"))])
    stage_in = PlannedJob(id="stage_in", kind=Kind.STAGE_IN, site="local", transfers=[move])
    register = PlannedJob(id="register", kind=Kind.REGISTER, site="local", registrations=[into])
    make_run(tmp_path, [stage_in, register, compute("a", inputs=[fetched])])

    for name in ("stage_in", "register", "wc_a"):
        story = read_job(tmp_path, name)
        assert "hush" not in story.text() + json.dumps(story.to_json())
    assert "https://store/x?X-Amz-Signature=***" in read_job(tmp_path, "stage_in").text()


def test_a_job_is_found_by_the_id_of_its_task_and_a_wrong_name_gets_a_suggestion(tmp_path: Path) -> None:
    make_run(tmp_path, JOBS)
    assert read_job(tmp_path, "b").plan["id"] == "wc_b"
    assert read_job(tmp_path, "b").parents == ["wc_a"]
    with pytest.raises(MarkabError, match="no job 'wc_x'") as caught:
        read_job(tmp_path, "wc_x")
    assert "wc_a" in caught.value.hint


def test_the_id_of_a_task_never_finds_a_job_of_the_planner(tmp_path: Path) -> None:
    stage_in = PlannedJob(id="stage_in_local_local_0_0", kind=Kind.STAGE_IN, site="local")
    slashed = msgspec.structs.replace(compute("a/b"), id="wc_a-b")
    make_run(tmp_path, [stage_in, compute("0"), slashed])
    assert read_job(tmp_path, "0").plan["id"] == "wc_0"
    assert read_job(tmp_path, "a/b").plan["id"] == "wc_a-b"
    with pytest.raises(MarkabError, match="no job '0_0'"):
        read_job(tmp_path, "0_0")


def test_a_misspelt_id_of_a_task_gets_the_name_of_its_job(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("prepare"), compute("flatten")])
    with pytest.raises(MarkabError, match="no job 'preprae'") as caught:
        read_job(tmp_path, "preprae")
    assert caught.value.hint == "did you mean wc_prepare?"


def test_the_list_of_jobs_has_states_and_attempts(tmp_path: Path) -> None:
    entries = [began(), start(0), failed(0), retry(0), start(0, 2), end(0, 2), start(1)]
    jobs = read_jobs(make_run(tmp_path, JOBS, entries))
    assert [(job["job"], job["state"], job["attempts"]) for job in jobs] == [
        ("wc_a", "succeeded", 2),
        ("wc_b", "lost with the engine", 1),
    ]


def test_a_missing_captured_file_is_mentioned_not_raised(tmp_path: Path) -> None:
    make_run(tmp_path, JOBS, [began(), start(0), end(0, stdout_file="00/gone")])
    assert "cannot read 00/gone" in read_job(tmp_path, "wc_a").text()


def test_each_new_failure_is_reported_once(tmp_path: Path) -> None:
    make_run(tmp_path, JOBS, [began(), start(0), failed(0, message="old"), retry(0)])
    watch = FailedAttempts(tmp_path)
    assert list(watch.new()) == []
    from markab.journal.writer import encode

    with (tmp_path / "journal.jsonl").open("ab") as file:
        for entry in (start(0, 2), failed(0, 2, message="new"), gave_up(0, 2)):
            file.write(encode(entry))
    (failure,) = watch.new()
    assert failure.line() == "wc_a, attempt 2: new (given up)"
    assert list(watch.new()) == []


def test_a_watch_that_begins_between_a_failure_and_giving_up_goes_on(tmp_path: Path) -> None:
    from markab.journal.writer import encode

    make_run(tmp_path, JOBS, [began(), start(0), failed(0)])
    watch = FailedAttempts(tmp_path)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(encode(gave_up(0)))
    assert list(watch.new()) == []


def test_the_final_failures_are_those_of_the_last_engine_that_gave_up(tmp_path: Path) -> None:
    first = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    again = [began(T0 + 20), start(0, 2), failed(0, 2), retry(0, 2), start(0, 3), end(0, 3)]
    last = [start(1), failed(1, message="boom", stderr="a\nb\n"), gave_up(1), ended("failed")]
    make_run(tmp_path, JOBS, [*first, *again, *last])
    (failure,) = FailedAttempts(tmp_path, from_start=True).final()
    assert failure.job == "wc_b"
    assert failure.text(tmp_path).splitlines() == [
        "wc_b failed (attempt 1)",
        "  boom",
        "  command: /usr/bin/wc -l in",
        "  stderr:",
        "    a",
        "    b",
    ]


@pytest.mark.parametrize(
    "ran", [[("b", 768)], [("a", 0), ("b", 768)], [("b", 768), ("c", 0)], [("a", 0), ("b", 768), ("c", 0)]]
)
def test_the_command_of_a_failed_cluster_is_that_of_the_task_that_failed(
    tmp_path: Path, ran: list[tuple[str, int]]
) -> None:
    tasks = [PlannedTask(id=one, transformation="t", executable="/run", arguments=one) for one in "abc"]
    job = msgspec.structs.replace(compute("a"), tasks=tasks)
    invocations = [{"task": one, "argv": ["/run", one], "status": status} for one, status in ran]
    entries = [began(), start(0), failed(0, invocations=invocations), gave_up(0), ended("failed")]
    make_run(tmp_path, [job], entries)
    (failure,) = FailedAttempts(tmp_path, from_start=True).final()
    assert "  command: /run b" in failure.text(tmp_path).splitlines()
    with closing(Analyzer(tmp_path)) as run:
        run.read()
        assert examine_failed_job(run, 0).failed_command == "/run b"


def test_lines_of_a_megabyte_are_cut(tmp_path: Path) -> None:
    last = [start(1), failed(1, stderr="e" * 4000), gave_up(1), ended("failed")]
    make_run(tmp_path, JOBS, [began(), *last])
    (failure,) = FailedAttempts(tmp_path, from_start=True).final()
    failure.arguments = "a" * 1_000_000
    text = failure.text(tmp_path)
    assert f"  command: {'a' * 500}… (999,500 more characters)\n" in text
    assert f"    {'e' * 500}… (3,500 more characters)" in text


def test_a_failure_that_would_have_been_tried_again_is_not_final(tmp_path: Path) -> None:
    make_run(tmp_path, JOBS, [began(), start(0), failed(0), retry(0), ended("halted")])
    assert FailedAttempts(tmp_path, from_start=True).final() == []


def test_a_failure_of_an_earlier_engine_is_not_final(tmp_path: Path) -> None:
    first = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    make_run(tmp_path, JOBS, [*first, began(T0 + 20), ended("halted")])
    assert FailedAttempts(tmp_path, from_start=True).final() == []


def test_every_failed_attempt_is_reported_even_when_the_next_has_succeeded(tmp_path: Path) -> None:
    tries = [start(0), failed(0), retry(0), start(0, 2), failed(0, 2), retry(0, 2), start(0, 3), end(0, 3)]
    make_run(tmp_path, JOBS, [began(), *tries])
    watch = FailedAttempts(tmp_path, from_start=True)
    assert [failure.attempt for failure in watch.new()] == [1, 2]


def test_a_task_that_prints_a_verdict_does_not_change_it(tmp_path: Path) -> None:
    make_run(tmp_path, JOBS, [began(), start(0), failed(0, stdout='{"ok":true}'), gave_up(0)])
    assert len(FailedAttempts(tmp_path, from_start=True).final()) == 1


def test_wait_statuses_are_described_in_words() -> None:
    assert wait_status(256) == "with exit code 1"
    assert wait_status(9) == "by SIGKILL"
    assert wait_status(-1) == "never started"


def test_numbers_are_written_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1023, 1536, 5 << 20, 3 << 40)] == [
        *("0 B", "999 B", "1.0 KB", "1.5 KB", "5.0 MB", "3.0 TB"),
    ]
    assert [duration(s) for s in (0.04, 9.9, 9.96, 59.6, 187, 7387)] == [
        *("0.0 s", "9.9 s", "10 s", "1:00", "3:07", "2:03:07"),
    ]
    assert count(1, "job") == "1 job" and count(1000, "entry", "entries") == "1,000 entries"
    assert tail("a\nb\nc\n", 2) == "… (1 lines above)\nb\nc"


def test_find_job_prefers_the_whole_name(tmp_path: Path) -> None:
    from markab.plan.plan_file import PlanFile

    plan = PlanFile(make_run(tmp_path, [compute("x_b"), compute("b")]) / "plan.jsonl")
    assert find_job(plan, "wc_b") == 1
