"""Runs that are jobs of other runs: planned when their job starts, and run by the same loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.engine_fakes import OK, FakeTime, World, failure, job
from kit import made_run
from markab.engine import nested_runs
from markab.engine.child_planner import PlanAnswer, PlanRequest
from markab.engine.control import request_halt, request_remove
from markab.engine.run import Outcome, RunOptions, run
from markab.errors import NotARun
from markab.executors.base import Attempt, Record
from markab.journal.lock import RunLock
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, RunEnd, decode
from markab.plan.model import (
    LOCAL,
    SUB_WORKFLOWS,
    ChildPlan,
    Input,
    Kind,
    Output,
    PlannedJob,
    PlanSite,
    local_directory,
)

DOCUMENT = "inner.yml"
Plans = Mapping[str, Sequence[PlannedJob]]


class Crash(BaseException):
    """The engine was killed."""


def sub(id: str, *parents: int, force_replan: bool = False, run: str = "", **more: Any) -> PlannedJob:
    child = ChildPlan(document="" if run else DOCUMENT, run=run, force_replan=force_replan)
    return PlannedJob(
        id=id,
        kind=Kind.SUBWORKFLOW,
        site=SUB_WORKFLOWS,
        staging="local",
        parents=sorted(parents),
        child=child,
        inputs=[Input(DOCUMENT)],
        **more,
    )


def write_run(directory: Path, jobs: Sequence[PlannedJob], uuid: str) -> Path:
    sites = {
        "local": PlanSite(LOCAL, local_directory("local", f"{directory}/scratch")),
        SUB_WORKFLOWS: PlanSite(SUB_WORKFLOWS),
    }
    return made_run.make_run(
        directory, jobs, workflow="wf", uuid=uuid, sites=sites, run_directory="u/pegasus/wf/run0001"
    )


class FakePlanner:
    """Plans at once; what a workflow consists of is known by the name of its job."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.made: list[PlanAnswer] = []

    def request(self, request: PlanRequest) -> None:
        name = Path(request.directory).name
        self.tree.around("planner")
        id = name.partition("+")[0]
        if id in self.tree.unplannable:
            self.made.append(PlanAnswer(request.attempt, "planning", "no such transformation", "add it"))
            return
        write_run(Path(request.submit_dir, request.directory), self.tree.plans[id], name)
        self.tree.planned.append(name)
        self.tree.around("planner")
        self.made.append(PlanAnswer(request.attempt))

    def answers(self) -> Sequence[PlanAnswer]:
        if self.tree.hold_answers:
            return []
        made, self.made = self.made, []
        return made

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.made = []


class Tree:
    """A root run, the plans of its sub-workflows, and the world in which all of their jobs run."""

    def __init__(
        self,
        top: Path,
        root: Sequence[PlannedJob],
        plans: Plans,
        verdict: Callable[[Attempt], Record] = lambda attempt: OK,
        **world: Any,
    ) -> None:
        self.root = write_run(top / "root", root, "root")
        (top / "root" / "scratch").mkdir()
        self.plans = plans
        self.planned: list[str] = []
        self.unplannable: set[str] = set()
        self.hold_answers = False
        self.world, self.time = World(verdict, ends_at_once=1, **world), FakeTime()
        self.world.elsewhere = {
            (run, position)
            for run, jobs in {**plans, "root": root}.items()
            for position, one in enumerate(jobs)
            if one.kind is Kind.SUBWORKFLOW
        }
        self.calls = 0
        self.crash_at = 0
        self.world.on_wait = lambda: self.around("wait")

    def around(self, what: str) -> None:
        self.calls += 1
        if self.calls == self.crash_at:
            raise Crash

    def call(self, **options: Any) -> Outcome:
        options = {"cores": 2, "memory_mb": 100, "gpus": 0, "poll_s": 0.0, **options}
        return run(
            self.root,
            RunOptions(**options),
            back_ends=self.world.back_ends(self.time),
            clock=self.time.clock,
            look=lambda *place: True,
            make_planner=lambda: FakePlanner(self),
        )

    def child(self, *path: str) -> Path:
        directory = self.root
        for name in path:
            directory = directory / "00" / "00" / name
        return directory

    def records(self, *path: str) -> list[Any]:
        return [decode(body) for body in JournalReader(self.child(*path) / "journal.jsonl").bodies()]

    def ends(self, *path: str) -> list[tuple[int, bool]]:
        return [(e.job, e.record["ok"]) for e in self.records(*path) if isinstance(e, AttemptEnd)]


def test_the_end_of_a_sub_workflow_is_the_end_of_its_job(tmp_path: Path) -> None:
    tree = Tree(tmp_path, [job("a"), sub("s", 0), job("z", 1)], {"s": [job("x"), job("y", 0)]})

    assert tree.call().state == "success"

    assert [(id.run, id.job) for id in tree.world.started] == [("root", 0), ("s", 0), ("s", 1), ("root", 2)]
    assert tree.planned == ["s"]
    assert tree.ends("s") == [(0, True), (1, True)]
    assert [e.outcome for e in tree.records("s") if isinstance(e, RunEnd)] == ["success"]
    with RunLock(tree.child("s") / "lock"):
        pass  # it was let go


