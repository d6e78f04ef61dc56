from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.cli.analyze import analyze, pegasus_analyzer
from markab.cli.trace import trace
from markab.cli.why import why

FAILED = [began(), start(0), failed(0, stderr="boo"), gave_up(0), ended("failed")]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return make_run(tmp_path, [compute("a"), compute("b", 0)], FAILED)


def test_the_exit_code_is_0_only_without_a_failure(run_dir: Path, tmp_path: Path) -> None:
    for command, code in ((analyze, 14), (pegasus_analyzer, 2)):
        assert CliRunner().invoke(command, [str(run_dir)]).exit_code == code
    good = make_run(tmp_path / "good", [compute("a")], [began(), start(0), end(0), ended("success")])
    assert CliRunner().invoke(analyze, [str(good)]).exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["-v"],
        ["-d", "."],
        ["-i", "."],
        ["--dag", "x.dag"],
        ["-f", "-m", "-s", "-r", "-T"],
        ["-t", "-o", "out", "--top-dir", "x", "-c", "conf"],
        ["-p", "all", "-I", "1"],
        ["-q"],
        ["-S"],
        ["--json"],
    ],
)
def test_options_of_pegasus_analyzer_are_understood(
    run_dir: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir)
    done = CliRunner().invoke(pegasus_analyzer, words)
    assert done.exit_code == 2, done.output
    assert "failure" in done.output
    assert words[0] != "-p" or done.output.splitlines()[1].startswith("\t*")


@pytest.mark.parametrize("words", [["--ai"], ["--ai", "true"], ["--ai=yes", "--plain"]])
def test_instead_of_a_language_model_pegasus_analyzer_says_what_it_prints(
    run_dir: Path, words: list[str]
) -> None:
    plain = CliRunner().invoke(pegasus_analyzer, [str(run_dir), "--json"])
    done = CliRunner().invoke(pegasus_analyzer, [*words, str(run_dir), "--json"])

    assert (done.exit_code, done.stdout) == (2, plain.stdout)
    assert done.stderr == (
        "note: no language model is asked; the causes and remedies are those that Markab knows\n"
    )


def test_no_language_model_needs_no_note(run_dir: Path) -> None:
    assert not CliRunner().invoke(pegasus_analyzer, ["--ai", "false", str(run_dir)]).stderr
    assert not CliRunner().invoke(pegasus_analyzer, ["--plain", str(run_dir)]).stderr


def test_pegasus_analyzer_prints_as_much_as_requested(run_dir: Path) -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(pegasus_analyzer, [str(run_dir), *words]).output

    assert "last state: JOB_FAILURE" in said() and "- stderr -" in said() and "invocation" not in said()
    assert "last state: JOB_FAILURE" in said("-q") and "- stderr -" not in said("-q")
    assert "last state" not in said("-S")
    assert "invocation  : /usr/bin/wc -l in\n" in said("-p", "pre,invocation")
    assert "'post' cannot be printed; use pre, invocation, all" in said("-p", "post")


def test_in_a_submit_directory_a_name_is_enough(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_dir)
    assert "because   wc_a failed" in CliRunner().invoke(why, ["b"]).output
    assert '"job": "wc_b"' in CliRunner().invoke(why, [".", "b", "--json"]).output
    assert CliRunner().invoke(why, []).exit_code == 2
    assert CliRunner().invoke(trace, []).exit_code == 2


def test_a_debug_directory_is_made_in_the_current_one(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_dir)
    done = CliRunner().invoke(analyze, [".", "--debug-job", "a", "--local-executable", "/bin/true"])
    assert done.exit_code == 0, done.output
    assert "/bin/true -l in\n" in (run_dir / "debug-wc_a/run.sh").read_text()
