from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.errors import MarkabError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    jobs = [compute("a"), compute("b", 0)]
    return make_run(tmp_path, jobs, [began(), start(0), end(0), ended("halted")])


def test_jobs_are_listed_by_state(run: Path) -> None:
    assert ["wc_a", "wc_b"] == [job["job"] for job in operations.list_jobs(run)]
    assert ["wc_a"] == [job["job"] for job in operations.list_jobs(run, {"succeeded"})]


def test_a_job_is_named_by_its_name_or_its_task(run: Path) -> None:
    assert operations.has_job(run, "wc_a") and operations.has_job(run, "a")
    assert not operations.has_job(run, "c")
    assert operations.show_job(run, "a").text() == operations.show_job(run, "wc_a").text()


def test_a_job_explains_itself_and_one_that_is_not_there_is_an_error(run: Path) -> None:
    assert operations.why(run, "a").text().startswith("wc_a (compute at local) succeeded")
    for ask in (operations.why, operations.show_job):
        with pytest.raises(MarkabError, match="c"):
            ask(run, "c")
