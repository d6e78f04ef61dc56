"""Files that were edited after a run had taken them are taken anew, and exactly what depends on them runs again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.edited_workflow import Edited, failed, text
from kit.planned_workflow import task
from markab.engine.run import RunOptions, run
from markab.errors import ChecksumMismatch, NotARun, RunBusy, StorageError
from markab.journal.attempt_story import read_attempts
from markab.journal.lock import RunLock
from markab.journal.records import AttemptEnd, Refresh
from markab.journal.search import records_of
from markab.journal.writer import Journal
from markab.plan.plan_file import PlanFile

DATA = ("condorio", "nonsharedfs", "sharedfs")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("cleanup", ["inplace", "leaf", "none"])
def test_an_edited_script_runs_again_what_uses_it_and_what_depends_on_that(
    tmp_path: Path, data: str, cleanup: str
) -> None:
    made = failed(tmp_path, data=data, cleanup=cleanup)
    made.write("first", "2")

    outcome = made.run(refresh=True)

    assert outcome.state == "success"
    assert made.ran() == ["end", "one", "two"]
    assert made.result == text(one="2")
    script = tmp_path / "bin" / "first"
    assert f"'{script}' was edited: first_one, second_two" in outcome.warnings[0]
    (record,) = made.refreshes
    (file,) = record.files
    assert (file.lfn, file.path) == ("first", str(script))
    assert file.new == sha256(script.read_bytes()).hexdigest() != file.old
    (first, second) = read_attempts(made.submit_dir / "journal.jsonl", _position(made, "first_one"))
    assert f"'{script}', which was edited (its sha256 was {file.old} and is {file.new})" in first.after
    assert (first.number, second.number) == (1, 2)


@pytest.mark.parametrize("data", DATA)
def test_an_edited_input_that_was_staged_with_others_is_staged_alone(tmp_path: Path, data: str) -> None:
    made = failed(tmp_path, data=data, cleanup="leaf")
    (tmp_path / "data" / "a").write_text("new\n")

    assert made.run(refresh=True).state == "success"
    assert made.ran() == ["end", "one", "two"]
    assert made.result == text(a="new")
    ends = [
        it for it in records_of(made.submit_dir / "journal.jsonl", AttemptEnd) if it.record.get("transfers")
    ]
    moved = [[one["lfn"] for one in it.record["transfers"] if not one.get("found")] for it in ends]
    assert ["a"] in moved


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs"])
def test_what_jobs_fetch_themselves_is_fetched_anew(tmp_path: Path, data: str) -> None:
    made = Edited(tmp_path, data=data).plan(**{"pegasus.transfer.bypass.input.staging": "true"})
    assert made.run().state == "failed" and made.ran()
    made.go.touch()
    made.write("first", "2")
    (tmp_path / "data" / "a").write_text("new\n")

    assert made.run(refresh=True).state == "success"
    assert made.ran() == ["end", "one", "two"]
    assert made.result == text(one="2", a="new")


def test_a_linked_input_is_taken_anew(tmp_path: Path) -> None:
    made = Edited(tmp_path).plan(**{"pegasus.transfer.links": "true"})
    assert made.run().state == "failed" and made.ran()
    made.go.touch()
    (tmp_path / "data" / "a").write_text("new\n")

    assert made.run(refresh=True).state == "success"
    assert made.ran() == ["end", "one", "two"]
    assert made.result == text(a="new")


def test_a_run_that_has_succeeded_delivers_and_registers_its_results_again(tmp_path: Path) -> None:
    made = failed(tmp_path)
    assert made.run().state == "success" and made.ran() == ["end"]
    made.write("second", "2")

    outcome = made.run(refresh=True)

    assert (outcome.state, outcome.was_complete) == ("success", False)
    assert made.ran() == ["end", "one", "side", "two"], "cleanup had removed what `one` made"
    assert made.result == text(rest="2")
    assert {"stage_out_local_local_0_0", "register_local_0_0"} & made.undone() or made.undone()
    assert made.run(refresh=True).was_complete


def test_a_result_that_was_delivered_together_with_others_is_not_made_again_for_that(tmp_path: Path) -> None:
    """One job delivers `one` and `side`, and cleanup removed `side`, which nothing else reads."""
    made = Edited(tmp_path)
    made.tasks = made.tasks[:2]
    assert made.plan().run().state == "success" and made.ran() == ["one", "side"]
    made.write("first", "2")

    assert made.run(refresh=True).state == "success" and made.ran() == ["one"]
    assert (tmp_path / "out" / "one").read_text() == "one by 2\ncontent of a\n"
    assert (tmp_path / "out" / "side").read_text() == "side by 1\ncontent of b\n"


def test_touching_without_changing_refreshes_nothing(tmp_path: Path) -> None:
    made = failed(tmp_path)
    for name in ("bin/first", "bin/second", "data/a"):
        os.utime(tmp_path / name)

    outcome = made.run(refresh=True)

    assert outcome.state == "success" and made.ran() == ["end"]
    assert "no file that this run has taken" in outcome.warnings[0]
    assert made.refreshes == []


def test_without_refresh_the_run_goes_on_with_what_it_took(tmp_path: Path) -> None:
    made = failed(tmp_path)
    made.write("second", "2")

    assert made.run().state == "success" and made.ran() == ["end"]
    assert made.result == text()


def test_a_file_that_the_replica_catalog_has_a_checksum_of_is_not_accepted(tmp_path: Path) -> None:
    made = Edited(tmp_path)
    content = (tmp_path / "data" / "a").read_bytes()
    made.bench.replicas[0]["checksum"] = {"sha256": sha256(content).hexdigest()}
    made.plan().run()
    made.ran()
    (tmp_path / "data" / "a").write_text("new\n")

    with pytest.raises(ChecksumMismatch, match="the replica catalog has the sha256 .* of 'a'") as error:
        made.run(refresh=True)
    assert "correct its checksum in the replica catalog, and plan again" in error.value.hint
    assert made.refreshes == [] and made.ran() == []


def test_a_file_that_is_gone_is_named_and_the_run_goes_on_with_its_copy(tmp_path: Path) -> None:
    made = failed(tmp_path)
    made.write("first", "2")
    (tmp_path / "data" / "b").unlink()

    outcome = made.run(refresh=True)

    assert outcome.state == "success" and made.ran() == ["end", "one", "two"]
    assert f"'{tmp_path}/data/b' is gone" in outcome.warnings[0]
    assert made.result == text(one="2")


def test_what_is_no_file_or_cannot_be_read_is_refused_and_all_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = failed(tmp_path)
    (tmp_path / "data" / "a").unlink()
    (tmp_path / "data" / "a").mkdir()
    (tmp_path / "data" / "b").write_text("unreadable")
    opened = os.open

    def refuse(path: str, *words: int, **keys: int) -> int:
        if str(path).endswith("data/b"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *words, **keys)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(
        StorageError, match=r"a' is no regular file any more; .*b' cannot be read: Permission"
    ):
        made.run(refresh=True)
    assert made.refreshes == []


def test_a_file_that_is_edited_once_more_before_it_is_staged_is_noticed(tmp_path: Path) -> None:
    made = failed(tmp_path)
    (tmp_path / "data" / "a").write_text("new\n")

    def edit(is_complete: bool) -> None:
        assert not is_complete
        (tmp_path / "data" / "a").write_text("newer\n")

    assert made.run(refresh=True, on_accepted=edit).state == "failed"
    assert "one" not in made.ran()
    assert made.run(refresh=True).state == "success"
    assert made.ran() == ["end", "one", "two"]
    assert made.result == text(a="newer")


def test_a_run_that_is_under_way_is_not_refreshed(tmp_path: Path) -> None:
    made = failed(tmp_path)
    made.write("first", "2")
    with RunLock(made.submit_dir / "lock"), pytest.raises(RunBusy):
        made.run(refresh=True)
    assert made.refreshes == []


def test_a_copy_is_not_refreshed(tmp_path: Path) -> None:
    made = failed(tmp_path)
    made.write("first", "2")
    copy = shutil.copytree(made.submit_dir, tmp_path / "copy")
    with pytest.raises(NotARun, match="is a copy of"):
        run(copy, RunOptions(refresh=True))
    assert not list(records_of(copy / "journal.jsonl", Refresh))


class Killed(BaseException):
    """The engine is killed."""


class Dying:
    """The calls of a journal to the system; the engine is killed at a call, also in the middle of a write."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.left == 0:
            os.write(descriptor, data[: len(data) // 2])
        self._count()
        return os.write(descriptor, data)

    def ftruncate(self, descriptor: int, length: int) -> None:
        self._count()
        os.ftruncate(descriptor, length)

    def fdatasync(self, descriptor: int) -> None:
        self._count()


def test_a_kill_at_any_moment_leaves_either_all_of_a_refresh_or_none(tmp_path: Path) -> None:
    number = 0
    while True:
        directory = tmp_path / str(number)
        directory.mkdir()
        made = failed(directory, cleanup="leaf")
        made.write("first", "2")
        storage = Dying(number)
        try:
            made.run(
                refresh=True,
                open_journal=lambda path, each: Journal.open(path, each, storage=storage),  # noqa: B023
            )
        except Killed:
            pass
        killed = storage.left < 0
        is_recorded = bool(made.refreshes)
        before = made.ran()
        outcome = made.run()  # an ordinary continuation
        assert outcome.state == "success"
        assert made.result == text(one="2" if is_recorded else "1"), number
        if is_recorded:
            assert {"one", "two"} <= {*before, *made.ran()}
            assert {"first_one", "second_two"} <= made.undone()
        if not killed:
            break
        number += 1
    assert number > 10


def _position(made: Edited, id: str) -> int:
    return PlanFile(made.submit_dir / "plan.jsonl").positions[id]


def test_the_record_says_all_that_is_needed_to_check_it(tmp_path: Path) -> None:
    made = failed(tmp_path)
    made.write("first", "2")
    made.run(refresh=True)
    lines = (made.submit_dir / "journal.jsonl").read_bytes().splitlines()
    (record,) = [json.loads(line[9:]) for line in lines if b'"refresh"' in line]
    assert set(record) == {"event", "time", "files", "jobs", "unfinished"}
    assert set(record["files"][0]) == {"lfn", "path", "new", "old"}


def test_a_cluster_that_failed_in_part_runs_again_as_a_whole(tmp_path: Path) -> None:
    """`side` succeeded before `end` failed in the same job: it counts as done, until its script is edited."""
    made = Edited(tmp_path)
    made.tasks = [
        task("side", "b", "side", "second", arguments=["side", "side", "b"]),
        task("end", "a", "end", "second", arguments=["end", "end", "a"]),
    ]
    made.options = {"cluster": ["horizontal"]}
    made.plan(**{"pegasus.clusters.num": "1"})
    assert made.run().state == "failed" and made.ran() == ["end", "side"]
    assert made.run().state == "failed" and made.ran() == ["end"]
    made.go.touch()
    made.write("second", "2")

    assert made.run(refresh=True).state == "success" and made.ran() == ["end", "side"]
    assert (tmp_path / "out" / "side").read_text() == "side by 2\ncontent of b\n"


def test_a_checkpoint_that_the_old_content_left_is_not_used(tmp_path: Path) -> None:
    """`end` goes on from what its attempts left in `state`, unless its script is edited."""
    made = Edited(tmp_path)
    made.tasks = [task("end", "a", "end", "second", arguments=["end", "end", "a"])]
    made.tasks[0]["uses"].append({"lfn": "state", "type": "checkpoint"})
    script = tmp_path / "bin" / "second"
    text = f"#!/bin/sh\n[ ! -e state ] || cat state >> {made.log}\necho VERSION >> state\ncp state end\n[ -e {made.go} ]\n"
    script.write_text(text.replace("VERSION", "1"))
    made.plan()
    assert made.run().state == "failed" and made.ran() == []
    assert made.run().state == "failed" and made.ran() == ["1"]
    made.go.touch()
    script.write_text(text.replace("VERSION", "2"))

    assert made.run(refresh=True).state == "success" and made.ran() == []
    assert made.result == "2\n"


@st.composite
def edited_workflows(draw: st.DrawFn) -> tuple[list[list[str]], str, str]:
    """Return what each task reads (it makes `f` with its number), the cleanup, and the file that is edited."""
    tasks: list[list[str]] = []
    for number in range(draw(st.integers(1, 6))):
        known = ["a", "b", *(f"f{before}" for before in range(number))]
        tasks.append(draw(st.lists(st.sampled_from(known), unique=True, max_size=3)))
    edited = draw(st.sampled_from(["a", "b", *(f"s{number}" for number in range(len(tasks)))]))
    return tasks, draw(st.sampled_from(["none", "none", "inplace", "leaf"])), edited


@pytest.mark.integration
@settings(max_examples=12, deadline=None)
@given(chosen=edited_workflows(), data=st.sampled_from(DATA))
def test_after_any_edit_the_results_are_those_of_a_run_from_nothing(
    chosen: tuple[list[list[str]], str, str], data: str
) -> None:
    tasks, cleanup, edited = chosen
    with tempfile.TemporaryDirectory() as name:
        made = _numbered(Path(name), tasks, cleanup, data)
        assert made.plan().run().state == "success"
        everything = made.ran()
        affected = {edited}
        for number, reads in enumerate(tasks):
            if not affected.isdisjoint({*reads, f"s{number}"}):
                affected.add(f"f{number}")
        if edited in ("a", "b"):
            (made.path / "data" / edited).write_text("new\n")
        else:
            made.write(edited, "2")
        assert made.run(refresh=True).state == "success"
        ran = made.ran()
        assert set(ran) >= affected - {edited} and len(ran) == len(set(ran)) <= len(everything)
        if cleanup == "none":
            assert set(ran) == affected - {edited}
        mended = _results(made.path / "out")
        shutil.rmtree(made.path / "out")
        assert made.plan().run().state == "success" and made.ran() == everything
        assert mended == _results(made.path / "out")


def _numbered(directory: Path, tasks: list[list[str]], cleanup: str, data: str) -> Edited:
    """Return a workflow in which task `f3` is made by the script `s3`."""
    made = Edited(directory, cleanup=cleanup, data=data)
    made.tasks = []
    for number, reads in enumerate(tasks):
        made.write(f"s{number}", "1")
        pfn = str(directory / "bin" / f"s{number}")
        site = {"name": "local", "type": "stageable", "pfn": pfn}
        made.bench.transformations.append({"name": f"s{number}", "sites": [site]})
        out = f"f{number}"
        arguments = [out, out, *reads, "/dev/null"]
        made.tasks.append(task(out, " ".join(reads), out, f"s{number}", arguments=arguments))
    return made


def _results(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}
