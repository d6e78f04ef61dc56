"""The rules by which the output of a job says whether it succeeded."""

from __future__ import annotations

import pytest

from markab.diagnosis.job_output import Expected, judge, outputs_of

DATA = "      data: |\n        - invocation: False\n        raw: 512\n\n        end\n"


def record(raw: int = 0, files: str = "") -> str:
    return f"- invocation: True\n  version: 3.0\n  mainjob:\n    status:\n      raw: {raw}\n{files}"


def summary(**fields: object) -> str:
    known = {"stat": '"ok"', "lines": 2, "tasks": 2, "succeeded": 2, "failed": 0, "app": '"/x"'} | fields
    return "[cluster-summary {}]\n".format(", ".join(f"{key}={value}" for key, value in known.items()))


GOOD, BAD = record(), record(768)
TASK = '[cluster-task id=1, duration=1.2, status=0, line=1, pid=77, app="/bin/wc"]\n'
XML = '<invocation version="2.3"><mainjob><status raw="{}"><regular/></status></mainjob></invocation>\n'


@pytest.mark.parametrize(
    ("stdout", "expected", "problem", "raw"),
    [
        (GOOD, Expected(), "", 0),
        (GOOD + GOOD, Expected(), "", 0),
        (GOOD + BAD, Expected(), "task exited with raw status 768", 768),
        (record(-1), Expected(), "task exited with raw status -1", -1),
        (GOOD.replace("mainjob", "prejob") + BAD, Expected(), "task exited with raw status 768", 768),
        ("", Expected(), "Empty stdout", None),
        ("", Expected(needs_records=False), "", None),
        ("words\n", Expected(), "No successful kickstart records", None),
        ("words\n", Expected(exit_code=0), "No successful kickstart records", 0),
        ("words\n", Expected(needs_records=False), "", None),
        (GOOD, Expected(exit_code=1), "dagman reported non-zero exitcode: 1", 1),
        ("noise\n" + GOOD + "noise: [\n" + GOOD + "noise\n", Expected(), "", 0),
        (record(files="  files:\n    stdout:\n" + DATA), Expected(), "", 0),
        ("- invocation: True\n  x: [\n", Expected(), "a kickstart record is damaged or incomplete", None),
        (GOOD + "- invocation: True\n  x: [\n", Expected(), "a kickstart record is damaged or incomplete", 0),
        ("- invocation: True\n", Expected(), "No successful kickstart records", None),
        (XML.format(0), Expected(), "", 0),
        (XML.format(256), Expected(), "task exited with raw status 256", 256),
    ],
)
def test_records_decide(stdout: str, expected: Expected, problem: str, raw: int | None) -> None:
    verdict = judge(stdout, "", expected)

    assert (verdict.problem, verdict.raw_status) == (problem, raw)


@pytest.mark.parametrize(
    ("stdout", "problem"),
    [
        (summary(), ""),
        (summary() + BAD, ""),
        (summary().replace("cluster", "seqexec"), ""),
        (TASK + summary(failed=1), "cluster-summary failed=1"),
        (summary(stat='"fail"'), "cluster-summary stat=fail"),
        (summary(succeeded=0), "cluster-summary succeeded=0"),
        (summary(tasks=0, succeeded=0), ""),
        (summary(submitted=0, succeeded=0), ""),
        (summary() + summary(failed=2), "cluster-summary failed=2"),
        (TASK, "cluster-summary is missing"),
    ],
)
def test_the_summary_of_a_cluster_decides_before_the_records(stdout: str, problem: str) -> None:
    assert judge(stdout, "", Expected()).problem == problem


@pytest.mark.parametrize(
    ("stderr", "expected", "problem"),
    [
        ("all fine", Expected(failure_messages=["bad"]), ""),
        ("one bad two", Expected(failure_messages=["no", "bad+two"]), "Failure message found in output"),
        ("a+b", Expected(success_messages=[r"a\+b"]), ""),
        ("a b", Expected(success_messages=[r"a\+b"]), "Success message missing from output"),
        ("one", Expected(success_messages=["one", "two"]), "Success message missing from output"),
        ("one two", Expected(["one"], ["two"]), "Failure message found in output"),
    ],
)
def test_messages_decide_before_the_records(stderr: str, expected: Expected, problem: str) -> None:
    assert judge(GOOD, stderr, expected).problem == problem
    assert judge(f"{stderr}\n{GOOD}", "", expected).problem == problem


def test_a_checksum_that_could_not_be_made_is_a_failure() -> None:
    files = "  files:\n    a:\n      output: True\n      integrity_error: True\n"
    assert (
        judge(record(files=files), "", Expected()).problem == "detected integrity creation errors in the job"
    )


def test_outputs_have_their_attributes_as_text() -> None:
    files = (
        '  files:\n    "a":\n      lfn: "a"\n      size: 3\n      ctime: 2026-11-30T08:17:12.163+00:00\n'
        '      user: "ada"\n      output: True\n      sha256: 0123\n      checksum_timing: 0.000\n'
        "    in:\n      size: 9\n"
    )
    verdict = judge(record() + record(files=files), "", Expected())

    assert outputs_of(verdict.records) == {
        "a": {
            "user": "ada",
            "size": "3",
            "ctime": "2026-11-30T08:17:12.163+00:00",
            "checksum.type": "sha256",
            "checksum.value": "0123",
            "checksum.timing": "0.0",
        }
    }
