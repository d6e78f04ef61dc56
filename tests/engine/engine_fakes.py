"""A plan on disk, a clock that does not wait, and an executor that runs nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kit import made_run
from markab.engine.clock import Clock
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.executors.registry import MakeExecutor
from markab.plan.model import LOCAL, Kind, PlannedJob, PlannedTask, PlanSite, local_directory

OK: Record = {"ok": True}
UUID = "7a3c"
REMOTE = "queue"
"""An executor whose sites are not local ones."""


def failure(kind: str = "exit", message: str = "exit code 1") -> Record:
    return {"ok": False, "error": {"kind": kind, "message": message}}


def job(id: str, *parents: int, **more: Any) -> PlannedJob:
    kind = more.pop("kind", Kind.COMPUTE)
    return PlannedJob(id=id, kind=kind, site="local", parents=sorted(parents), **more)


def make_run(
    directory: Path,
    jobs: Sequence[PlannedJob],
    sites: dict[str, PlanSite] | None = None,
    uuid: str = UUID,
    executor: str = LOCAL,
    **header: Any,
) -> Path:
    """Write a submit directory; unless the test says otherwise, its only site is this machine."""
    sites = sites or {"local": PlanSite(executor, local_directory("local", f"{directory}/scratch"))}
    return made_run.make_run(directory, jobs, workflow="wf", uuid=uuid, sites=sites, **header)


def task(id: str) -> PlannedTask:
    return PlannedTask(id=id, transformation="true", executable="/bin/true")


class FakeTime:
    """A clock that only advances by `sleep` and by waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s + 1.7e9, lambda: self.now_s, self.pass_s, lambda _, s: self.pass_s(s))

    def pass_s(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds + 1e-6


class World:
    """The machine that attempts run on. It survives the end of an engine.

    It notices by itself when two attempts of a job are alive, when an attempt
    number comes twice, and when a job starts before its parents succeeded.
    """

    def __init__(
        self,
        verdict: Callable[[Attempt], Record] = lambda attempt: OK,
        *,
        seed: int = 0,
        survives: bool = False,
        ends_at_once: int = 1000,
    ) -> None:
        self.verdict = verdict
        self.random = random.Random(seed)
        self.survives = survives
        """Attempts outlive the engine, as in a batch system; else they end with it."""
        self.ends_at_once = ends_at_once
        """How many attempts end in one call of `wait`."""
        self.alive: dict[AttemptId, Attempt] = {}
        self.ended: dict[AttemptId, Record] = {}
        self.started: list[AttemptId] = []
        self.succeeded: list[int] = []
        """Positions of jobs, of any run."""
        self.done: set[tuple[str, int]] = set()
        self.elsewhere: set[tuple[str, int]] = set()
        """Jobs of runs that another executor runs."""
        self.most_alive = 0
        self.cancelled: list[AttemptId] = []
        self.checksums: dict[AttemptId, dict[str, str]] = {}
        self.on_submit: Callable[[Sequence[Attempt]], None] = lambda attempts: None
        self.on_wait: Callable[[], None] = lambda: None
        self.reports_running = False

    def back_ends(self, time: FakeTime) -> dict[str, MakeExecutor]:
        return dict.fromkeys(("local", REMOTE), lambda site: FakeExecutor(self, time))

    def end(self, id: AttemptId) -> Record:
        attempt = self.alive.pop(id)
        record = self.verdict(attempt)
        if record["ok"] and attempt.incomplete:
            record = failure("incomplete", attempt.incomplete)
        self.ended[id] = record
        if record["ok"]:
            self.succeeded.append(id.job)
            self.done.add((id.run, id.job))
        return record


class FakeExecutor:
    """One engine's connection to a world."""

    def __init__(self, world: World, time: FakeTime) -> None:
        self.world, self.time = world, time
        self.pending: list[Report] = []
        self.known: set[AttemptId] = set()
        """What was submitted or recovered: it reports of nothing else."""

    def submit(self, attempts: Sequence[Attempt]) -> None:
        world = self.world
        world.on_submit(attempts)
        for attempt in attempts:
            if attempt.id in world.alive:
                continue
            assert attempt.id not in world.ended, f"{attempt.id} started twice"
            assert not [other for other in world.alive if other[:2] == attempt.id[:2]], "two attempts alive"
            parents = {(attempt.id.run, parent) for parent in attempt.job.parents}
            assert parents <= world.done | world.elsewhere or attempt.incomplete, "started before its parents"
            world.alive[attempt.id] = attempt
            self.known.add(attempt.id)
            world.started.append(attempt.id)
            world.checksums[attempt.id] = dict(attempt.checksums)
            if world.reports_running:
                self.pending.append(Report(attempt.id, Seen.RUNNING))
        world.most_alive = max(world.most_alive, len(world.alive))

    def wait(self, timeout_s: float) -> Sequence[Report]:
        world = self.world
        world.on_wait()
        reports, self.pending = self.pending, []
        if not reports and not self.known & world.alive.keys():
            self.time.pass_s(timeout_s)
            return []
        self.time.pass_s(0.001)
        if reports:
            return reports
        ids = sorted(self.known & world.alive.keys())
        world.random.shuffle(ids)
        return [Report(id, Seen.ENDED, world.end(id)) for id in ids[: world.ends_at_once]]

    def fileno(self) -> int:
        return -1

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        for id in attempts:
            if id in self.world.alive:
                del self.world.alive[id]
                self.world.cancelled.append(id)
                self.pending.append(Report(id, Seen.ENDED, failure("cancelled", "cancelled")))

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        reports = []
        self.known.update(attempt.id for attempt in attempts)
        for attempt in attempts:
            if not self.world.survives:
                self.world.alive.pop(attempt.id, None)
            if attempt.id in self.world.alive:
                reports.append(Report(attempt.id, Seen.RUNNING))
            elif self.world.survives and attempt.id in self.world.ended:
                reports.append(Report(attempt.id, Seen.ENDED, self.world.ended[attempt.id]))
            else:
                reports.append(Report(attempt.id, Seen.LOST))
        return reports

    def close(self) -> None:
        if not self.world.survives:
            self.world.alive.clear()
