"""One failure holds back only what depends on it: real runs of small workflows."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.engine.replay import replay
from markab.engine.run import Outcome, RunOptions, run
from markab.engine.scheduler import Scheduler
from markab.journal.attempt_story import read_attempts
from markab.journal.lifecycle import State
from markab.journal.reader import JournalReader
from markab.journal.records import decode
from markab.journal.run_reader import RunReader
from markab.journal.writer import Journal
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan

TOOL = """#!/bin/sh
# Writes its inputs and its name into its output, unless a file fail/NAME exists.
out=$1; shift
[ ! -e {top}/fail/$out ] || exit 1
cat "$@" > $out && echo $out >> $out && echo $out >> {top}/log
"""


class Stage:
    """A workflow that is planned and run in a directory, and whose tasks fail on request."""

    def __init__(self, top: Path, *tasks: Entry, inputs: str = "", **options: Any) -> None:
        self.top = top
        bench = Bench(top)
        bench.has(*inputs.split())
        (top / "bin/tool").write_text(TOOL.format(top=top))
        (top / "fail").mkdir()
        options.setdefault("properties", {"dagman.retry": "1"})
        planned = plan(bench.options(*tasks, output_dir=top / "out", cleanup="inplace", **options))
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir
        with closing(PlanFile(self.submit_dir / "plan.jsonl")) as file:
            place = file.header.sites["local"].scratch
            self.positions = {job.id: at for at, job in enumerate(file.jobs())}
        assert place is not None
        self.scratch = Path(place.path)

    def run(self, **more: Any) -> Outcome:
        """Run it, or continue it; then decide all of its journal again."""
        outcome = run(self.submit_dir, RunOptions(cores=2), **more)
        with closing(PlanFile(self.submit_dir / "plan.jsonl")) as file:
            entries = map(decode, JournalReader(self.submit_dir / "journal.jsonl").bodies())
            states = replay(file.header, file.outline, entries, Scheduler.validate).states("")
        succeeded = [name for name, at in self.positions.items() if states[at] == State.SUCCEEDED]
        assert succeeded == [name for name, state in self.states().items() if state == "SUCCEEDED"]
        return outcome

    def fail(self, *names: str) -> None:
        for name in names:
            (self.top / "fail" / name).touch()

    def mend(self) -> None:
        for path in (self.top / "fail").iterdir():
            path.unlink()

    def ran(self) -> list[str]:
        """Return the tasks that succeeded, each as often as it did."""
        log = self.top / "log"
        return sorted(log.read_text().split()) if log.exists() else []

    def delivered(self) -> list[str]:
        return sorted(os.listdir(self.top / "out")) if (self.top / "out").exists() else []

    def registered(self) -> list[str]:
        with closing(sqlite3.connect(next(self.submit_dir.glob("*.replicas.db")))) as catalog:
            return sorted(lfn for (lfn,) in catalog.execute("SELECT lfn FROM rc_lfn"))

    def states(self) -> dict[str, str]:
        reader = RunReader(self.submit_dir)
        reader.read()
        states = {name: State(reader.history.states[at]).name for name, at in self.positions.items()}
        reader.close()
        return states

    def attempts(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of all attempts of the first job whose id begins so."""
        at = next(at for name, at in self.positions.items() if name.startswith(kind))
        return [attempt.record or {} for attempt in read_attempts(self.submit_dir / "journal.jsonl", at)]


def makes(name: str, reads: str = "", **keys: Any) -> Entry:
    return task(name, reads, name, arguments=[" ".join([name, *reads.split()])], **keys)


def test_results_of_the_others_are_delivered_and_registered_when_one_job_fails(tmp_path: Path) -> None:
    names = [f"r{n}" for n in range(5)]
    stage = Stage(tmp_path, *map(makes, names))
    stage.fail("r2")

    assert stage.run().state == "failed"
    assert stage.delivered() == stage.registered() == ["r0", "r1", "r3", "r4"]
    states = stage.states()
    assert {states[name] for name in states if name.startswith(("stage_out", "register"))} == {"INCOMPLETE"}
    (record,) = stage.attempts("stage_out")
    assert record["error"] == {
        "kind": "incomplete",
        "message": "1 file not delivered, because tool_r2 failed: 'r2'",
    }
    assert (stage.scratch / "r0").exists(), "what delivers it is to run again"

    stage.mend()
    assert stage.run().state == "success"
    assert stage.delivered() == stage.registered() == names == stage.ran()
    assert not stage.scratch.exists()
    moved = {
        entry["lfn"]: entry.get("found", False) for entry in stage.attempts("stage_out")[-1]["transfers"]
    }
    assert moved == {name: name != "r2" for name in names}, "what was delivered is not moved again"


def test_a_delivered_file_that_was_changed_is_delivered_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, makes("a"), makes("b"))
    stage.fail("b")
    stage.run()
    (tmp_path / "out/a").write_text("x\n")  # the size is the same

    stage.mend()
    assert stage.run().state == "success"
    assert (tmp_path / "out/a").read_text() == "a\n"


