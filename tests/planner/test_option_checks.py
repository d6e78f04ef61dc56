"""Options of the planner with values that cannot be used: refused together, and nothing is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import PlanningError
from markab.planner.option_checks import wrong_options
from markab.planner.options import PlanOptions
from markab.planner.planning import plan


def messages(**options: Any) -> list[str]:
    return [problem.message for problem in wrong_options(PlanOptions(workflow=Path("w.yml"), **options))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relative_dir": "../.."}, "--relative-dir '../..' leads out of the base"),
        ({"relative_dir": "a/../../b"}, "--relative-dir 'a/../../b' leads out of the base"),
        ({"relative_dir": ""}, "--relative-dir '' is the base itself"),
        ({"relative_dir": "/"}, "--relative-dir '/' is the base itself"),
        ({"relative_dir": "a\nb"}, "--relative-dir 'a\\nb' has a character that cannot be printed"),
        ({"relative_submit_dir": "../x"}, "--relative-submit-dir '../x' leads out of the base"),
        ({"random_dir": "../x"}, "--randomdir '../x' leads out of the base"),
        ({"random_dir": "."}, "--randomdir '.' is the base itself"),
        ({"basename": "a/b"}, "--basename 'a/b' has a slash in it"),
        ({"basename": "x" * 101}, f"--basename '{'x' * 101}' is longer than 100 bytes"),
        ({"job_prefix": "a/"}, "--job-prefix 'a/' has a slash in it"),
        ({"job_prefix": "\x1b[2J"}, "--job-prefix '\\x1b[2J' has a character that cannot be printed"),
        ({"cluster": ["label", "diagonal"]}, "--cluster 'diagonal' is unknown"),
        ({"staging_sites": {"pool": ""}}, "--staging-site 'pool=' names no staging site"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_flag(options: dict[str, Any], message: str) -> None:
    assert [message] == messages(**options)


def test_values_that_can_be_used_are_no_problem() -> None:
    good = {
        "relative_dir": "/a/b/",
        "relative_submit_dir": "c",
        "random_dir": True,
        "basename": "b-0",
        "job_prefix": "p_",
    }
    assert [] == messages(**good, cluster=["Horizontal", "label"], staging_sites={"": "local"})


def test_all_of_them_are_reported_with_the_other_problems_and_nothing_is_made(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "here") if (tmp_path / "here").mkdir() is None else None
    assert bench is not None
    options = bench.options(
        task("a", "missing"), relative_dir="../out", cluster=["x"], cleanup="sometimes", job_prefix="a/b"
    )
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(PlanningError) as caught:
        plan(options)

    shown = str([problem.message for problem in caught.value.problems])
    assert all(
        word in shown for word in ("'../out'", "--cluster", "'sometimes'", "--job-prefix", "'missing'")
    )
    assert before == sorted(tmp_path.rglob("*"))
