"""Text from outside, in everything that commands print."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.made_run import (
    T0,
    began,
    brought,
    compute,
    end,
    ended,
    failed,
    gave_up,
    made,
    make_run,
    process,
    retry,
    start,
)
from markab.api.warnings import warn
from markab.cli.analyze import pegasus_analyzer
from markab.cli.errors import report
from markab.cli.main import markab
from markab.cli.output import echo, echo_bytes, echo_json
from markab.cli.run_display import LineDisplay, QuietDisplay, styled
from markab.cli.run_output import print_end
from markab.errors import MarkabError
from markab.journal.progress import Progress
from markab.plan.model import Input, Kind, Output, PlannedJob

CLI = Path(__file__).parents[2] / "src" / "markab" / "cli"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
TITLE = "\x1b]0;PWNED\x07\x1b[2J\x1b[31mred\u202etxt\x9b2J\x7f"
hostile = st.lists(
    st.sampled_from(
        [
            "\x1b",
            "\x1b[2J",
            "\x1b]0;x\x07",
            "\x9b1A",
            "\r",
            "\x00",
            "\x7f",
            "\x85",
            "\u202e",
            "\u2066",
            "a",
            "\n",
            "é",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


def hostile_run(directory: Path, text: str) -> Path:
    """Make a run in which everything that comes from outside has this text in it."""
    task = {"env": {"NAME": text}}
    first = compute("a", transformation=f"t{text}", task=task, outputs=[Output(f"out{text}")], retries=1)
    second = compute("b", 0, executable=f"/bin/{text}", inputs=[Input(f"out{text}")])
    stage_in = PlannedJob(id="in", kind=Kind.STAGE_IN, site="local")
    bad = failed(
        1,
        message=f"HTTP 500 {text}",
        stderr=f"first\n{text}",
        stdout=text,
        host=f"h{text}",
        cwd=f"/tmp/{text}",
    )
    bad.record["error"]["hint"] = f"ask {text}"
    bad.record["also"] = [{"kind": "checksum", "message": text}]
    bad.record["invocations"] = [process("b", 256, argv=["/bin/wc", text])]
    again = failed(1, 2, f"{text} again", stderr=text, invocations=[process("b", 256)])
    good = end(0, outputs=[made(f"out{text}")], host=f"h{text}", invocations=[process("a")], stdout=text)
    entries = [began(), start(2), end(2, transfers=[brought(f"in{text}")]), start(0), good]
    entries += [start(1), bad, retry(1), start(1, 2), again, gave_up(1, 2), ended("failed")]
    return make_run(directory, [first, second, stage_in], entries, workflow=f"w{text}")


def printed(command: click.Command, *words: str) -> str:
    # With colours, or click itself would remove a part of the escape sequences.
    result = CliRunner().invoke(command, words, color=True)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def commands(run: str, text: str) -> list[list[str]]:
    return [
        ["analyze", run],
        ["analyze", run, "-v"],
        ["analyze", run, "-q"],
        ["show", run],
        ["show", run, "a"],
        ["show", run, "b"],
        ["show", run, text],
        ["logs", run, "a"],
        ["logs", run, "b", "-f"],
        ["logs", run, text],
        ["why", run, "b"],
        ["trace", run, f"out{text}"],
        ["trace", run, f"out{text}", "--dot"],
        ["status", run, "-l"],
        ["statistics", run, "-s", "all"],
        ["statistics", run, "-s", "all", "-f", "csv"],
        ["runs", run],
        ["metadata", "file", run],
        ["graph", run, "-f", "dot", "--files"],
        ["graph", run, "-f", "mermaid", "--files"],
        ["graph", run, "-f", "svg", "--files"],
        ["graph", run, "-f", "json", "--files"],
        ["plan", f"{run}/{text.replace(chr(0), '')}"],
        [text],
    ]


@settings(max_examples=12)
@given(hostile)
def test_no_command_prints_a_character_from_outside_that_controls_the_terminal(text: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run = str(hostile_run(Path(directory), text))
        for words in commands(run, text):
            assert CONTROLS.findall(printed(markab, *words)) == [], words
        assert CONTROLS.findall(printed(pegasus_analyzer, run, "-p", "all")) == []


def test_output_of_tasks_is_shown_with_escape_sequences_in_place_of_control_characters(
    tmp_path: Path,
) -> None:
    run = str(hostile_run(tmp_path, TITLE))
    for words in (["analyze", run], ["show", run, "b"], ["show", run, "a"]):
        assert r"\x1b]0;PWNED\x07\x1b[2J\x1b[31mred\u202etxt\x9b2J\x7f" in printed(markab, *words), words


def test_the_display_and_the_end_of_a_run_print_no_control_character_from_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, stream = hostile_run(tmp_path, TITLE), io.StringIO()
    progress = Progress(TITLE, "7a3c", T0, 3, failed=1, held=f"HTTP 500 {TITLE}", warnings=(TITLE,))
    for display in (QuietDisplay(stream), LineDisplay(stream, run)):
        display(progress)
    print_end(run, "failed", as_json=False)
    warn(TITLE)
    report(MarkabError(TITLE, hint=TITLE))
    report(ValueError(TITLE), verbose=1)

    out, err = capsys.readouterr()
    shown = stream.getvalue() + out + err
    assert shown.count("PWNED") > 8 and CONTROLS.findall(shown) == []
    assert CONTROLS.findall(styled((TITLE, "bold red"), (TITLE, "")).plain) == []


@pytest.mark.usefixtures("own_home")
def test_a_name_with_a_line_end_does_not_make_a_line_of_the_list(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [compute("a")], workflow="w\nSuccess  forged")
    assert len(printed(markab, "runs", str(tmp_path)).splitlines()) == 1


def test_json_is_exact_and_still_controls_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(hostile_run(tmp_path, TITLE))
    text = printed(markab, "show", run, "b", "--json")
    record = json.loads(text)["attempts"][0]["record"]
    assert record["stdout"] == TITLE and record["error"]["message"] == f"HTTP 500 {TITLE}"
    assert CONTROLS.findall(text) == []

    echo_json({TITLE: TITLE})
    written = capsys.readouterr().out
    assert json.loads(written) == {TITLE: TITLE} and CONTROLS.findall(written) == []


def test_commands_print_only_through_one_file() -> None:
    for path in CLI.glob("*.py"):
        if path.name in ("output.py", "keg_program.py"):
            continue  # the second is a job's program, whose output is captured
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert [c.lineno for c in calls if isinstance(c, ast.Name) and c.id == "print"] == [], path
        found = [c.lineno for c in calls if isinstance(c, ast.Attribute) and c.attr in ("echo", "secho")]
        assert found == [], path


def markab_into(stdout: int | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `markab` with this stdout; None: it is closed."""
    script = "import sys; sys.argv[0] = 'markab'; from markab.cli.main import main; main()"
    close = "import os; os.close(1); " if stdout is None else ""
    return subprocess.run(
        [sys.executable, "-c", f"{close}import sys\nif {stdout is None}: sys.stdout = None\n{script}", *arguments],
        stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["version"], ["version", "--json"], ["--help"], ["show", "--help"]])
