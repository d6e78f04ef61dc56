"""Old runs: which are chosen, what is left alone, and that nothing else is deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kit.kills import killed_everywhere
from kit.made_run import T0, began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.errors import MarkabError, NotARun, RunBusy, StorageError
from markab.operations.old_runs import Filters, OldRun, chosen, delete_old_run, find_old_runs, is_own_name
from markab.operations.run_list import ListedRun
from markab.operations.run_sizes import bytes_below
from markab.operations.submit_directories import DELETED
from markab.plan.model import (
    LOCAL,
    DirectoryPlace,
    Input,
    Kind,
    Output,
    Place,
    PlannedJob,
    PlanSite,
    Transfer,
    local_directory,
)
from markab.plan.plan_file import PlanFile

STORY = [began(), start(0), end(0), ended("success")]
NOW = T0 + 100 * 86400


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def a_run(directory: Path, *, uuid: str = "7a3c", scratch: Path | None = None, **header: Any) -> Path:
    """A run that has succeeded, with a file and its marker in scratch, and its results beside the runs."""
    scratch = scratch or directory.parent / f"scratch-{directory.name}"
    sites = {"local": PlanSite(LOCAL, local_directory("local", str(scratch)))}
    header = {"outputs": {"local": str(directory.parent / "results")}} | header
    run = make_run(directory, [compute("a")], STORY, sites=header.pop("sites", sites), uuid=uuid, **header)
    scratch.mkdir(parents=True)
    (scratch / "deep").mkdir()
    (scratch / "deep/file").write_bytes(bytes(5000))
    (scratch / ".markab").write_text(f"{uuid}\n{run}\nhost\n")
    (directory.parent / "results").mkdir(exist_ok=True)
    (directory.parent / "results/result").write_text("precious")
    (run / "00/00").mkdir(parents=True)
    (run / "00/00/wc_a.out.000").write_text("long")
    operations.attach_run(run)
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return a_run(tmp_path / "run0001")


def found(*names: Path, **more: Any) -> list[OldRun]:
    return find_old_runs(names, Filters(**more.pop("filters", {})), now=NOW, **more)[0]


def why_kept(run: Path, **more: Any) -> str:
    (one,) = found(run, **more)
    if one.why_kept:
        with pytest.raises(MarkabError, match="is kept: "):
            delete_old_run(one)
    return one.why_kept


def listed(tmp_path: Path) -> list[str]:
    with closing(sqlite3.connect(tmp_path / "home/.pegasus/workflow.db")) as database:
        return [place for (place,) in database.execute("SELECT submit_dir FROM master_workflow")]


def snapshot(top: Path) -> dict[str, object]:
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        for path in sorted(top.rglob("*"))
    }


# -- what goes -------------------------------------------------------------------------------


def test_finding_changes_nothing_and_deleting_leaves_all_else(run: Path, tmp_path: Path) -> None:
    other = a_run(tmp_path / "run0002", uuid="other")
    before = snapshot(tmp_path)
    (one,) = found(run)
    assert snapshot(tmp_path) == before
    assert [place.place for place in one.scratch] == [f"{tmp_path}/scratch-run0001"]
    assert one.bytes > 5000 + (run / "plan.jsonl").stat().st_size

    delete_old_run(one)
    assert not run.exists() and not (tmp_path / "scratch-run0001").exists()
    assert (tmp_path / "results/result").read_text() == "precious"
    assert (tmp_path / "scratch-run0002/deep/file").exists() and other.exists()
    assert listed(tmp_path) == [str(other)]


def test_the_records_stay_if_only_scratch_is_to_go(run: Path, tmp_path: Path) -> None:
    (one,) = found(run, scratch_only=True)
    assert 5000 < one.bytes < 6000
    delete_old_run(one, scratch_only=True)
    assert operations.read_status(run).state == "Success" and not (tmp_path / "scratch-run0001").exists()
    assert listed(tmp_path) == [str(run)]
    assert found(run, scratch_only=True) == []


def test_scratch_inside_of_the_submit_directory_goes_with_it(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run0001", scratch=tmp_path / "run0001/scratch")
    (one,) = found(run)
    assert one.why_kept == "" and one.bytes == bytes_below(run)
    delete_old_run(one)
    assert not run.exists()


def test_links_are_removed_and_not_followed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch-run0001/link").symlink_to(tmp_path / "results")
    (run / "00/link").symlink_to(tmp_path / "results")
    delete_old_run(found(run)[0])
    assert (tmp_path / "results/result").exists()


def test_a_run_whose_directory_is_gone_leaves_the_list_when_that_is_asked_for(
    run: Path, tmp_path: Path
) -> None:
    shutil.rmtree(run)
    assert found(filters={"older_s": 1.0}) == []
    (one,) = found(filters={"states": ["gone"]})
    delete_old_run(one)
    assert listed(tmp_path) == [] and (tmp_path / "scratch-run0001").exists()


@pytest.mark.faults
def test_after_a_kill_anywhere_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(_: Path) -> None:
        for one, error in operations.delete_old_runs(found(filters={"older_s": 1.0})):
            assert error is None, one

    work = Path.cwd()
    for run in killed_everywhere(delete, a_run, tmp_path):
        scratch, results = run.parent / "scratch-run0001", run.parent / "results/result"
        assert scratch.exists() or run.exists() or str(run) not in listed(tmp_path)
        delete(run)
        left = {path.name for path in run.iterdir()} if run.exists() else set()
        assert left <= {DELETED, "braindump.yml"} and not scratch.exists() and results.exists()
        assert str(run) not in listed(tmp_path)
        monkeypatch.chdir(run.parent)  # the last two files are found as what is below
        delete(run)
        assert not run.exists() or not [*run.iterdir()]
        monkeypatch.chdir(work)
        shutil.rmtree(run.parent)


def test_a_deletion_that_was_interrupted_is_listed_and_finished(run: Path) -> None:
    (run / "plan.jsonl").rename(run / DELETED)
    (one,) = operations.list_runs()[0]
    assert (one.state, one.submit_dir) == ("Half deleted", run)
    (old,) = found(filters={"workflow": "of another name"})
    delete_old_run(old)
    assert not run.exists()


# -- what is left alone ----------------------------------------------------------------------


def test_a_running_run_is_left_alone(run: Path) -> None:
    with engine_alive(run):
        assert why_kept(run) == "an engine is running it"
        assert found(filters={"workflow": "words"}) == []


def test_a_run_that_is_started_meanwhile_is_left_alone(run: Path, tmp_path: Path) -> None:
    (one,) = found(run)
    with engine_alive(run):
        ((_, error),) = operations.delete_old_runs([one])
    assert isinstance(error, RunBusy) and (tmp_path / "scratch-run0001/deep/file").exists()


def test_a_run_that_was_replaced_meanwhile_is_left_alone(run: Path) -> None:
    (one,) = found(run)
    braindump = run / "braindump.yml"
    braindump.write_text(braindump.read_text().replace("7a3c", "9999"))
    with pytest.raises(StorageError, match="another run"):
        delete_old_run(one)


def test_a_run_of_another_user_is_left_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert why_kept(run).startswith("it belongs to another user (uid ")


def test_a_run_that_cannot_be_read_is_left_alone(run: Path) -> None:
    (run / "plan.jsonl").write_text("damaged\n")
    assert why_kept(run) == "it cannot be read"


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        found(tmp_path / "home")


def test_a_sub_workflow_is_left_alone(run: Path) -> None:
    braindump = run / "braindump.yml"
    braindump.write_text(braindump.read_text().replace('root_wf_uuid: "7a3c"', 'root_wf_uuid: "else"'))
    assert "is a sub-workflow" in why_kept(run)


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "my-results/x", "report2.html"])
def test_a_directory_with_something_of_the_user_is_left_alone(run: Path, name: str) -> None:
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("precious")
    first = name.partition("/")[0]
    assert why_kept(run) == f"what is not the run's is in its submit directory: '{first}'"


@pytest.mark.parametrize("place", ["00/run0002", "statistics"])
def test_a_directory_with_another_run_is_left_alone(run: Path, place: str) -> None:
    make_run(run / place, [compute("a")])
    assert "another run is in it" in why_kept(run)


@pytest.mark.parametrize("place", ["statistics/results", "../scratch-run0001/deep", "../scratch-run0001"])
def test_directories_with_results_are_left_alone(tmp_path: Path, place: str) -> None:
    results = os.path.normpath(tmp_path / "run0001" / place)
    run = a_run(tmp_path / "run0001", outputs={"local": results})
    Path(results).mkdir(parents=True, exist_ok=True)
    Path(results, "x").write_text("precious")
    (one,) = found(run)
    if "scratch" in place:
        assert one.scratch[0].why_kept == f"results are in it, {results!r}"
        delete_old_run(one)
    else:
        assert "results or scratch files of the run are in it" in one.why_kept
    assert Path(results, "x").exists()


def scratch_kept(run: Path) -> str:
    """Why the scratch of a run is left alone; it is then deleted without that."""
    (one,) = found(run)
    delete_old_run(one)
    assert not run.exists()
    return one.scratch[0].why_kept


def no_marker(scratch: Path) -> None:
    (scratch / ".markab").unlink()


def marker_of_another(scratch: Path) -> None:
    (scratch / ".markab").write_text("other\n/else\nhost\n")


def a_link(scratch: Path) -> None:
    scratch.rename(scratch.parent / "elsewhere")
    scratch.symlink_to(scratch.parent / "elsewhere")


def holds_another(scratch: Path) -> None:
    (scratch / "deep/.markab").write_text("other\n/else\nhost\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (no_marker, "its file '.markab' does not say that it is the scratch of this run"),
        (marker_of_another, "its file '.markab' does not say that it is the scratch of this run"),
        (a_link, "it is a symbolic link"),
        (holds_another, "the scratch directory of another run is in it, '{scratch}/deep'"),
    ],
)
def test_scratch_that_is_not_provably_its_own_is_left_alone(
    run: Path, tmp_path: Path, change: Callable[[Path], None], why: str
) -> None:
    scratch = tmp_path / "scratch-run0001"
    change(scratch)
    assert scratch_kept(run) == why.format(scratch=scratch)
    assert (scratch / "deep/file").exists()


def test_a_copy_leaves_the_scratch_of_the_original(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, symlinks=True)
    assert scratch_kept(copy) == f"it belongs to the run in {str(run)!r}, of which this one is a copy"
    assert (tmp_path / "scratch-run0001/deep/file").exists() and listed(tmp_path) == [str(run)]


def test_a_moved_run_takes_its_scratch_along(run: Path, tmp_path: Path) -> None:
    moved, _ = operations.move_run(run, tmp_path / "moved")
    (one,) = found(moved)
    delete_old_run(one)
    assert not (tmp_path / "scratch-run0001").exists() and listed(tmp_path) == []


@pytest.mark.parametrize("is_named", [True, False])
def test_a_run_that_was_moved_and_linked_goes_with_link_scratch_and_row(
    run: Path, tmp_path: Path, is_named: bool
) -> None:
    moved = tmp_path / "other-disk"
    run.rename(moved)
    run.symlink_to(moved)

    (one,) = found(run) if is_named else found()
    assert (one.run.submit_dir, one.links, one.why_kept) == (moved, (run,), "")
    assert one.removed_scratch == [f"{tmp_path}/scratch-run0001"]

    delete_old_run(one)
    assert not moved.exists() and not run.is_symlink() and not (tmp_path / "scratch-run0001").exists()
    assert listed(tmp_path) == []


def test_a_link_that_leads_elsewhere_by_now_is_left_alone(run: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(run)
    (one,) = found(link)
    link.unlink()
    link.symlink_to(tmp_path / "results")

    delete_old_run(one)
    assert link.is_symlink() and (tmp_path / "results/result").exists() and not run.exists()


def test_a_run_that_is_named_twice_goes_once(run: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(run)
    assert [one.run.submit_dir for one in found(run, tmp_path / "latest")] == [run]


def test_a_link_to_a_run_that_is_gone_leaves_the_list(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "other-disk"
    run.rename(moved)
    run.symlink_to(moved)
    shutil.rmtree(moved)

    (one,) = found(filters={"states": ["gone"]})
    delete_old_run(one)
    assert listed(tmp_path) == []


def test_files_in_scratch_that_no_job_declares_are_named_before_they_go(run: Path, tmp_path: Path) -> None:
    jobs = [compute("a", inputs=[Input("deep/file")], outputs=[Output("deep/made")])]
    scratch = tmp_path / "scratch-run0001"
    (tmp_path / "again").mkdir()
    header = PlanFile(run / "plan.jsonl").header
    make_run(run, jobs, STORY, uuid="7a3c", sites=header.sites, outputs=header.outputs)
    for name in ("deep/notes.txt", "mine/x", "mine/y/z", "deep/made/part", ".work/a.1/kept", ".x.part-1"):
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).touch()

    (one,) = found(run)
    assert one.scratch[0].foreign == ("deep/notes.txt", "mine/") and one.scratch[0].foreign_count == 2


def test_runs_of_other_users_are_not_offered(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert found() == []
    with pytest.raises(NotARun) as caught:
        found(run.parent)
    assert str(run) not in caught.value.hint


def test_a_scratch_that_holds_the_submit_directory_is_left_alone(tmp_path: Path) -> None:
    run = a_run(tmp_path / "all/run0001", scratch=tmp_path / "all2")
    sites = {"local": PlanSite(LOCAL, local_directory("local", str(tmp_path / "all")))}
    make_run(run, [compute("a")], STORY, sites=sites, outputs={"local": "/nowhere"})
    (tmp_path / "all/.markab").write_text(f"7a3c\n{run}\nhost\n")
    (one,) = found(run, scratch_only=True)
    assert one.scratch[0].why_kept == "the submit directory is in it"


def test_scratch_on_another_machine_is_named_and_left(tmp_path: Path) -> None:
    away = DirectoryPlace("cloud", "/s/run", "gsiftp://host/s/run", is_local=False)
    run = a_run(tmp_path / "run0001", sites={"cloud": PlanSite(LOCAL, away)})
    (one,) = found(run)
    assert (one.scratch[0].place, one.scratch[0].why_kept) == (
        "gsiftp://host/s/run",
        "it is at site 'cloud': remove it there",
    )


def test_the_only_copies_of_results_go_only_when_that_is_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run0001", outputs={})
    assert why_kept(run).startswith("its results are only in its scratch directory")
    (one,) = found(run, with_results=True)
    delete_old_run(one)
    assert not (tmp_path / "scratch-run0001").exists()


def test_results_that_are_links_into_scratch_go_only_when_that_is_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run0001")
    link = tmp_path / "results/linked"
    moving = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0])
    moving.transfers = [Transfer("linked", [], [Place("local", str(link))])]
    sites = {"local": PlanSite(LOCAL, local_directory("local", f"{tmp_path}/scratch-run0001"))}
    make_run(run, [compute("a"), moving], STORY, sites=sites, outputs={"local": str(tmp_path / "results")})
    assert why_kept(run) == ""
    link.symlink_to(tmp_path / "scratch-run0001/deep/file")
    assert why_kept(run).startswith("its results are only in its scratch directory")


def test_what_is_mounted_or_cannot_be_removed_is_an_error_and_the_rest_can_go_later(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markab.transfers import tree_removal

    def refuse(*_: object) -> None:
        raise OSError(16, "something is mounted there", "deep")

    (one,) = found(run)
    monkeypatch.setattr(tree_removal, "check_same_mount", refuse)
    with pytest.raises(StorageError, match=r"cannot remove 'deep' in the scratch .*: something is mounted"):
        delete_old_run(one)
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(run.parent / "home"))
    assert operations.read_status(run).state == "Success"
    delete_old_run(one)
    assert not run.exists()


def test_runs_that_refer_to_its_files_are_named(run: Path, tmp_path: Path) -> None:
    reader = a_run(tmp_path / "reader", uuid="r")
    reading = compute(
        "b", inputs=[Input("x", sources=[Place("local", f"{tmp_path}/scratch-run0001/deep/file")])]
    )
    make_run(reader, [reading], STORY, uuid="r", outputs={"local": "/nowhere"})
    catalog = a_run(tmp_path / "catalog", uuid="c")
    (catalog / "words-0.replicas.db").write_text(f"…file://{tmp_path}/scratch-run0001/deep/file…")
    a_run(tmp_path / "unrelated", uuid="u")
    (one,) = found(run)
    assert sorted(one.warnings) == [
        f"{str(place)!r} refers to files in its scratch directory" for place in (catalog, reader)
    ]
    assert [one.warnings for one in found(run, reader, catalog)] == [(), (), ()], "they go too"


# -- which are chosen ------------------------------------------------------------------------


def one(
    name: str, state: str = "Success", workflow: str = "w", planned: float = 0.0, ended: float = 0.0
) -> ListedRun:
    return ListedRun(Path("/r", name), workflow, name, planned, state, ended=ended)


RUNS = [
    one("new", planned=90.0, ended=95.0),
    one("busy", "Running", planned=80.0),
    one("bad", "Failure", planned=70.0, ended=94.0),
    one("old", planned=60.0, ended=61.0),
    one("rain", workflow="rain", planned=50.0),
    one("lost", "Gone", planned=40.0),
    one("torn", "Unreadable"),
]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, "new bad old rain"),
        ({"states": ["failed"]}, "bad"),
        ({"states": ["success", "gone"]}, "new old rain lost"),
        ({"workflow": "r*"}, "rain"),
        ({"older_s": 6.0}, "bad old rain"),
        ({"older_s": 6.5}, "old rain"),
        ({"keep": 1}, "bad old"),
        ({"keep": 2}, "bad old"),
        ({"keep": 3}, "old"),
        ({"keep": 0}, "new bad old rain"),
        ({"keep": 1, "states": ["failed"]}, ""),
        ({"keep": 1, "states": ["success"], "older_s": 6.0}, "old"),
    ],
)
def test_runs_that_pass_all_filters_are_chosen(filters: dict[str, Any], names: str) -> None:
    assert [run.uuid for run in chosen(RUNS, Filters(**filters), 100.0)] == names.split()


def test_runs_that_are_named_are_chosen_in_any_state() -> None:
    assert chosen(RUNS[1:2], Filters(), 100.0, among=RUNS) == RUNS[1:2]
    assert chosen(RUNS[:1], Filters(keep=1), 100.0, among=RUNS) == []
    half = one("half", "Half deleted")
    assert chosen([half], Filters(states=["failed"], keep=9), 100.0) == [half]


@pytest.mark.parametrize(
    "name",
    [
        "plan.jsonl",
        "w-0.stampede.db-wal",
        ".w-0.stampede.db.lock",
        "0f",
        "w-0.dag.rescue001",
        "jobstate.log.000",
    ],
)
def test_names_of_markab_are_known(name: str) -> None:
    assert is_own_name(name) and not is_own_name(f"my {name}".replace(".", "")) and not is_own_name("0f0")