def test_what_it_makes_counts_among_the_outputs_of_its_job(tmp_path: Path) -> None:
    made = {"lfn": "out.txt", "size": 3, "sha256": "cd" * 32}

    def verdict(attempt: Attempt) -> Record:
        if attempt.id.run == "s":
            (tmp_path / "root" / "scratch" / "out.txt").write_text("abc")
            return {**OK, "outputs": [made]}
        return OK

    reader = job("z", 0, inputs=[Input("out.txt")])
    tree = Tree(tmp_path, [sub("s", outputs=[Output("out.txt")]), reader], {"s": [job("x")]}, verdict)

    assert tree.call().state == "success"

    (end,) = [e for e in tree.records() if isinstance(e, AttemptEnd) and e.job == 0]
    assert end.record["outputs"] == [made]
    (last,) = [id for id in tree.world.started if id.run == "root"]
    assert tree.world.checksums[last] == {"out.txt": "cd" * 32}


def test_an_output_that_it_did_not_make_fails_its_job(tmp_path: Path) -> None:
    tree = Tree(tmp_path, [sub("s", outputs=[Output("out.txt")])], {"s": [job("x")]})

    outcome = tree.call()

    assert outcome.state == "failed"
    assert outcome.failed[0].error["message"] == "the sub-workflow did not make 'out.txt'"


def test_sub_workflows_of_any_depth_run_with_one_core_and_one_job_at_once(tmp_path: Path) -> None:
    plans: dict[str, list[PlannedJob]] = {
        f"s{depth}": [sub(f"s{depth + 1}"), job(f"x{depth}")] for depth in range(12)
    }
    plans["s12"] = [job("last", category="stage-in", kind=Kind.STAGE_IN)]
    tree = Tree(tmp_path, [sub("s0")], plans)

    assert tree.call(cores=1, max_jobs=1).state == "success"

    assert tree.world.most_alive == 1
    assert len(tree.world.done) == 13


def test_slots_are_shared_by_the_whole_tree(tmp_path: Path) -> None:
    plans = {f"s{n}": [job(f"j{i}") for i in range(5)] for n in range(6)}
    tree = Tree(tmp_path, [*(sub(f"s{n}") for n in range(6)), job("own")], plans)

    assert tree.call(cores=3).state == "success"

    assert tree.world.most_alive == 3 and len(tree.world.done) == 31


def test_beyond_a_number_of_open_sub_workflows_each_run_has_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nested_runs, "OPEN_AT_ONCE", 2)
    plans: dict[str, list[PlannedJob]] = {f"s{n}": [sub(f"t{n}"), sub(f"u{n}", 0)] for n in range(5)}
    plans |= {f"{letter}{n}": [job("x")] for n in range(5) for letter in "tu"}
    tree = Tree(tmp_path, [sub(f"s{n}") for n in range(5)], plans)

    assert tree.call().state == "success"

    assert sorted(tree.planned) == sorted(plans)
    assert tree.planned[:3] == ["s0", "s1", "t0"], "the others are not even planned before one of these ends"


def test_a_retry_goes_on_with_the_run_that_is_there(tmp_path: Path) -> None:
    def verdict(attempt: Attempt) -> Record:
        return failure() if attempt.job.id == "y" and attempt.id.number == 1 else OK

    tree = Tree(tmp_path, [sub("s", retries=1)], {"s": [job("x"), job("y", 0)]}, verdict)

    assert tree.call().state == "success"

    assert tree.planned == ["s"]
    assert tree.ends("s") == [(0, True), (1, False), (1, True)], "the first job runs once"
    failed, succeeded = [e.record for e in tree.records() if isinstance(e, AttemptEnd)]
    assert failed["error"]["kind"] == "sub-workflow"
    assert failed["error"]["message"] == "a job of the sub-workflow failed: job 'y': exit code 1"
    assert succeeded["ok"]


def test_with_force_replan_a_retry_after_a_failure_has_a_plan_of_its_own(tmp_path: Path) -> None:
    def verdict(attempt: Attempt) -> Record:
        return failure() if attempt.id.run == "s" and attempt.job.id == "y" else OK

    tree = Tree(tmp_path, [sub("s", retries=1, force_replan=True)], {"s": [job("x"), job("y", 0)]}, verdict)

    assert tree.call().state == "success"

    assert tree.planned == ["s", "s+2"]
    assert tree.ends("s+2") == [(0, True), (1, True)]


def test_one_that_cannot_be_planned_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    tree = Tree(tmp_path, [sub("s", retries=5), job("own")], {})
    tree.unplannable = {"s"}

    outcome = tree.call()

    assert outcome.state == "failed" and outcome.counts == {"failed": 1, "succeeded": 1}
    assert outcome.failed[0].error == {
        "kind": "planning",
        "message": "no such transformation",
        "hint": "add it",
    }
    tree.unplannable, tree.plans = set(), {"s": [job("x")]}
    assert tree.call().state == "success", "the next call plans it again"