def test_output_that_cannot_be_written_is_an_error_on_stderr(arguments: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        done = markab_into(full.fileno(), *arguments)
    assert done.returncode == 13
    assert done.stderr.splitlines()[0] == "error: the output cannot be written: No space left on device"
    assert "hint: " in done.stderr and "Exception" not in done.stderr


def test_a_closed_stdout_is_an_error_on_stderr() -> None:
    done = markab_into(None, "version", "--json")
    assert done.returncode == 13
    assert done.stderr.startswith("error: the output cannot be written: stdout is closed\n")


def test_help_into_a_pipe_without_a_reader_exits_as_any_command() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = markab_into(writer, "--help")
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_progress_that_cannot_be_shown_stops_nothing() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    echo("a line of a log", file=Broken())


def test_bytes_come_after_what_was_written_before_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw)
    monkeypatch.setattr(sys, "stdout", stdout)

    stdout.write("text ")
    echo_bytes(b"and bytes")

    assert raw.getvalue() == b"text and bytes"


def test_bytes_are_written_whole_into_a_stream_that_takes_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bytearray()

    class Piecewise(io.RawIOBase):
        def write(self, data: Any) -> int:
            taken.extend(bytes(data)[:3])
            return min(3, len(data))

    class Stdout(io.StringIO):
        buffer = Piecewise()

    monkeypatch.setattr(sys, "stdout", Stdout())
    echo_bytes(b"a picture")
    assert taken == b"a picture"
