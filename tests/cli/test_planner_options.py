"""The table of planner options, and everything that is made from it."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kit.planned_workflow import Bench, task
from markab.api import Job, PegasusClientError, Workflow
from markab.cli.plan import pegasus_plan
from markab.errors import MarkabError
from markab.planner import option_kinds as kinds
from markab.planner.options import (
    KEYWORDS,
    OPTIONS,
    PlannerOption,
    PlanOptions,
    UsedBy,
    options_from_keywords,
)
from markab.planner.planning import dry_run

EXAMPLES: dict[type[kinds.OptionKind], tuple[Any, list[str]]] = {
    kinds.TextOption: ("x", ["x"]),
    kinds.PathTextOption: (Path("a b"), ["a b"]),
    kinds.PathOption: ("a b", ["a b"]),
    kinds.SwitchOption: (True, []),
    kinds.SwitchOrTextOption: ("x", ["=x"]),
    kinds.ListOption: (["x", "y"], ["x,y"]),
    kinds.PathListOption: (["x", Path("y")], ["x,y"]),
    kinds.RepeatedOption: (["x=1,2"], ["x=1,2"]),
    kinds.JoinedOption: (["mx1g"], ["mx1g"]),
    kinds.StagingSitesOption: ({"x": "s", "": "t"}, ["x=s,t"]),
}
"""Kind → a value of the keyword, and the words behind the flag."""

PLANNER = [row for row in OPTIONS if row.used_by is UsedBy.PLANNER]


class Caught(MarkabError):
    """Raised in place of planning, so that nothing is planned."""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[PlanOptions]:
    """Return a list that gets what the planner is asked."""
    kept: list[PlanOptions] = []

    def plan(options: PlanOptions, progress: object = None, **_: object) -> None:
        kept.append(options)
        raise Caught("enough")

    monkeypatch.setattr("markab.planner.planning.plan", plan)
    monkeypatch.chdir(tmp_path)
    return kept


def typed(*words: str) -> None:
    CliRunner().invoke(pegasus_plan, [*words, "workflow.yml"])


def called(**keywords: Any) -> None:
    with pytest.raises(PegasusClientError):
        Workflow("w").add_jobs(Job("true")).write("workflow.yml").plan(**{"output_sites": None, **keywords})


@pytest.mark.parametrize("row", [row for row in PLANNER if row.is_keyword], ids=lambda row: row.name)
def test_every_option_reaches_the_planner_by_each_flag_and_by_keyword(
    asked: list[PlanOptions], row: PlannerOption, tmp_path: Path
) -> None:
    value, words = EXAMPLES[type(row.kind)]
    called(**{row.name: value})
    for flag in row.flags:
        is_joined = words and words[0].startswith("=")
        joined = [flag + (words[0] if flag.startswith("--") else words[0][1:])] if is_joined else []
        typed(*(joined or [flag, *words]))
    by_keyword, *by_flag = asked
    by_keyword.workflow = Path("workflow.yml")
    assert len(by_flag) == len(row.flags) and all(options == by_keyword for options in by_flag)
    assert getattr(by_keyword, row.name) == getattr(by_flag[0], row.name) != row.kind.empty()


def test_properties_reach_the_planner_by_flag_and_by_keyword(asked: list[PlanOptions]) -> None:
    called(**{"pegasus.mode": "tutorial", "pegasus.register": False})
    typed("-Dpegasus.mode=tutorial", "-D", "pegasus.register=false")
    assert (
        asked[0].properties
        == asked[1].properties
        == {"pegasus.mode": "tutorial", "pegasus.register": "false"}
    )


def test_the_signature_of_plan_is_that_of_the_table() -> None:
    parameters = inspect.signature(Workflow.plan).parameters
    keywords = {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert {name: (p.annotation, p.default) for name, p in keywords.items()} == {
        name: (row.kind.annotation, row.keyword_default) for name, row in KEYWORDS.items()
    }
    assert list(keywords) == list(KEYWORDS)


def test_no_two_options_share_a_flag() -> None:
    flags = [flag for row in OPTIONS for flag in row.flags]
    assert len(flags) == len(set(flags))


def test_the_recorded_arguments_ask_for_the_same_again(asked: list[PlanOptions]) -> None:
    keywords = {row.name: EXAMPLES[type(row.kind)][0] for row in PLANNER if row.is_keyword}
    options = options_from_keywords(
        Path("my workflow.yml"), {**keywords, "pegasus.catalog.db.password": "secret"}
    )
    recorded = " ".join(options.arguments())
    assert "secret" not in recorded
    CliRunner().invoke(pegasus_plan, shlex.split(recorded))
    options.properties = {}
    assert asked == [options]


def test_a_value_of_the_wrong_type_is_an_error_that_names_the_option() -> None:
    for keywords, message in (
        ({"conf": 3}, "conf is 3, but must be a path"),
        ({"sites": "a"}, r"sites is 'a', but must be a list: sites=\['a'\]"),
        ({"cache": [None]}, "cache is None, but must be a path"),
        ({"staging_sites": ["a"]}, "staging_sites is .* must be a dict"),
    ):
        with pytest.raises(TypeError, match=message):
            options_from_keywords(Path("w.yml"), keywords)


def test_a_value_that_cannot_be_read_is_an_error_that_names_the_flag() -> None:
    result = CliRunner().invoke(pegasus_plan, ["-D=1"])
    assert result.exit_code == 2 and "Invalid value for -D: '=1' is not KEY=VALUE" in result.output


def test_an_option_and_the_property_that_says_the_same_make_the_same_plan(tmp_path: Path) -> None:
    rows = [row for row in OPTIONS if row.equal_property]
    assert rows
    bench = Bench(tmp_path)
    bench.has("in")
    kinds_of_jobs = []
    for row in rows:
        for options in ({row.name: "none"}, {"properties": {row.equal_property: "none"}}, {}):
            kinds_of_jobs.append(dry_run(bench.options(task("a", "in", "out"), **options)).summary.jobs)
    assert kinds_of_jobs[0] == kinds_of_jobs[1] != kinds_of_jobs[2]
