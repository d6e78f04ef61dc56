"""Which runs answer their request: those that succeeded wholly, and of which a later plan would find everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.content_runs import Lab, Step, chain, what_ran
from markab.engine import run as engine
from markab.planner.planning import Planned
from markab.planner.request_check import find_answer


def run(planned: Planned) -> str:
    assert planned.submit_dir is not None
    return what_ran(planned, engine.run(planned.submit_dir, engine.RunOptions(cores=2)).state).state


def is_answered(lab: Lab) -> bool:
    return find_answer(lab.plan_options()) is not None


def test_a_failed_run_answers_nothing_before_it_is_continued_and_succeeds(tmp_path: Path) -> None:
    line = f'x"; test -e {tmp_path}/flag || exit 3; echo "y'
    lab = Lab(tmp_path, [Step("a", ["in"], "a.out"), Step("b", ["a.out"], "b.out", line=line)], {"in": "1\n"})
    planned = lab.plan()
    assert "failed" == run(planned)
    assert not is_answered(lab)

    (tmp_path / "flag").touch()
    assert "success" == run(planned)

    assert is_answered(lab)


def test_an_input_that_was_another_while_the_run_took_it_leaves_the_request_open(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "first\n"})
    planned = lab.plan()
    (tmp_path / "data/in").write_text("second\n")
    assert "success" == run(planned)

    (tmp_path / "data/in").write_text("first\n")

    assert not is_answered(lab)
    assert ["a"] == lab.run().executed


def test_an_output_directory_is_enough(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "first\n"})
    lab.options = {"output_sites": [], "output_dir": tmp_path / "elsewhere"}
    lab.run()

    assert is_answered(lab)


def test_results_in_scratch_are_answered_once_a_plan_has_found_them(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "first\n"}, options={"output_sites": [], "cleanup": "none"})
    lab.run()
    assert not is_answered(lab)

    assert [] == lab.run().executed

    assert is_answered(lab)


@pytest.mark.parametrize(
    "properties",
    [
        {"pegasus.data.configuration": "sharedfs"},
        {"pegasus.transfer.bypass.input.staging": "true"},
        {"pegasus.dir.storage.deep": "true"},
    ],
)
def test_what_is_planned_anew_each_time_has_no_answer(properties: dict[str, str], tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "first\n"}, properties, site="local")
    lab.run()

    assert not is_answered(lab)


def test_results_that_were_made_by_force_leave_all_requests_open(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "first\n"})
    lab.run()
    lab.options = {"force": True, "output_dir": tmp_path / "elsewhere"}
    lab.run()
    lab.options = {}

    assert not is_answered(lab)
    lab.run()
    assert is_answered(lab)
