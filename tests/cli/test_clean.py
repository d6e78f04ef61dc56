"""`markab clean`: nothing goes without `--yes`, and what is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.cli.clean import clean
from markab.plan.model import Output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("run0001", "run0002"):
        story = [began(), start(0), end(0), ended("success")]
        run = make_run(
            tmp_path / name,
            [compute("a", outputs=[Output("x")])],
            story,
            uuid=name,
            outputs={"local": "/results"},
        )
        (run / "scratch").mkdir()
        (run / "scratch/.markab").write_text(f"{name}\n{run}\nhost\n")
        (run / "scratch/x").write_bytes(bytes(2 << 20))
    return tmp_path


def call(*words: str, monkeypatch: pytest.MonkeyPatch | None = None) -> Result:
    if monkeypatch is not None:
        monkeypatch.setattr(sys, "argv", ["markab", "clean", *words])
    return CliRunner().invoke(clean, words)


def test_without_yes_what_would_go_is_printed_and_nothing_goes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = call("--workflow", "w*", "--keep", "1", monkeypatch=monkeypatch)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0].split() == ["2.0", "MB", "Success", "2026-11-20", "words", "run0002"]
    assert lines[1] == f"  scratch {here}/run0002/scratch, 2.0 MB"
    assert lines[2:] == [
        "1 run, 2.0 MB would be deleted",
        "nothing was deleted; this deletes it: markab clean --workflow 'w*' --keep 1 --yes",
    ]
    assert (here / "run0002/scratch/x").exists()


def test_links_and_files_of_nobody_are_named(here: Path) -> None:
    (here / "latest").symlink_to("run0001")
    for number in range(25):
        (here / f"run0001/scratch/mine{number:02}").touch()

    lines = call("latest").output.splitlines()
    assert lines[1] == "  link    latest, by which it is named"
    foreign = [line for line in lines if "declared by no job of the run: " in line]
    assert foreign[0] == "  warning: in it, and declared by no job of the run: mine00" and len(foreign) == 20
    assert "  warning: … and 5 more" in lines

    assert call("latest", "--scratch-only").output.count("latest") == 0
    assert call("latest", "--yes").exit_code == 0
    assert not (here / "latest").is_symlink() and not (here / "run0001").exists()


def test_with_yes_it_goes(here: Path) -> None:
    done = call("run0001", "-f")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "1 run, 2.0 MB deleted")
    assert not (here / "run0001").exists() and (here / "run0002").exists()


def test_a_named_run_that_must_stay_is_an_error(here: Path) -> None:
    (here / "run0001/notes").touch()
    done = call("run0001", "run0002", "--yes")
    assert done.exit_code == 1 and not (here / "run0002").exists() and (here / "run0001/scratch/x").exists()
    assert "left alone: run0001: what is not the run's is in its submit directory: 'notes'" in done.output
    assert call("--older", "1m").exit_code == 0, "what was not named may stay"


def test_what_cannot_be_deleted_is_an_error_and_the_others_go(here: Path) -> None:
    found = operations.find_old_runs

    def found_and_started(*words: object, **more: object) -> object:
        result = found(*words, **more)  # type: ignore[arg-type]
        engine.__enter__()
        return result

    engine = engine_alive(here / "run0001")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "find_old_runs", found_and_started)
        done = call("--state", "success", "--yes")
    engine.__exit__(None, None, None)
    assert done.exit_code == 1 and "is being run by process 4711" in done.stderr
    assert done.stdout.splitlines()[-1] == "1 run, 2.0 MB deleted"
    assert (here / "run0001/scratch/x").exists() and not (here / "run0002").exists()


def test_json_has_all_of_it(here: Path) -> None:
    (here / "run0001/notes").touch()
    first, second = sorted(
        json.loads(call("--state", "success", "-J", "--yes").stdout), key=lambda o: o["why_kept"]
    )
    assert (first["deleted"], first["error"], first["why_kept"]) == (True, "", "")
    assert first["scratch"][0]["place"] == f"{here}/run0002/scratch" and first["bytes"] > 2 << 20
    assert (second["deleted"], second["bytes"]) == (False, 0) and "notes" in second["why_kept"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name runs, or choose some with --older, --state, --workflow or --keep"),
        (["--yes"], "name runs, or choose some"),
        (["--older", "soon"], "'soon' is not an age; write 30d, 12h, 45m or 2w"),
        (["--state", "old"], "there is no state 'old'"),
        (["--keep", "-1"], "-1 is not in the range"),
    ],
)
def test_what_chooses_no_runs_is_a_wrong_command_line(words: list[str], message: str) -> None:
    done = call(*words)
    assert done.exit_code == 2 and message in done.output
