"""Files that are missing in scratch when a run is continued are made again, and no others."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest

from engine.engine_fakes import OK, REMOTE, FakeTime, World, job, make_run
from kit.planned_workflow import Bench, task
from markab.engine.lost_results import is_there, lost_results
from markab.engine.recovery import Recovery
from markab.engine.run import Outcome, RunOptions, run
from markab.journal.records import AttemptEnd, AttemptStart, Undone
from markab.journal.search import records_of
from markab.journal.writer import encode
from markab.plan.model import DirectoryPlace, Input, Kind, Output, PlannedJob, PlanSite
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan


class Chain:
    """raw → one → two → three → end, of which the last fails until the file `go` exists."""

    def __init__(self, directory: Path, cleanup: str = "inplace") -> None:
        bench = Bench(directory)
        bench.has("raw")
        self.log = directory / "log"
        self.go = directory / "go"
        script = directory / "bin" / "tool"
        script.write_text(
            f'#!/bin/sh\necho "$3" >> {self.log}\n[ "$3" != end ] || [ -e {self.go} ] || exit 1\n{{ cat "$1"; echo "$3"; }} > "$2"\n'
        )
        steps = ["raw", "one", "two", "three", "end"]
        tasks = [
            task(made, read, made, arguments=[read, made, made]) for read, made in itertools.pairwise(steps)
        ]
        planned = plan(
            bench.options(
                *tasks, output_dir=directory / "out", cleanup=cleanup, properties={"dagman.retry": "0"}
            )
        )
        assert planned.submit_dir is not None
        self.submit_dir = planned.submit_dir
        file = PlanFile(self.submit_dir / "plan.jsonl")
        scratch = file.header.sites["local"].scratch
        assert scratch is not None
        self.scratch = Path(scratch.path)
        self.result = directory / "out" / "end"

    def run(self) -> Outcome:
        return run(self.submit_dir, RunOptions(cores=2))

    def ran(self) -> list[str]:
        """Return which tasks ran since the last call."""
        lines = self.log.read_text().split()
        self.log.write_text("")
        return lines


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    made = Chain(tmp_path)
    assert "failed" == made.run().state
    assert ["one", "two", "three", "end"] == made.ran()
    made.go.touch()
    return made


RIGHT = "content of raw\none\ntwo\nthree\nend\n"


def test_nothing_runs_again_if_no_file_is_missing(chain: Chain) -> None:
    assert "success" == chain.run().state

    assert ["end"] == chain.ran()
    assert RIGHT == chain.result.read_text()


def test_a_missing_file_is_made_again_with_all_that_it_is_made_of(chain: Chain) -> None:
    """Cleanup has removed what `three` was made of, long ago."""
    (chain.scratch / "three").unlink()

    outcome = chain.run()

    assert "success" == outcome.state
    assert ["one", "two", "three", "end"] == chain.ran()
    assert RIGHT == chain.result.read_text()
    (warning,) = outcome.warnings
    assert re.fullmatch(
        r"tool_one, tool_two, tool_three and \d+ more jobs run again; "
        r"tool_one, because '.*/one', which it made, is gone or has another size",
        warning,
    )


def test_a_file_that_a_power_loss_cut_short_is_made_again(chain: Chain) -> None:
    (chain.scratch / "three").write_bytes(b"")

    assert "success" == chain.run().state
    assert RIGHT == chain.result.read_text()


def test_a_missing_scratch_directory_is_made_again(chain: Chain) -> None:
    shutil.rmtree(chain.scratch)

    assert "success" == chain.run().state
    assert RIGHT == chain.result.read_text()
    assert not chain.scratch.exists(), "and removed at the end, as planned"


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    chain = Chain(tmp_path, cleanup="leaf")
    chain.run()
    chain.ran()
    chain.go.touch()
    (chain.scratch / "three").unlink()

    assert "success" == chain.run().state

    assert ["three", "end"] == chain.ran()


def test_a_file_that_no_unfinished_job_reads_is_not_missed(chain: Chain) -> None:
    (chain.scratch / "two").unlink(missing_ok=True)

    assert "success" == chain.run().state
    assert ["end"] == chain.ran()


def test_a_reader_of_the_journal_sees_the_job_waiting_again(chain: Chain) -> None:
    (chain.scratch / "three").unlink()
    chain.run()

    plan_file = PlanFile(chain.submit_dir / "plan.jsonl")
    undone = [it.job for it in records_of(chain.submit_dir / "journal.jsonl", Undone)]
    assert {"tool_one", "tool_two", "tool_three"} <= {plan_file.job(job).id for job in undone}


def test_a_site_is_checked_where_the_submit_host_reaches_its_scratch(tmp_path: Path) -> None:
    far = PlanSite(scratch=DirectoryPlace("far", "/node/run", "far://bob@h/run", is_local=False))
    jobs = [
        PlannedJob("make dir", Kind.CREATE_DIR, "local", staging="far"),
        PlannedJob("first", Kind.COMPUTE, "far", parents=[0], outputs=[Output("a 1")]),
        PlannedJob("second", Kind.COMPUTE, "far", parents=[1], inputs=[Input("a 1")]),
    ]
    make_run(tmp_path, jobs, {"far": far})
    plan_file = PlanFile(tmp_path / "plan.jsonl")
    history = Recovery(plan_file.header)
    for position, outputs in enumerate(([], [{"lfn": "a 1", "size": 7}])):
        history.read(encode(AttemptStart(5.0, position, jobs[position].id, 1, "far"))[9:-1])
        history.read(encode(AttemptEnd(6.0, position, 1, {"ok": True, "outputs": outputs}))[9:-1])
    asked = []

    def look(site: str, place: str, size_bytes: int | None) -> bool:
        asked.append((site, place, size_bytes))
        return size_bytes != 7

    assert list(lost_results(plan_file, history, {"far://bob@h": "pw"}, look)) == [1]
    assert asked == [("far", "far://bob:pw@h/run/.markab", None), ("far", "far://bob:pw@h/run/a%201", 7)]


def test_a_scratch_directory_is_not_made_again_only_to_be_removed(chain: Chain) -> None:
    chain.run()
    journal = chain.submit_dir / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    while b'"id":"cleanup_w_0_local"' not in lines.pop():
        pass  # the run is killed after it has removed the directory, and before that is recorded
    journal.write_bytes(b"".join(lines))
    assert not chain.scratch.exists()

    assert "success" == chain.run().state
    assert [] == list(records_of(journal, Undone))
    assert not chain.scratch.exists()


def test_a_file_counts_as_there_where_that_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    assert is_there("s", str(tmp_path / "a"), 1) and is_there("s", f"file://{tmp_path}/a", None)
    assert not is_there("s", str(tmp_path / "a"), 2) and not is_there("s", f"file://{tmp_path}/b", None)
    assert is_there("s", "http://h/a", 2) and is_there("s", "gopher://h/a", 2)


def test_what_a_job_elsewhere_reads_from_is_not_made_again_while_that_job_may_run(tmp_path: Path) -> None:
    time, world = FakeTime(), World(survives=True)
    directory = make_run(
        tmp_path / "run",
        [
            job("make", outputs=[Output("f")]),
            job("reads", 0, inputs=[Input("f")]),
            job("also", 0, inputs=[Input("f")]),
        ],
        executor=REMOTE,
    )
    made = {"ok": True, "outputs": [{"lfn": "f", "size": 1}]}
    world.verdict = lambda attempt: made if attempt.id.job == 0 else OK

    def kill_engine() -> None:
        if len(world.started) == 2:
            raise MemoryError

    def call() -> Outcome:
        return run(
            directory,
            RunOptions(cores=1, max_jobs=1),
            back_ends=world.back_ends(time),
            clock=time.clock,
            look=lambda site, place, size_bytes: not place.endswith("/f"),
        )

    world.on_wait = kill_engine
    with pytest.raises(MemoryError):
        call()
    assert len(world.alive) == 1
    world.on_wait = lambda: None

    assert call().state == "success"
    assert [id.job for id in world.started] == [0, 1, 2], "nothing ran twice"