def test_one_bad_source_stops_only_the_jobs_that_read_it(tmp_path: Path) -> None:
    tasks = [
        makes("good", "one two"),
        makes("bad", "one three"),
        makes("after", "good"),
        makes("last", "bad"),
    ]
    stage = Stage(tmp_path, *tasks, inputs="one two three")
    content = (tmp_path / "data/three").read_text()
    (tmp_path / "data/three").unlink()

    outcome = stage.run()

    assert outcome.state == "failed" and stage.ran() == stage.delivered() == ["after", "good"]
    (good,) = stage.attempts("tool_good")
    assert good["checked"]["count"] == 2, "the checksums of what arrived are known"
    states = stage.states()
    assert (states["tool_bad"], states["tool_last"]) == ("WAITING", "WAITING")
    assert [failure.id for failure in outcome.failed] == [
        name for name in states if name.startswith("stage_in")
    ], "what was held back is no failure"
    (tmp_path / "data/three").write_text(content)
    (tmp_path / "data/two").unlink()  # it has arrived, and is not moved again
    (stage.scratch / "one").write_text("CONTENT of one\n")  # the size is the same
    assert stage.run().state == "success"
    assert (tmp_path / "out/bad").read_text().startswith("content of one\ncontent of three\n")
    assert stage.delivered() == stage.ran() == ["after", "bad", "good", "last"]
    assert {e["lfn"]: e.get("found", False) for e in stage.attempts("stage_in")[-1]["transfers"]} == {
        "one": False,
        "two": True,
        "three": False,
    }
    assert not stage.scratch.exists()


def test_a_file_that_is_read_by_a_job_to_be_run_again_is_not_cleaned_up(tmp_path: Path) -> None:
    tasks = [makes("a"), makes("b", "a"), makes("c", "a"), makes("d"), makes("e", "d")]
    for entry in tasks:
        entry["uses"][-1]["stageOut"] = entry["id"] in "bce"
    stage = Stage(tmp_path, *tasks)
    stage.fail("c")

    stage.run()

    assert (stage.scratch / "a").exists() and not (stage.scratch / "d").exists()
    stage.mend()
    assert stage.run().state == "success" and stage.ran() == ["a", "b", "c", "d", "e"]


COUNT = """#!/bin/sh
# Counts in its checkpoint, and fails until it has counted to 3; with an argument it copies a file.
[ -z "$1" ] || exec cp other copy
n=$(($(cat state) + 1)); echo $n > state
[ $n -ge 3 ] || exit 1
echo done after $n > out
"""


def checkpoint_stage(top: Path, retries: int) -> Stage:
    """A job whose checkpoint is also a replica, and another that shares its stage-in."""
    count = task("count", makes="out")
    count["uses"].append({"lfn": "state", "type": "checkpoint", "stageOut": True, "registerReplica": False})
    copy = task("copy", "other", "copy", arguments=["copy"])
    stage = Stage(top, count, copy, inputs="state other", properties={"dagman.retry": str(retries)})
    (top / "bin/tool").write_text(COUNT)
    (top / "data/state").write_text("0\n")
    return stage


def test_a_retry_starts_from_the_newest_checkpoint_also_if_the_first_is_a_replica(tmp_path: Path) -> None:
    stage = checkpoint_stage(tmp_path, retries=2)

    assert stage.run().state == "success"
    assert (tmp_path / "out/out").read_text() == "done after 3\n"
    assert (tmp_path / "out/state").read_text() == "3\n"


def test_a_checkpoint_survives_a_stage_in_that_has_to_run_again(tmp_path: Path) -> None:
    """The stage-in fails for another file, so each call of the engine runs it again."""
    stage = checkpoint_stage(tmp_path, retries=0)
    (tmp_path / "data/other").unlink()
    for call in (1, 2):
        assert stage.run().state == "failed"
        assert (stage.scratch / "state").read_text() == f"{call}\n"
    (tmp_path / "data/other").write_text("x\n")

    assert stage.run().state == "success"
    assert (tmp_path / "out/out").read_text() == "done after 3\n"
    assert (tmp_path / "out/state").read_text() == "3\n"


class Killed(BaseException):
    """The engine was killed."""


class KilledAt:
    """A journal whose engine is killed before its n-th record."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def open(self, *arguments: Any) -> Journal:
        journal = Journal.open(*arguments)
        append = journal.append

        def counted(entry: Any) -> None:
            self.count += 1
            if self.count == self.at:
                raise Killed
            append(entry)

        journal.append = counted  # type: ignore[method-assign]
        return journal


@pytest.mark.integration
def test_a_run_with_partial_jobs_survives_being_killed_at_any_record(tmp_path: Path) -> None:
    """Each time: one bad source and one failing job; killed; continued; mended; continued to the end."""
    at = struck = 0
    while struck == at:
        at += 1
        (top := tmp_path / str(at)).mkdir()
        tasks = [makes("a", "one"), makes("b", "two"), makes("c", "one"), makes("d", "a"), makes("e", "b")]
        stage = Stage(top, *tasks, inputs="one two", properties={"dagman.retry": "0"})
        stage.fail("c")
        content = (top / "data/two").read_text()
        (top / "data/two").unlink()
        killer = KilledAt(at)
        try:
            stage.run(open_journal=killer.open)
        except Killed:
            struck = at

        assert stage.run().state == "failed"
        assert stage.delivered() == stage.registered() == ["a", "d"]
        stage.mend()
        (top / "data/two").write_text(content)
        assert stage.run().state == "success"
        assert stage.delivered() == stage.registered() == ["a", "b", "c", "d", "e"]
        assert (top / "out/e").read_text() == "content of two\nb\ne\n" and not stage.scratch.exists()
    assert at > 15
