"""The two ways to a schedd: programs that print, and a process that answers, or does not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from markab.errors import ExecutorUnavailable
from markab.executors.htcondor import bindings, gateway, tools
from markab.executors.htcondor.bindings import Bindings
from markab.executors.htcondor.event_log import JobId
from markab.executors.htcondor.schedd import NotSubmitted, SubmissionRefused, ids_constraint, refusal
from markab.executors.htcondor.tools import Tools


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs that is the whole PATH, but for the shell's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_submission_answers_with_its_cluster(programs: Path) -> None:
    program(programs, "condor_submit", f'echo "$@" > {programs}/words; echo "17.0 - 17.199"')

    assert Tools("schedd@far").submit(Path("/r/1.sub")) == 17
    assert (programs / "words").read_text() == "-name schedd@far -spool -terse /r/1.sub\n"


def test_a_refused_submission_has_the_words_of_htcondor(programs: Path) -> None:
    program(programs, "condor_submit", "echo \"ERROR: I don't know about the 'foo' universe.\" >&2; exit 1")

    with pytest.raises(SubmissionRefused, match="^I don't know about the 'foo' universe.$"):
        Tools().submit(Path("/r/1.sub"))


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: Can't find address of local schedd",
        "Failed to connect to queue manager vm",
        "AUTHENTICATE:1003:Failed to authenticate with any method",
        "ERROR: Failed to commit job submission into the queue. ERROR: Number of submitted jobs would exceed MAX_JOBS_SUBMITTED",
        "Failed to allocate a cluster id",
    ],
)
def test_what_passes_is_no_refusal(text: str) -> None:
    error = refusal(text)
    assert isinstance(error, ExecutorUnavailable) and "condor_ping" in error.hint
    assert isinstance(error, NotSubmitted) == ("commit" not in text)


def test_the_queue_is_read_as_json_and_an_empty_one_may_print_nothing(programs: Path) -> None:
    program(
        programs, "condor_q", """echo '[{"ClusterId": 3, "ProcId": 1, "JobStatus": 5, "HoldReason": "a"}]'"""
    )
    program(programs, "condor_history", "true")

    assert [ad["ClusterId"] for ad in Tools().query("true")] == [3]
    assert list(Tools().history("true")) == []


@pytest.mark.parametrize("script", ["exit 1", "echo '[{'", "echo '{} x'"])
def test_a_listing_that_failed_or_is_cut_says_nothing(programs: Path, script: str) -> None:
    program(programs, "condor_q", script)

    with pytest.raises(ExecutorUnavailable):
        Tools().query("true")


def test_removing_what_is_not_there_is_no_error(programs: Path) -> None:
    program(programs, "condor_rm", 'echo "Couldn\'t find/remove all jobs matching constraint" >&2; exit 1')
    Tools().remove("true")
    program(programs, "condor_rm", "echo 'Failed to connect' >&2; exit 1")

    with pytest.raises(ExecutorUnavailable, match="Failed to connect"):
        Tools().remove("true")


def test_a_program_that_hangs_or_is_missing_is_no_answer(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "TIMEOUT_S", 0.2)
    program(programs, "condor_submit", "exec sleep 100")

    with pytest.raises(ExecutorUnavailable, match="did not answer within"):
        Tools().submit(Path("/r/1.sub"))
    with pytest.raises(ExecutorUnavailable, match="no program 'condor_rm'"):
        Tools().remove("true")


# -- the process with the bindings --


def stand_in(monkeypatch: pytest.MonkeyPatch, programs: Path, script: str) -> None:
    """Let a script be the process that has the bindings."""
    program(programs, "python", script)
    monkeypatch.setattr(bindings.sys, "executable", str(programs / "python"))


def test_answers_are_taken_line_by_line(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        monkeypatch,
        programs,
        """read q; echo '{"cluster": 4}'; read q; echo '{"ads": [{"ClusterId": 4}]}'; read q; echo '{}'""",
    )
    schedd = Bindings()

    assert schedd.submit(Path("/r/1.sub")) == 4
    assert schedd.query("true") == [{"ClusterId": 4}]
    schedd.remove("true")
    schedd.close()
    with pytest.raises(ExecutorUnavailable, match="ending"):
        schedd.query("true")


def test_after_an_answer_that_does_not_come_the_next_question_goes_to_another_process(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = f"echo x >> {programs}/count; read q; [ $(wc -l < {programs}/count) -gt 1 ] || exec sleep 100"
    stand_in(monkeypatch, programs, f"""{count}; echo '{{"cluster": 5}}'""")
    schedd = Bindings(timeout_s=0.3)

    with pytest.raises(ExecutorUnavailable, match="no answer: not within"):
        schedd.submit(Path("/r/1.sub"))
    schedd._timeout_s = 30.0
    assert schedd.submit(Path("/r/1.sub")) == 5
    schedd.close()


@pytest.mark.parametrize("script", ["exit 3", "read q; exit 3", "read q; echo half", "read q; printf half"])
def test_a_process_that_ends_or_prints_nonsense_is_no_answer(
    programs: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in(monkeypatch, programs, script)
    schedd = Bindings()

    with pytest.raises(ExecutorUnavailable):
        schedd.query("true")
    schedd.close()


def test_a_machine_without_htcondor_gives_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the bindings are installed or not."""
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    schedd = Bindings()

    with pytest.raises(ExecutorUnavailable):
        schedd.query("true")
    schedd.close()


@pytest.mark.parametrize(("setting", "expected"), [("true", ["asked"]), ("False", [])])
def test_after_a_submission_the_schedd_asks_for_machines_unless_the_pool_forbids_it(
    monkeypatch: pytest.MonkeyPatch, setting: str, expected: list[str]
) -> None:
    parameters = SimpleNamespace(param={"SUBMIT_SEND_RESCHEDULE": setting})
    monkeypatch.setitem(sys.modules, "htcondor2", parameters)
    asked: list[str] = []
    gateway._ask_for_machines(SimpleNamespace(reschedule=lambda: asked.append("asked")))

    assert asked == expected


def test_a_schedd_that_cannot_be_asked_for_machines_has_the_jobs_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "htcondor2", SimpleNamespace(param={}))
    gateway._ask_for_machines(SimpleNamespace())  # bindings without that call


def test_jobs_are_named_by_cluster_and_number() -> None:
    text = ids_constraint([JobId(1, 0), JobId(1, 2), JobId(7, 0)])

    assert text == "(ClusterId == 1 && (ProcId == 0 || ProcId == 2)) || (ClusterId == 7 && (ProcId == 0))"
