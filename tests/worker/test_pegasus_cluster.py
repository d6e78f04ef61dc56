"""`pegasus-cluster`: it runs a list of commands, and prints a line for each and a summary."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from markab.diagnosis.job_output import Expected, judge
from markab.worker.pegasus_cluster import COMMAND_FAILED, USAGE, WRONG_COMMAND_LINE

SOURCES = Path(__file__).parents[2] / "src"
PROGRAM = [sys.executable, "-c", "from markab.worker.pegasus_cluster import main; main()"]


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SEQEXEC_CPUS", "SEQEXEC_PROGRESS_REPORT"):
        monkeypatch.delenv(name, raising=False)


def cluster(*words: str, lines: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words],
        input=lines,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES), **environ},
        timeout=60,
    )


def facts(line: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="?([^",\]]*)', line.partition(" ")[2]))


THREE = """# a comment
sh -c 'echo one; exit 3'

echo "two  words" 'and $HOME'
echo three
"""


def test_all_commands_run_and_the_summary_counts_them() -> None:
    done = cluster(lines=THREE)

    assert done.returncode == COMMAND_FAILED and done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("[")] == ["one", "two  words and $HOME", "three"]
    tasks = [facts(line) for line in lines if line.startswith("[cluster-task")]
    assert [(one["id"], one["status"], one["line"], Path(one["app"]).name) for one in tasks] == [
        ("1", "768", "2", "sh"),
        ("2", "0", "4", "echo"),
        ("3", "0", "5", "echo"),
    ]
    summary = facts(lines[-1])
    assert lines[-1].startswith(
        '[cluster-summary stat="fail", lines=5, tasks=3, succeeded=2, failed=1, extra=0,'
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", summary["start"])


def test_what_it_prints_is_judged_as_pegasus_does() -> None:
    good, bad = cluster(lines="true\n").stdout, cluster(lines="true\nfalse\n").stdout

    assert judge(good, "", Expected()).problem == ""
    assert judge(bad, "", Expected()).problem == "cluster-summary stat=fail"


@pytest.mark.parametrize(
    ("options", "code", "printed"),
    [
        (["-e"], 0, ["one", "two  words and $HOME", "three"]),
        (["-f"], COMMAND_FAILED, ["one"]),
        (["-S", "3"], 0, ["one", "two  words and $HOME", "three"]),
        (["-f", "-S", "4", "-S", "3"], 0, ["one", "two  words and $HOME", "three"]),
    ],
)
def test_what_a_failure_means_can_be_said(options: list[str], code: int, printed: list[str]) -> None:
    done = cluster(*options, lines=THREE)

    assert done.returncode == code
    assert [line for line in done.stdout.splitlines() if not line.startswith("[")] == printed


def test_several_commands_run_at_once() -> None:
    """Each waits for the other's file: alone, neither would end."""
    wait = "sh -c 'echo > {}; while [ ! -e {} ]; do sleep 0.01; done'\n"
    lines = wait.format("a", "b") + wait.format("b", "a")

    assert cluster("-n", "2", lines=lines).returncode == 0
    Path("a").unlink()
    Path("b").unlink()
    assert cluster(lines=lines, SEQEXEC_CPUS="2").returncode == 0


def test_commands_are_read_from_a_file_and_the_summary_and_the_progress_written_to_others() -> None:
    Path("list").write_text("true\nno-such-program x\n")
    for _ in range(2):
        done = cluster("-s", "summary", "-R", "progress", "list")
        assert done.returncode == COMMAND_FAILED

    assert "cluster-summary" not in done.stdout and "line 2: cannot start 'no-such-program'" in done.stderr
    assert [facts(line)["failed"] for line in Path("summary").read_text().splitlines()] == ["1", "1"]
    progress = [line.split(" ", 1)[1] for line in Path("progress").read_text().splitlines()]
    assert progress == ["start 1 true", "end 1 status=0 true", "end 2 status=32512 no-such-program x"] * 2


def test_a_line_that_cannot_be_split_is_a_failure_and_the_others_run() -> None:
    done = cluster(lines="echo 'open\necho well\n")

    assert done.returncode == COMMAND_FAILED and "well\n" in done.stdout
    assert "line 1 cannot be split into words" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-e", "-f"], "-e and -f exclude each other"),
        (["-n", "0"], "-n '0' must be a whole number from 1 to 1048576"),
        (["-S", "many"], "-S 'many' must be a whole number from 0 to 255"),
        (["-x"], "option -x not recognized"),
        (["a", "b"], "one file is read, and 2 are named: a b"),
    ],
)
def test_a_wrong_command_line_is_named(words: list[str], message: str) -> None:
    done = cluster(*words)

    assert done.returncode == WRONG_COMMAND_LINE
    assert done.stderr == f"pegasus-cluster: {message}\n  hint: pegasus-cluster -h lists the options\n"


def test_a_file_that_cannot_be_opened_is_named() -> None:
    done = cluster("absent")

    assert (
        done.returncode == 2
        and done.stderr == "pegasus-cluster: cannot open 'absent': No such file or directory\n"
    )


def test_help_and_version_are_printed() -> None:
    assert cluster("-h").stdout == USAGE
    assert re.fullmatch(r"5\.[\d.]+\n", cluster("-V").stdout)


def test_a_signal_ends_the_commands_and_starts_no_more() -> None:
    lines = "sh -c 'echo > started; exec sleep 60'\necho never\n"
    with subprocess.Popen(
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SOURCES)}
    ) as running:  # fmt: skip
        assert running.stdin is not None
        running.stdin.write(lines)
        running.stdin.close()
        while not Path("started").exists():
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.stdout is not None
        printed = running.stdout.read()
        assert running.wait() == 128 + signal.SIGTERM

    assert "never" not in printed and "tasks=1, succeeded=0, failed=1" in printed


@pytest.mark.parametrize("words", [["-h"], ["-n", "2"]])
def test_it_ends_without_a_word_when_the_reader_of_its_output_has_gone(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    # The commands write nothing themselves; one of them would go on for a minute.
    done = subprocess.run(
        [*PROGRAM, *words],
        input="true\nsleep 60\n",
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        timeout=50,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, "")
