from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from markab.cli import command as commands
from markab.cli.command import Command, command, launch
from markab.cli.errors import error_text, report
from markab.cli.main import markab
from markab.errors import BUG, DocumentError, MarkabError, NotARun, PlanningError, Problem, StorageError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def raising(error: BaseException) -> Command:
    import click

    @command()
    @click.option("--json", "as_json", is_flag=True)
    @click.option("-v", "--verbose", count=True)
    def broken(as_json: bool, verbose: int) -> None:
        raise error

    return broken


def classes(kind: type[MarkabError] = MarkabError) -> Iterator[type[MarkabError]]:
    """The tree of errors.py; what other modules derive from it stays inside them."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == MarkabError.__module__:
            yield from classes(child)


def test_every_problem_is_printed_with_place_and_hint() -> None:
    error = DocumentError(
        Problem("unknown key 'jbos'", hint="did you mean 'jobs'?", file="wf.yml", line=7),
        Problem("no workflow name", file="wf.yml"),
    )
    result = CliRunner().invoke(raising(error))
    assert result.exit_code == 10
    assert result.stdout == ""
    assert result.stderr == (
        "error: wf.yml:7: unknown key 'jbos'\n  hint: did you mean 'jobs'?\nerror: wf.yml: no workflow name\n"
    )


def test_a_thousand_problems_are_cut_to_fifty_and_counted() -> None:
    text = error_text(PlanningError(*[Problem(f"no replica of f{n}") for n in range(1051)]))
    assert text.count("error: ") == 50
    assert text.endswith("… and 1,001 more")


def test_json_has_the_error_with_all_problems() -> None:
    error = PlanningError(*[Problem(f"no replica of f{n}", kind="missing-input") for n in range(60)])
    result = CliRunner().invoke(raising(error), ["--json"])
    shown = json.loads(result.stdout)["error"]
    assert (shown["kind"], shown["exit_code"]) == ("PlanningError", 11)
    assert len(shown["problems"]) == 60
    assert shown["problems"][3] == {
        "kind": "missing-input",
        "message": "no replica of f3",
        "hint": "",
        "file": "",
        "line": 0,
    }


def test_a_plain_error_has_message_and_hint() -> None:
    assert error_text(NotARun("no run at 'x'", hint="name one")) == "error: no run at 'x'\n  hint: name one"


def test_a_bug_is_admitted_and_the_traceback_is_kept_for_v() -> None:
    result = CliRunner().invoke(raising(ZeroDivisionError("division by zero")))
    assert result.exit_code == 70
    assert "bug in Markab" in result.stderr and "-v" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in CliRunner().invoke(raising(ZeroDivisionError()), ["-v"]).stderr


def test_ctrl_c_exits_as_shells_expect(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("error", "plain", "code"),
    [
        (NotARun("x"), False, 12),
        (NotARun("x"), True, 1),
        (ValueError("x"), True, 1),
        (KeyboardInterrupt(), True, 1),
    ],
)
def test_pegasus_names_exit_with_0_1_or_2_only(
    error: BaseException, plain: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit) as caught:
        launch(raising(error), "x", plain_codes=plain)
    assert caught.value.code == code


def test_a_wrong_command_line_exits_with_2_and_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["markab", "plan", "--foo"])
    with pytest.raises(SystemExit) as caught:
        launch(markab, "markab")
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: No such option") and "`markab plan --help`" in err


def test_a_misspelt_command_gets_a_suggestion() -> None:
    result = CliRunner().invoke(markab, ["statsu"])
    assert result.exit_code == 2
    assert "did you mean `markab status`?" in result.stderr


def test_output_into_a_closed_pipe_is_no_error() -> None:
    """As in `markab config --json | head -1`, where head has gone before we print."""
    script = "import sys; sys.stdin.read(); from markab.cli.main import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", script, "config", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    child.stdout.close()
    child.stdin.close()
    assert child.stderr.read() == b""
    assert child.wait() == 141


def test_every_exit_code_is_documented() -> None:
    text = (REFERENCE / "exit-codes.md").read_text()
    for kind in classes():
        assert f"`{kind.__name__}`" in text or kind.__name__.startswith("_"), kind
        assert f"\n| {kind.exit_code} |" in text, kind
    for code in (0, 2, 130, 141):
        assert f"\n| {code} |" in text


def test_no_exit_code_means_two_things() -> None:
    seen: dict[int, str] = {}
    for kind in classes():
        if kind.exit_code != 1:
            assert seen.setdefault(kind.exit_code, kind.__name__) == kind.__name__


def test_the_reference_pages_are_current() -> None:
    from markab.cli.reference import pages

    for name, text in pages().items():
        assert (REFERENCE / name).read_text() == text, (
            f"{name} is old; run `python -m markab.cli.reference docs/reference`"
        )


def test_every_option_that_is_shown_explains_itself() -> None:
    import click

    from markab.cli.main import COMMANDS

    for name in COMMANDS:
        found = markab.get_command(click.Context(markab), name)
        assert found is not None
        for parameter in found.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.help, f"markab {name} {parameter.opts}"


def test_long_options_may_be_shortened_while_that_is_clear() -> None:
    names = ["--sites", "--staging-site", "--relative-dir", "--relative-submit-dir"]
    words = ["--site", "a", "--stag=b", "--relative", "--nope", "-s", "--", "--site"]
    assert commands.spelled_out(words, names) == [
        *("--sites", "a", "--staging-site=b", "--relative", "--nope", "-s", "--", "--site")
    ]


def test_lone_options_take_only_words_that_look_like_values() -> None:
    watch = commands.OptionalValue("w", "watch", "60", looks_like_value=r"\d+")
    assert watch.fill(["-w", "run"]) == ["-w60", "run"]
    assert watch.fill(["-w", "5", "run"]) == ["-w", "5", "run"]
    assert watch.fill(["-lw", "run"]) == ["-lw60", "run"]
    assert watch.fill(["--watch"]) == ["--watch=60"]
    assert watch.fill(["--watch=3", "-w3"]) == ["--watch=3", "-w3"]
    assert watch.fill(["--", "-w"]) == ["--", "-w"]


def test_an_unforeseen_error_of_a_disk_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(errno.EIO, os.strerror(errno.EIO), "/data/file")

    assert report(error) == StorageError.exit_code
    said = capsys.readouterr().err
    assert said.startswith(
        "error: a disk does not work as it should: Input/output error '/data/file'\n  hint: "
    )

    assert report(OSError(errno.EINVAL, "Invalid argument")) == BUG
    assert "this is a bug in Markab" in capsys.readouterr().err
