from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, failed, gave_up, make_run, retry, start
from markab import operations
from markab.errors import NotARun
from markab.journal.writer import encode


def test_failures_are_grouped_by_cause_and_shown_while_the_run_is_open(tmp_path: Path) -> None:
    story = [began(), *(entry for n in (0, 1) for entry in (start(n), failed(n), gave_up(n)))]
    run = make_run(tmp_path, [compute("a"), compute("b")], story)

    with operations.analyze(run) as found:
        (group,) = found.groups
        assert found.has_failure
        assert found.job_names(group, 1) == "wc_a and 1 more"
        assert "\n\n2 jobs of wc, with the same error: " in found.text()
        assert len(found.to_json()["causes"]) == 1


def test_failures_are_followed_from_now_on(tmp_path: Path) -> None:
    run = make_run(tmp_path, [compute("a")], [began(), start(0), failed(0), retry(0), start(0, 2)])
    look = operations.follow_failures(run)
    assert look() == []
    with (run / "journal.jsonl").open("ab") as journal:
        journal.write(encode(failed(0, 2)) + encode(gave_up(0, 2)))

    assert [(failure.job, failure.attempt) for failure in look()] == [("wc_a", 2)]
    assert look() == []


def test_what_is_no_run_has_no_failures(tmp_path: Path) -> None:
    with pytest.raises(NotARun), operations.analyze(tmp_path):
        pass
