from __future__ import annotations

import io
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from kit.made_run import began, compute, failed, make_run, retry, start
from markab.cli.output import is_terminal
from markab.cli.run_display import LineDisplay, LiveDisplay, QuietDisplay, counts_text, picture, rate_text
from markab.journal.progress import Progress, RunningJob
from markab.journal.writer import encode

SOURCES = Path(__file__).parents[2] / "src"
ENGINE = """
import sys, time
from pathlib import Path
from markab.engine import run as engine
from markab.journal.progress import Progress, RunningJob

def run(submit_dir, options, observer, recorder, **_):
    for done in range(4):
        jobs = [RunningJob("wc_[bold]", "local", 1, time.time() - 65)] if done < 3 else []
        observer(Progress("words", "7a3c", time.time(), 3, succeeded=done, jobs=jobs, running=len(jobs),
                          rate_per_s=2.0, bytes_moved=5 << 20, engine_started=time.time() - done, left_s=9.0))
    return engine.Outcome(state="success", counts={})

engine.run = run
sys.argv = ["markab", "run", sys.argv[1]]
from markab.cli.main import main
main()
"""


def progress(**more: int) -> Progress:
    return Progress("words", "7a3c", 0.0, more.pop("total", 10), **more)


def on_a_terminal(directory: Path, **env: str) -> tuple[int, str]:
    """Run `markab run` with the engine above on a pseudo-terminal; return exit code and all that was written."""
    pid, descriptor = pty.fork()
    if pid == 0:
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        environment |= {"PYTHONPATH": str(SOURCES), "TERM": "xterm-256color", "COLUMNS": "100"} | env
        environment |= {"HOME": str(directory / "home"), "XDG_STATE_HOME": ""}  # the run is in no other list
        os.execve(sys.executable, [sys.executable, "-c", ENGINE, str(directory)], environment)
    written = b""
    while True:
        try:
            if not (chunk := os.read(descriptor, 65536)):
                break
        except OSError:  # Linux says so when the other side has closed
            break
        written += chunk
    os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()


def test_a_terminal_gets_a_picture_that_is_drawn_over(tmp_path: Path) -> None:
    code, text = on_a_terminal(make_run(tmp_path, [compute("a")]))
    assert code == 0
    assert "\x1b[1A" in text, "the cursor goes up to draw again"
    assert "66.7%" in text and "2.0 jobs/s, 5.0 MB moved, about 9.0 s left" in text
    assert re.search(r"1:05\S*  wc_\[bold\]", text), "names are not read as markup"
    assert text.rstrip().splitlines()[-1].startswith("  more:"), "the cursor is left below"
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is shown again"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_plain_text_gets_lines(tmp_path: Path, env: dict[str, str]) -> None:
    code, text = on_a_terminal(make_run(tmp_path, [compute("a")]), **env)
    assert code == 0
    assert "\x1b" not in text
    assert "0 of 3 jobs done, 1 running" in text


def test_lines_come_every_few_seconds_and_only_with_news(tmp_path: Path) -> None:
    now = [0.0]
    stream = io.StringIO()
    lines = LineDisplay(stream, make_run(tmp_path, [compute("a")]), clock=lambda: now[0])
    for second in range(31):
        now[0] = float(second)
        lines(progress(total=20, succeeded=min(second, 12), running=1))
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == [
        "0 of 20 jobs done, 1 running",
        "5 of 20 jobs done, 1 running",
        "10 of 20 jobs done, 1 running",
        "12 of 20 jobs done, 1 running",
    ]


def test_failures_are_shown_at_once_with_their_reason(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0)])
    stream = io.StringIO()
    lines = LineDisplay(stream, tmp_path)
    lines(progress(running=1))
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(encode(failed(0, message="exit code 3")) + encode(retry(0)))
    lines(progress(ready=1, retried=1))
    lines(progress(ready=1, retried=1))
    failures = [line for line in stream.getvalue().splitlines() if line.startswith("failed")]
    assert failures == ["failed: wc_a, attempt 1: exit code 3 (will be tried again)"]


