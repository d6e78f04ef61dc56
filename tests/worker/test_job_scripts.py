"""What the scripts of a job see, and what follows from how they end."""

from __future__ import annotations

from typing import Any

import pytest

from markab.transfers.error_kinds import ErrorKind
from markab.worker.failure import AttemptFailed
from markab.worker.job_scripts import POST, PRE, JobScripts, exit_value, return_value

EXIT_3 = {"task": "t", "status": 3 << 8}


def scripts(**more: Any) -> JobScripts:
    job = {"id": "j", "retries": 2, "pre": {"executable": "/pre"}, "post": {"executable": "/post"}, **more}
    return JobScripts({"job": job, "attempt": 2})


def test_each_script_is_taken_once_with_the_words_that_it_may_use() -> None:
    made = scripts()
    pre = made.take_pre()
    assert pre is not None and pre["words"] == {"JOB": "j", "RETRY": "1", "MAX_RETRIES": "2"}
    made.record(PRE, {"argv": ["/pre"], "status": 0}, [])
    assert made.take_pre() is None

    post = made.take_post([EXIT_3], [])
    assert post is not None and post["words"]["RETURN"] == "3" and post["executable"] == "/post"


def test_post_does_not_run_if_no_task_did_or_the_attempt_was_cancelled() -> None:
    assert scripts().take_post([], []) is None
    assert scripts().take_post([EXIT_3], [AttemptFailed(ErrorKind.CANCELLED, "")]) is None


@pytest.mark.parametrize(
    ("statuses", "value"), [([0, 0], 0), ([0, 3 << 8, 1 << 8], 3), ([9], -9), ([-1], -1)]
)
def test_the_return_value_is_that_of_the_first_task_that_failed(statuses: list[int], value: int) -> None:
    assert return_value([{"status": status} for status in statuses]) == value


def test_a_post_that_succeeds_takes_back_exit_codes_and_nothing_else() -> None:
    errors = [AttemptFailed(ErrorKind.EXIT, "exit"), AttemptFailed(ErrorKind.TIMEOUT, "timeout")]
    scripts().record(POST, {"argv": ["/post"], "status": 0}, errors)

    assert [error.kind for error in errors] == [ErrorKind.TIMEOUT]


@pytest.mark.parametrize(
    ("status", "how"),
    [(4 << 8, "ended with exit code 4"), (15, "was ended by signal 15"), (-1, "could not be started")],
)
def test_a_script_that_fails_is_an_error_that_says_how(status: int, how: str) -> None:
    errors: list[AttemptFailed] = []
    scripts().record(PRE, {"argv": ["/pre"], "status": status}, errors)

    assert [(error.kind, error.message) for error in errors] == [
        (ErrorKind.PRE_SCRIPT, f"the PRE script '/pre' of job 'j' {how}")
    ]


def test_the_exit_code_of_a_job_is_that_of_post_else_of_its_tasks_else_of_pre() -> None:
    made = scripts()
    assert exit_value(made, []) is None
    made.record(PRE, {"argv": ["/pre"], "status": 1 << 8}, [])
    assert exit_value(made, []) == 1
    assert exit_value(made, [EXIT_3]) == 3
    made.record(POST, {"argv": ["/post"], "status": 0}, [])
    assert exit_value(made, [EXIT_3]) == 0
