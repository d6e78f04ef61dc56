"""Submit directories that are packed, moved, deleted, and entered into the list of all runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kit.kills import killed_everywhere
from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.errors import CorruptPlan, MarkabError, NotARun, RunBusy, StorageError
from markab.operations.submit_directories import DELETED
from markab.plan.braindump import original_of, read_braindump
from markab.plan.model import LOCAL, PlanSite, local_directory

STORY = [began(), start(0), end(0), ended("success")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return a_run(tmp_path / "run0001")


def a_run(directory: Path) -> Path:
    run = make_run(directory, [compute("a")], STORY)
    operations.read_statistics(run, ())
    (run / "catalogs").mkdir()
    (run / "catalogs/braindump.yml").write_text("a document with this name")
    (run / "passwords.json").touch(0o600)
    (run / "00/00").mkdir(parents=True)
    (run / "00/00/long.out").write_bytes(os.urandom(3000))
    (run / "link").symlink_to("/etc/hostname")
    return run


def contents(directory: Path) -> dict[str, object]:
    """What is in a directory: name → bytes, target of a link, or None for a directory; what is derived is left out."""
    found: dict[str, object] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if ".stampede.db" not in name and not name.startswith(("monitord.", "lock", "jobstate")):
            found[name] = (
                os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            )
    return found


def listed(tmp_path: Path) -> list[tuple[str, str, int]]:
    """The rows of the list of all runs: uuid, place, whether it is archived."""
    with closing(sqlite3.connect(tmp_path / "home/.pegasus/workflow.db")) as database:
        rows = database.execute("SELECT wf_uuid, submit_dir, archived FROM master_workflow")
        return [(uuid, place, int(archived)) for uuid, place, archived in rows]


def test_an_archive_has_everything_but_what_names_the_run(run: Path, tmp_path: Path) -> None:
    before = contents(run)
    operations.archive_run(run)

    assert sorted(path.name for path in run.iterdir() if ".stampede.db" not in path.name) == [
        "archive.tar.gz",
        "braindump.yml",
        "lock",
        "monitord.done",
        "monitord.started",
    ]
    assert stat.S_IMODE((run / "archive.tar.gz").stat().st_mode) == 0o600
    assert listed(tmp_path) == [("7a3c", str(run), 1)]
    with pytest.raises(NotARun, match="is archived") as caught:
        operations.read_status(run)
    assert caught.value.hint == f"pegasus-submitdir extract {run}"

    operations.extract_run(run)
    assert contents(run) == before and stat.S_IMODE((run / "passwords.json").stat().st_mode) == 0o600
    assert operations.read_status(run).state == "Success" and listed(tmp_path) == [("7a3c", str(run), 0)]


def test_archiving_and_extracting_twice_is_refused(run: Path) -> None:
    with pytest.raises(NotARun, match="is not archived"):
        operations.extract_run(run)
    operations.archive_run(run)
    with pytest.raises(NotARun, match="is archived already"):
        operations.archive_run(run)


def test_what_cannot_be_packed_is_named_before_anything_changes(run: Path) -> None:
    os.mkfifo(run / "00/pipe")
    with pytest.raises(StorageError, match="00/pipe' is neither a file nor a directory nor a link"):
        operations.archive_run(run)
    assert (run / "plan.jsonl").exists() and not (run / "archive.tar.gz").exists()


def test_a_damaged_archive_is_kept(run: Path) -> None:
    operations.archive_run(run)
    archive = run / "archive.tar.gz"
    whole = archive.read_bytes()
    for damaged in (b"", b"not an archive", whole[: len(whole) // 2], whole[:-20] + bytes(20)):
        archive.write_bytes(damaged)
        with pytest.raises(MarkabError, match=r"archive.tar.gz' is (damaged|no archive that Markab made)"):
            operations.extract_run(run)
        assert archive.read_bytes() == damaged and not (run / "plan.jsonl").exists()
    archive.write_bytes(whole)
    operations.extract_run(run)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "."])
def test_an_archive_puts_nothing_elsewhere(run: Path, name: str) -> None:
    operations.archive_run(run)
    uuid = read_braindump(run / "braindump.yml")["wf_uuid"]
    with tarfile.open(
        run / "archive.tar.gz", "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"markab.run": uuid}
    ) as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(CorruptPlan, match="leads out of the directory|neither a file"):
        operations.extract_run(run)


def test_an_archive_writes_through_no_link(run: Path, tmp_path: Path) -> None:
    operations.archive_run(run)
    (tmp_path / "elsewhere").mkdir()
    (run / "00").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MarkabError):
        operations.extract_run(run)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_moved_run_is_known_at_its_new_place(run: Path, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    operations.attach_run(run)
    moved, warning = operations.move_run(run, tmp_path / "shelf")

    assert (moved, warning) == (tmp_path / "shelf/run0001", "") and not run.exists()
    assert listed(tmp_path) == [("7a3c", str(moved), 0)]
    assert operations.read_status(moved).state == "Success"
    with closing(sqlite3.connect(moved / "words-0.stampede.db")) as database:
        assert database.execute("SELECT submit_dir FROM workflow").fetchall() == [(str(moved),)]
    assert 'basedir: "' + str(moved.parent) in (moved / "braindump.yml").read_text()

    again, _ = operations.move_run(moved, tmp_path / "other")
    assert again == tmp_path / "other" and original_of(again / "braindump.yml") is None


def test_an_archived_run_can_be_moved(run: Path, tmp_path: Path) -> None:
    operations.archive_run(run)
    moved, _ = operations.move_run(run, tmp_path / "moved")
    assert listed(tmp_path) == [("7a3c", str(moved), 1)]


@pytest.mark.faults
def test_a_kill_while_moving_leaves_one_run(tmp_path: Path) -> None:
    def move(directory: Path) -> None:
        operations.move_run(directory, directory.parent / "moved")

    for run in killed_everywhere(move, a_run, tmp_path):
        moved = run.parent / "moved"
        if run.exists():
            move(run)
        assert not run.exists() and operations.read_status(moved).state == "Success"
        assert original_of(moved / "braindump.yml") is None


def test_a_run_is_not_moved_onto_something(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full/run0001").mkdir(parents=True)
    other = a_run(tmp_path / "other")
    for place, message in (
        ("file", "exists already"),
        ("full", "exists already"),
        (other.name, "is a submit directory"),
        ("run0001/00", "is inside of what is moved"),
        ("none/there", "cannot move"),
    ):
        with pytest.raises(StorageError, match=message):
            operations.move_run(run, tmp_path / place)
    assert operations.read_status(run).state == "Success"


def test_a_deleted_run_is_gone_everywhere_and_nothing_else_is(run: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("kept")
    (run / "away").symlink_to(tmp_path / "outside")
    operations.attach_run(run)
    other = a_run(tmp_path / "other")
    assert operations.delete_run(run) == run

    assert not run.exists() and listed(tmp_path) == []
    assert (tmp_path / "outside/file").read_text() == "kept" and other.exists()


@pytest.mark.faults
def test_a_kill_while_deleting_leaves_what_can_be_deleted(tmp_path: Path) -> None:
    def attached(directory: Path) -> Path:
        run = a_run(directory)
        operations.attach_run(run)
        return run

    for run in killed_everywhere(operations.delete_run, attached, tmp_path):
        if run.exists() and any(run.iterdir()):
            operations.delete_run(run)
        assert not run.exists() or not any(run.iterdir())


def test_a_half_deleted_run_is_not_run(run: Path) -> None:
    (run / "plan.jsonl").rename(run / DELETED)
    with pytest.raises(NotARun, match="it has no plan.jsonl"):
        operations.read_status(run)
    operations.delete_run(run)
    assert not run.exists()


def test_an_archived_run_can_be_deleted(run: Path) -> None:
    operations.archive_run(run)
    operations.delete_run(run)
    assert not run.exists()


ACTIONS: list[Callable[[Path], object]] = [
    operations.archive_run,
    operations.extract_run,
    lambda run: operations.move_run(run, run.parent / "moved"),
    operations.delete_run,
    operations.attach_run,
    operations.detach_run,
]


@pytest.mark.parametrize("act", ACTIONS)
def test_a_run_that_is_running_is_refused(run: Path, act: Callable[[Path], object]) -> None:
    before = contents(run)
    with engine_alive(run), pytest.raises(RunBusy):
        act(run)
    assert contents(run) == before


@pytest.mark.parametrize("act", ACTIONS)
def test_what_is_no_submit_directory_is_refused(tmp_path: Path, act: Callable[[Path], object]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    for name in ("other", "none"):
        with pytest.raises(NotARun):
            act(tmp_path / name)
    assert (tmp_path / "other/file").exists()


@pytest.mark.parametrize("act", [ACTIONS[2], ACTIONS[3]])
def test_a_link_is_neither_moved_nor_deleted(
    run: Path, tmp_path: Path, act: Callable[[Path], object]
) -> None:
    link = tmp_path / "latest"
    link.symlink_to(run)
    with pytest.raises(NotARun, match="is a symbolic link") as caught:
        act(link)
    assert caught.value.hint == f"name the directory itself: {run}" and run.exists()


@pytest.mark.parametrize("act", ACTIONS[2:])
def test_a_subworkflow_stays_with_its_root(run: Path, act: Callable[[Path], object]) -> None:
    braindump = run / "braindump.yml"
    braindump.write_text(braindump.read_text().replace('root_wf_uuid: "7a3c"', 'root_wf_uuid: "else"'))
    with pytest.raises(NotARun, match="is a sub-workflow"):
        act(run)
    assert run.exists()


def test_a_run_leaves_the_list_and_comes_back(run: Path, tmp_path: Path) -> None:
    operations.attach_run(run)
    assert operations.detach_run(run) and listed(tmp_path) == []
    assert not operations.detach_run(run)
    operations.attach_run(run)
    assert listed(tmp_path) == [("7a3c", str(run), 0)]


def test_a_run_whose_directory_is_gone_leaves_the_list_by_its_uuid(run: Path, tmp_path: Path) -> None:
    operations.attach_run(run)
    run.rename(tmp_path / "gone")
    with pytest.raises(NotARun, match="there is no directory") as caught:
        operations.detach_run(run)
    assert caught.value.hint == f"pegasus-submitdir detach -i 7a3c {run}"

    assert not operations.detach_run(tmp_path / "elsewhere", "7a3c")
    assert operations.detach_run(run, "7a3c") and listed(tmp_path) == []


def test_a_list_that_cannot_be_written_is_a_warning(run: Path, tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    _, warning = operations.archive_run(run)
    assert warning.startswith("the list of all your runs was not updated: ")
    assert not (run / "plan.jsonl").exists()


@pytest.mark.parametrize("act", [operations.archive_run, operations.extract_run, operations.delete_run])
def test_a_file_with_the_name_of_the_archive_is_left_alone(run: Path, act: Callable[[Path], object]) -> None:
    (run / "archive.tar.gz").write_text("mine")
    before = contents(run)

    with pytest.raises(StorageError, match="no archive that Markab made of this run"):
        act(run)

    assert before == contents(run)


def test_the_archive_of_another_run_is_left_alone(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", [compute("a")], STORY, uuid="another")
    operations.archive_run(other)
    operations.archive_run(run)
    (run / "archive.tar.gz").write_bytes((other / "archive.tar.gz").read_bytes())

    for act in (operations.archive_run, operations.extract_run, operations.delete_run):
        with pytest.raises(StorageError, match="no archive that Markab made of this run"):
            act(run)


@pytest.mark.parametrize("act", [operations.archive_run, operations.extract_run])
def test_a_file_that_differs_from_the_packed_one_is_left_alone(
    run: Path, act: Callable[[Path], object]
) -> None:
    operations.archive_run(run)
    (run / "jobstate.log").write_text("new notes")

    with pytest.raises(StorageError, match="jobstate.log' differs from the one in archive.tar.gz"):
        act(run)

    assert "new notes" == (run / "jobstate.log").read_text() and not (run / "plan.jsonl").exists()
    (run / "jobstate.log").unlink()
    operations.extract_run(run)
    assert (run / "plan.jsonl").exists()


@pytest.mark.parametrize("act", ACTIONS[:1] + ACTIONS[2:4])
def test_results_scratch_files_and_other_runs_inside_are_not_taken_along(
    run: Path, act: Callable[[Path], object]
) -> None:
    (run / "plan.jsonl").unlink()
    sites = {"local": PlanSite(LOCAL, local_directory("local", f"{run}/scratch"))}
    plan_only = make_run(run / "again", [compute("a")], sites=sites, outputs={"local": f"{run}/results"})
    (plan_only / "plan.jsonl").rename(run / "plan.jsonl")
    shutil.rmtree(plan_only)
    for name in ("scratch/x", "results/y", "other/plan.jsonl"):
        path = run / name
        path.parent.mkdir()
        path.write_text("precious")
        with pytest.raises(StorageError, match="cannot be (packed|moved|deleted): .* in it"):
            act(run)
        assert "precious" == path.read_text()
        shutil.rmtree(path.parent)


def test_a_copy_leaves_the_records_of_the_original(run: Path, tmp_path: Path) -> None:
    operations.attach_run(run)
    before = listed(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, symlinks=True)

    assert "this is a copy" in operations.archive_run(copy)[1]
    assert before == listed(tmp_path)
    operations.detach_run(copy)
    operations.delete_run(copy)
    assert before == listed(tmp_path)