def test_a_log_has_each_warning_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    lines = LineDisplay(stream, make_run(tmp_path, [compute("a")]))
    shown = progress(running=1)
    lines(shown)
    shown.warnings = ["disk full"]
    lines(shown)
    lines(shown)
    assert ["warning: disk full"] == stream.getvalue().splitlines()[1:]
    assert {"disk full"} == lines.warned


def test_a_run_that_is_held_says_so_at_once_and_when_it_goes_on(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")])
    for make in (lambda stream: LineDisplay(stream, tmp_path), QuietDisplay):
        stream = io.StringIO()
        display = make(stream)
        for held in ("", "no room", "no room", "", "gone", ""):
            shown = progress(ready=1)
            shown.held = held
            display(shown)
        printed = [line for line in stream.getvalue().splitlines() if "jobs done" not in line]
        on = "the error is resolved; the run resumes"
        assert printed == ["warning: no room", on, "warning: gone", on]


def test_a_run_that_ends_while_it_is_held_is_not_reported_as_resumed() -> None:
    stream = io.StringIO()
    display = QuietDisplay(stream)
    shown = progress(ready=1)
    shown.held = "no room"
    display(shown)
    shown.held, shown.outcome = "", "interrupted"
    display(shown)
    assert stream.getvalue() == "warning: no room\n"


def test_a_picture_of_a_run_that_is_held_says_so() -> None:
    shown = progress(ready=1)
    shown.held = "no room"
    assert "held: nothing new is started" in "".join(text for text, _ in picture(shown, now_s=0.0))


def test_states_without_jobs_are_left_out() -> None:
    assert counts_text(progress(succeeded=3, running=1, failed=2)) == "3 of 10 jobs done, 1 running, 2 failed"
    assert rate_text(progress()) == ""


def test_the_bar_shows_even_one_failure_among_a_million() -> None:
    pieces = picture(progress(total=1_000_000, failed=1), now_s=0.0)
    assert [style for text, style in pieces if "━" in text] == ["red", "dim"]
    assert sum(text.count("━") for text, _ in pieces) == 40


def test_of_many_running_jobs_a_few_are_named_and_the_rest_counted() -> None:
    shown = progress(running=500)
    shown.jobs = [RunningJob(f"j{n}", "local", 1 + n % 2, 0.0) for n in range(64)]
    text = "".join(piece for piece, _ in picture(shown, now_s=3.0, jobs_shown=4))
    assert "j3  attempt 2" in text and "j4" not in text
    assert "… and 496 more" in text


def test_only_a_terminal_that_can_is_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert is_terminal(Terminal()) and not is_terminal(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_terminal(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(Terminal())


def test_a_terminal_that_has_gone_does_not_stop_the_run(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

        def isatty(self) -> bool:
            return True

    display = LiveDisplay(Gone(), make_run(tmp_path, [compute("a")]))
    display(Progress("w", "", 1.0, 1, running=1))
    display(Progress("w", "", 1.0, 1, succeeded=1))
    display.close()


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_on_a_narrow_terminal_lines_are_wrapped_and_names_keep_their_ends(columns: int) -> None:
    jobs = [RunningJob("align_sequences_ID0000017", "local", 2, 1.0)]
    progress = Progress(
        "assembly-of-a-genome", "", 1.0, 2000, running=1, unready=1234, succeeded=765, jobs=jobs,
        active_before_s=99, warnings=["the disk of the submit directory is nearly full"],
    )  # fmt: skip
    text = "".join(piece for piece, _ in picture(progress, 2.0, columns=columns))
    lines = text.splitlines()

    assert max(map(len, lines)) <= max(columns, 25), lines
    assert lines[0].endswith(" 38.2%  1:40") and "━" * 4 in lines[0]
    words = " ".join(text.split())
    assert "765 of 2,000 jobs done, 1 running, 1,234 waiting" in words
    assert "the disk of the submit directory is nearly full" in words
    assert any(line.endswith("0017  #2" if columns == 20 else "0017  attempt 2") for line in lines)
