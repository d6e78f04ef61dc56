"""One spelling and one meaning: RUN, -J, -v and -q in `markab`, -V in `pegasus-…`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.cli.main import COMMANDS, FUNCTION_NAMES, markab
from markab.cli.pegasus import FILES
from markab.cli.reference import PEGASUS

FUNCTIONS = {name: FUNCTION_NAMES.get(name, name) for name in COMMANDS if name != "keg"}
OURS = {
    name: getattr(import_module(f"markab.cli.{function}"), function) for name, function in FUNCTIONS.items()
}
THEIRS = {
    name: getattr(import_module(f"markab.cli.{FILES.get(name, name)}"), f"pegasus_{name}") for name in PEGASUS
}
TAKES_A_RUN = (
    *("run", "status", "analyze", "statistics", "why", "trace", "show", "graph", "metadata", "report"),
    *("export", "halt", "remove"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run, below which the current directory is."""
    entries = [began(), start(0), end(0), start(1), failed(1), gave_up(1), ended("failed")]
    run = make_run(tmp_path / "run0001", [compute("a"), compute("b")], entries)
    (run / "00").mkdir()
    monkeypatch.chdir(run / "00")
    return run


def options_of(command: click.Command, name: str) -> list[click.Option]:
    return [p for p in command.params if isinstance(p, click.Option) and p.name == name]


def typed(*words: str) -> str:
    result = CliRunner().invoke(markab, words, catch_exceptions=False)
    assert result.exit_code in (0, 14), result.output
    return result.output


@pytest.mark.parametrize("name", OURS)
def test_json_more_and_less_output_have_one_letter_each(name: str) -> None:
    command = OURS[name]
    for parameter, flags in (
        ("as_json", ["-J", "--json"]),
        ("verbose", ["-v", "--verbose"]),
        ("quiet", ["-q", "--quiet"]),
    ):
        assert all(option.opts == flags for option in options_of(command, parameter))
    letters = {"-J": "as_json", "-v": "verbose", "-q": "quiet"}
    for option in command.params:
        assert all(letters.get(flag, option.name) == option.name for flag in option.opts)
    meanings = {option.help for option in options_of(command, "verbose") + options_of(command, "quiet")}
    assert meanings <= {
        "Print more; of an unexpected error, the traceback.",
        "Of an unexpected error, print the traceback.",
        "Print less; twice: errors only.",
    }


@pytest.mark.parametrize("name", THEIRS)
def test_every_command_of_pegasus_prints_its_version(name: str) -> None:
    for flag in ("-V", "--version"):
        assert CliRunner().invoke(THEIRS[name], [flag]).output == "5.1.2\n"


def test_every_command_that_takes_a_run_calls_it_so() -> None:
    for name in TAKES_A_RUN:
        arguments = [
            p.make_metavar(click.Context(OURS[name]))
            for p in OURS[name].params
            if p.param_type_name == "argument"
        ]
        assert any("RUN" in metavar for metavar in arguments), name
        assert not any("SUBMIT_DIR" in metavar for metavar in arguments), name


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["show"],
        ["analyze"],
        ["statistics"],
        ["graph"],
        ["metadata", "workflow"],
        ["report"],
        ["export", "-F", "csv", "-o", "table.csv"],
        ["halt"],
        ["remove"],
    ],
    ids=lambda words: words[0],
)
def test_inside_a_run_it_may_be_left_out(
    here: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = CliRunner().invoke(markab, words)
    assert inside.exit_code in (0, 14), inside.output
    monkeypatch.chdir(here.parent)
    named = CliRunner().invoke(markab, [*words, "run0001"])
    assert inside.exit_code == named.exit_code
    if words[0] in ("status", "show", "graph", "metadata"):
        assert inside.output == named.output


@pytest.mark.parametrize("job", ["wc_b", "b"])
def test_inside_a_run_a_single_word_names_a_job(here: Path, job: str) -> None:
    assert typed("why", job) == typed("why", str(here), job) != ""
    assert typed("show", job) == typed("show", "..", job) == typed("show", str(here / "plan.jsonl"), job)
    assert typed("analyze", "--debug-job", job)


def test_inside_a_run_a_single_word_names_a_file(here: Path) -> None:
    assert "the run has no file 'nope'" in CliRunner().invoke(markab, ["trace", "nope"]).output


def test_outside_a_run_a_single_word_names_a_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here.parent)
    assert typed("show", "run0001").splitlines() == ["succeeded  wc_a", "failed     wc_b"]
    for words, message in (
        (["why", "run0001"], "name a job: markab why run0001 wc_b\n"),
        (["why"], "name a job: markab why RUN JOB"),
        (["trace", "run0001"], "name a file: markab trace run0001 FILE"),
    ):
        result = CliRunner().invoke(markab, words)
        assert result.exit_code == 2 and message in result.output


def test_a_name_without_a_run_is_an_error_that_names_runs_nearby(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.parent)
    for words in (["why", "wc_a"], ["trace", "words"], ["status"]):
        result = CliRunner().invoke(markab, words)
        assert result.exit_code == 12
        assert "the current directory is not a submit directory" in result.stderr
        assert "hint: did you mean run0001?" in result.stderr


def test_a_word_that_is_a_job_and_a_run_is_ambiguous(here: Path) -> None:
    make_run(Path("wc_a"), [compute("c")])
    result = CliRunner().invoke(markab, ["show", "wc_a"])
    assert result.exit_code == 2
    assert "`markab show . wc_a` or `markab show ./wc_a`" in result.output
    assert typed("show", "./wc_a") == "not started  wc_c\n" or "wc_c" in typed("show", "./wc_a")


def test_a_job_that_is_not_there_is_an_error_that_names_the_likely_one(here: Path) -> None:
    result = CliRunner().invoke(markab, ["why", "wc_aa"])
    assert result.exit_code == 1 and "hint: did you mean wc_a" in result.stderr


def test_runs_are_listed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.chdir(here.parent)
    state, done, *_, workflow, run = typed("runs").split()
    assert [state, done, workflow, run] == ["Failure", "1/2", "words", "run0001"]
    assert '"state": "Failure"' in typed("runs", "--json", str(here.parent))


def test_only_a_command_that_can_print_more_says_so() -> None:
    more = {
        name
        for name, command in OURS.items()
        if any("Print more" in (option.help or "") for option in options_of(command, "verbose"))
    }

    assert more == {"analyze", "explain", "plan"}
