"""Runs of others, damaged runs, and what is no run: each command answers, or says what is wrong and what helps."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.diamond import diamond_story, make_diamond
from kit.made_run import engine_alive
from markab.cli.analyze import analyze, pegasus_analyzer
from markab.cli.statistics import pegasus_statistics, statistics
from markab.cli.status import pegasus_status, status
from markab.errors import StorageError
from markab.journal.lock import holder
from markab.plan.submit_dir import find_submit_dir

COMMANDS = (status, analyze, statistics, pegasus_status, pegasus_analyzer, pegasus_statistics)
NOBODY = 65534


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_diamond(tmp_path / "run", entries=diamond_story())


def answers(place: Path, *words: str) -> list[Result]:
    """Ask each command; a bug would be an exception that is none of ours."""
    done = [CliRunner().invoke(command, [str(place), *words]) for command in COMMANDS]
    assert not [it.output for it in done if "bug in Markab" in it.output]
    return done


def refusals(place: Path) -> list[str]:
    """Return what each command says, which must not be an answer, and must say what helps."""
    done = answers(place)
    assert all(it.exit_code and not it.stdout for it in done), [it.output for it in done]
    assert all("\n  hint: " in it.stderr for it in done), [it.stderr for it in done]
    return [it.stderr for it in done]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.mkdir, "is not a submit directory: it has no plan.jsonl"),
        (Path.touch, "is not a submit directory: it is a file"),
        (lambda path: None, "is not a submit directory: there is no such directory"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    make(tmp_path / "x")
    assert all(f"'{tmp_path}/x' {says}" in said for said in refusals(tmp_path / "x"))


def test_two_runs_are_refused_where_only_one_can_be_shown(run: Path) -> None:
    for command in (status, analyze, pegasus_status, pegasus_analyzer):
        assert CliRunner().invoke(command, [str(run), str(run)]).exit_code == 2


def test_a_link_to_a_run_is_a_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    assert [it.output for it in answers(tmp_path / "link")] == [it.output for it in answers(run)]


@pytest.mark.parametrize("content", [b": : [", b"- a list", b"\xff\xfe\xfa"])
def test_a_braindump_that_cannot_be_understood_is_named_in_one_line(run: Path, content: bytes) -> None:
    (run / "braindump.yml").write_bytes(content)
    for said in refusals(run):
        assert said.startswith(f"error: '{run}/braindump.yml' is no")
        assert len(said.splitlines()) == 2


def test_a_damaged_line_of_the_plan_is_named(run: Path) -> None:
    lines = (run / "plan.jsonl").read_text().splitlines(keepends=True)
    (run / "plan.jsonl").write_text("".join([*lines[:2], '{"id":5}\n', *lines[3:]]))
    for command in (analyze, statistics):
        said = CliRunner().invoke(command, [str(run)]).stderr
        assert f"'{run}/plan.jsonl', line 3: " in said
        assert "hint: plan the workflow again" in said
    answers(run)


def test_a_missing_journal_is_reported(run: Path) -> None:
    CliRunner().invoke(statistics, [str(run)])
    (run / "journal.jsonl").unlink()
    assert not [it for it in answers(run) if "journal.jsonl is missing" in it.output], (
        "without a status file it was never run"
    )

    (run / "status.json").write_text("{}")
    for command in (status, analyze, statistics):
        assert (
            "journal.jsonl is missing, and with it the history"
            in CliRunner().invoke(command, [str(run)]).output
        )


def test_a_journal_that_ends_torn_is_read_as_far_as_it_is_whole(run: Path) -> None:
    whole = (run / "journal.jsonl").read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for torn in (whole[:-10], whole[: last + 1], whole[:last] + b"\0" * 40):
        (run / "journal.jsonl").write_bytes(torn)
        found = answers(run)
        assert [it.exit_code for it in found] == [0, 14, 0, 0, 2, 0]
        assert "stopped" in found[1].output, "its last word is not known"


# -- of another user ---------------------------------------------------------------


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory that any user can reach: pytest's own are private."""
    if os.geteuid():
        pytest.skip("becomes another user, which only root can")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    directory = Path(tempfile.mkdtemp(prefix="markab-public-"))
    directory.chmod(0o755)
    make_diamond(directory / "run", entries=diamond_story())
    answers(
        make_diamond(directory / "first", entries=diamond_story())
    )  # so that all that is imported for it is
    yield directory
    shutil.rmtree(directory)


def as_nobody(ask: Callable[[], object]) -> str:
    """Return what a question gives in a process of another user."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setresuid(NOBODY, NOBODY, NOBODY)
            said = str(ask())
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_who_may_only_read_gets_all_answers_and_writes_nothing(public: Path) -> None:
    before = sorted((public / "run").rglob("*"))

    assert as_nobody(lambda: [it.exit_code for it in answers(public / "run", "-v")]) == "[0, 0, 0, 0, 0, 0]"

    assert sorted((public / "run").rglob("*")) == before


def test_a_directory_that_may_not_be_looked_into_is_named(public: Path) -> None:
    (public / "run").chmod(0o700)

    said = as_nobody(lambda: "".join(refusals(public / "run")))

    assert said.count(f"error: cannot read '{public}/run': Permission denied") == len(COMMANDS)


@pytest.mark.parametrize("file", ["plan.jsonl", "journal.jsonl", "braindump.yml"])
def test_a_file_that_may_not_be_read_is_named(public: Path, file: str) -> None:
    (public / "run" / file).chmod(0o600)

    said = as_nobody(lambda: "".join(it.stderr for it in answers(public / "run")))

    assert said.count(f"error: cannot read '{public}/run/{file}': Permission denied") == len(COMMANDS)


def test_an_engine_is_seen_even_if_its_lock_may_not_be_read(public: Path) -> None:
    run = public / "run"
    (run / "lock").touch(0o600)

    def look() -> str:
        return "".join(f"{holder(run / 'lock')} {it.exit_code}\n{it.output}" for it in answers(run, "-v"))

    assert as_nobody(look).count("None 0\n") == len(COMMANDS)
    if not _kernel_lists_locks(public):
        pytest.skip("this kernel does not list locks")
    with engine_alive(run):
        said = as_nobody(look)
    assert said.count(f"{os.getpid()} 0\n") == len(COMMANDS)
    assert "(Running:1)" in said
    assert "still running" in said


def _kernel_lists_locks(directory: Path) -> bool:
    with open(directory / "some", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        locks = Path("/proc/locks")
        return locks.exists() and f":{os.stat(file.fileno()).st_ino} " in locks.read_text()


def test_a_directory_in_which_names_are_too_long_is_no_bug() -> None:
    with pytest.raises(StorageError, match="File name too long"):
        find_submit_dir("x" * 300)
