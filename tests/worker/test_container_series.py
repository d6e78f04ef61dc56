"""Several tasks in one container: the script keeps their words apart, and tells how each ended."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from markab.transfers.beneath import Beneath
from markab.worker.container_series import TaskEnd, fit_together, series_command, take_results

Tasks = list[tuple[dict[str, str], list[str]]]


def run(directory: Path, tasks: Tasks) -> tuple[str, list[TaskEnd]]:
    """Run the script with the shell of this machine; return what the tasks printed, and how they ended."""
    (directory / "r").mkdir()
    done = subprocess.run(series_command("r", tasks), cwd=directory, capture_output=True, text=True)
    ends = take_results(Beneath(str(directory)), "r", len(tasks))
    assert not (directory / "r").exists()
    return done.stdout, ends


def test_words_and_variables_reach_their_task_as_they_are(tmp_path: Path) -> None:
    hostile = ["it's", "$HOME; `id`", "$(id)", "*", "", "a\nb", '"', "\\", "-n", "2"]
    show = ["/bin/sh", "-c", 'printf "<%s>" "$A" "$@"', "sh"]

    printed, ends = run(tmp_path, [({"A": "1 '2' $3"}, [*show, *hostile]), ({}, [*show, "last"])])

    assert printed == "<1 '2' $3>" + "".join(f"<{word}>" for word in hostile) + "<><last>"
    assert [end.code for end in ends] == [0, 0]
    assert ends[0].start <= ends[0].end <= ends[1].end


def test_the_first_that_fails_is_the_last_that_runs(tmp_path: Path) -> None:
    tasks: Tasks = [({}, ["/bin/true"]), ({}, ["/bin/sh", "-c", "exit 3"]), ({}, ["/bin/echo", "never"])]

    printed, ends = run(tmp_path, tasks)

    assert (printed, [end.code for end in ends]) == ("", [0, 3])


@pytest.mark.parametrize("argv", [["/not/there"], ["/bin/sh", "-c", "kill -9 $$"]])
def test_codes_are_those_of_a_shell(tmp_path: Path, argv: list[str]) -> None:
    _, [end] = run(tmp_path, [({}, argv)])
    assert end.code == (127 if argv == ["/not/there"] else 137)


def test_files_that_a_task_made_up_are_no_results(tmp_path: Path) -> None:
    results = tmp_path / "r"
    results.mkdir()
    (results / "0.begin").touch()
    (results / "0.end").symlink_to("/etc/passwd")
    (results / "1.begin").touch()
    (results / "1.end").write_text("999999999999999999\n")

    ends = take_results(Beneath(str(tmp_path)), "r", 3)

    assert [end.code for end in ends] == [None, None]


def test_tasks_that_the_script_cannot_keep_apart_run_alone() -> None:
    assert fit_together([({"A": "x"}, ["t"]), ({}, ["t", "a b"])])
    assert not fit_together([({"A.B": "x"}, ["t"])])
    assert not fit_together([({"_markab_child": "1"}, ["t"])])
    assert not fit_together([({}, ["t", "x" * 1_000_000])])