def test_one_with_a_plan_of_its_own_is_run_where_it_is(tmp_path: Path) -> None:
    ready = write_run(tmp_path / "ready", [job("x")], "ready")
    tree = Tree(tmp_path, [sub("s", run=str(ready)), job("z", 0)], {})

    assert tree.call().state == "success"

    assert [id.run for id in tree.world.started] == ["ready", "root"] and not tree.planned


def test_one_that_another_engine_runs_fails_with_that_reason(tmp_path: Path) -> None:
    ready = write_run(tmp_path / "ready", [job("x")], "ready")
    tree = Tree(tmp_path, [sub("s", run=str(ready))], {})

    with RunLock(ready / "lock"):
        outcome = tree.call()

    assert outcome.state == "failed" and "ready" in outcome.failed[0].error["message"]


@pytest.mark.parametrize(("stop", "state"), [(request_halt, "halted"), (request_remove, "removed")])
def test_what_stops_the_root_stops_the_whole_tree_and_the_next_call_goes_on(
    tmp_path: Path, stop: Callable[[Path], bool], state: str
) -> None:
    plans: Plans = {"s": [sub("t"), job("y", 0)], "t": [job("x"), job("z", 0)]}
    tree = Tree(tmp_path, [sub("s"), job("own", 0)], plans)
    tree.world.on_submit = lambda attempts: None if tree.world.started else _check(stop(tree.root))

    assert tree.call().state == state

    assert [e.outcome for e in tree.records("s", "t") if isinstance(e, RunEnd)] == [state]
    assert [e.outcome for e in tree.records("s") if isinstance(e, RunEnd)] == [state]
    tree.world.on_submit = lambda attempts: None
    assert tree.call().state == "success"
    assert tree.planned == ["s", "t"]
    assert sorted(tree.world.done) == [("root", 1), ("s", 1), ("t", 0), ("t", 1)]
    assert len(tree.world.started) == 4


def _check(is_running: bool) -> None:
    assert is_running


def test_a_root_that_is_halted_during_a_planning_does_not_wait_for_it(tmp_path: Path) -> None:
    tree = Tree(tmp_path, [sub("s"), job("own")], {"s": [job("x")]})
    tree.hold_answers = True
    tree.world.on_submit = lambda attempts: _check(request_halt(tree.root))

    outcome = tree.call()

    assert outcome.state == "halted" and outcome.counts == {"ready": 1, "succeeded": 1}
    tree.hold_answers, tree.world.on_submit = False, lambda attempts: None
    assert tree.call().state == "success" and tree.planned == ["s"]


def test_one_that_the_user_halts_by_itself_fails_its_job_and_is_gone_on_with_later(tmp_path: Path) -> None:
    tree = Tree(tmp_path, [sub("s", retries=3), job("own")], {"s": [job("x"), job("y", 0)]})

    def halt(attempts: Sequence[Attempt]) -> None:
        if attempts[0].job.id == "x":
            assert request_halt(tree.child("s"))

    tree.world.on_submit = halt
    outcome = tree.call()

    assert outcome.state == "failed"
    assert outcome.failed[0].error["message"] == "the sub-workflow was halted"
    tree.world.on_submit = lambda attempts: None
    assert tree.call().state == "success"
    assert tree.ends("s") == [(0, True), (1, True)]


def three_levels(attempt: Attempt) -> Record:
    return OK if attempt.id.number > 1 or attempt.id.job % 3 else failure()


@pytest.mark.parametrize("survives", [False, True], ids=["jobs end too", "jobs run on"])
def test_killed_at_any_moment_a_tree_goes_on_and_does_nothing_twice(tmp_path: Path, survives: bool) -> None:
    plans: Plans = {
        "s": [job("a", retries=2), sub("t", 0), job("b", 1)],
        "t": [job("c", retries=2), job("d", 0)],
        "u": [job("e", retries=2)],
    }
    root = [job("f", retries=2), sub("s", 0, retries=2), sub("u", retries=2), job("g", 1, 2, retries=2)]
    for at in range(1, 200):
        tree = Tree(tmp_path / f"{at}", root, plans, three_levels, survives=survives, seed=at)
        tree.crash_at = at
        try:
            tree.call()
        except Crash:
            if not survives:
                tree.world.alive.clear()
            assert tree.call().state == "success"
        assert set(tree.planned) == {"s", "t", "u"}
        assert len(tree.planned) <= 4, "only what was killed while it was planned is planned again"
        assert sorted(tree.world.succeeded) == sorted([0, 2, 0, 1, 0, 0, 3]), "each job succeeds once"
        for path in ((), ("s",), ("u",), ("s", "t")):
            started = [(e.job, e.attempt) for e in tree.records(*path) if isinstance(e, AttemptStart)]
            ended = [(e.job, e.attempt) for e in tree.records(*path) if isinstance(e, AttemptEnd)]
            assert sorted(started) == sorted(ended) and len(set(started)) == len(started)
        if tree.calls < at:
            return
    raise AssertionError("it never ends without a crash")


def test_a_plan_with_sub_workflows_is_refused_where_none_can_be_planned(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "root", [sub("s")], "root")

    with pytest.raises(NotARun, match="sub-workflows, which cannot be run here"):
        run(directory, RunOptions(cores=1))
