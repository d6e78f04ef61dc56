"""Progress while a run goes on: how often, how fast, and what when it cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from markab.engine.progress_meter import RATE_OVER_S, RUNNING_SHOWN, Meter
from markab.journal.lifecycle import State
from markab.journal.progress import Progress, RunningJob, read_progress


def counts(**of: int) -> list[int]:
    return [of.get(state.name.lower(), 0) for state in State]


class Measured:
    """A meter with an observer, whose engine started at second 100 of the monotonic clock."""

    def __init__(self, tmp_path: Path, observed: bool = True) -> None:
        self.path = tmp_path / "status.json"
        self.seen: list[Progress] = []
        self.meter = Meter("w", "u", self.path, self.seen.append if observed else None, bytes_moved=5)
        self.meter.engine_started = 1e9 + 100.0

    def publish(self, now_s: float, jobs: dict[int, RunningJob] | None = None, **more: Any) -> Progress:
        outcome = more.pop("outcome", None)
        return self.meter.publish(now_s, 1e9 + now_s, counts(**more), jobs or {}, outcome=outcome)

    def written(self) -> Progress:
        found = read_progress(self.path)
        assert found is not None
        return found


def test_every_state_is_counted_under_its_name(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    progress = measured.publish(
        101.0, waiting=1, ready=2, paused=4, queued=8, running=16, succeeded=32, failed=64, skipped=128
    )

    assert (progress.total, progress.unready, progress.ready) == (255, 1, 6)
    assert (progress.queued, progress.running) == (8, 16)
    assert (progress.succeeded, progress.failed, progress.skipped) == (32, 64, 128)
    assert (progress.workflow, progress.uuid, progress.time) == ("w", "u", 1e9 + 101)
    assert (progress.active_s(progress.time), progress.bytes_moved) == (1.0, 5)
    assert measured.seen == [progress] and measured.written() == progress


def test_the_observer_is_called_each_tenth_of_a_second_and_the_file_written_each_second(
    tmp_path: Path,
) -> None:
    measured = Measured(tmp_path)
    assert measured.meter.overdue(100.0) >= 1
    measured.publish(100.0, running=1)
    assert [measured.meter.overdue(now_s) >= 1 for now_s in (100.05, 100.125)] == [False, True]
    measured.publish(100.5, running=2)
    assert len(measured.seen) == 2 and measured.written().running == 1
    measured.publish(101.0, running=3)
    assert measured.written().running == 3
    measured.publish(101.5, outcome="success", succeeded=3)
    assert measured.written().outcome == "success"


def test_without_an_observer_once_a_second_is_enough(tmp_path: Path) -> None:
    measured = Measured(tmp_path, observed=False)
    measured.publish(100.0)
    assert [measured.meter.overdue(now_s) >= 1 for now_s in (100.9, 101.0)] == [False, True]


def test_the_rate_is_that_of_the_last_half_minute(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    assert measured.publish(100.0, succeeded=0, ready=90).rate_per_s == 0.0
    fast = measured.publish(110.0, succeeded=60, ready=20, running=10)
    assert (fast.rate_per_s, fast.left_s) == (6.0, 5.0)
    slow = measured.publish(110.0 + RATE_OVER_S, succeeded=90, ready=10)
    assert (slow.rate_per_s, slow.left_s) == (1.0, 10.0)
    assert measured.publish(141.0, succeeded=100).left_s is None
    assert measured.publish(142.0, succeeded=90, ready=10, outcome="failed").left_s is None


def test_a_status_file_that_cannot_be_written_is_reported_until_it_can(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    measured.path.mkdir()
    measured.publish(100.0)
    assert f"cannot write '{measured.path}'" in measured.meter.write_problem
    measured.path.rmdir()
    measured.publish(101.0)
    assert measured.meter.write_problem == ""


@pytest.mark.parametrize(("outcome", "held"), [(None, "no room"), ("failed", "")])
def test_a_run_that_is_over_is_not_held(tmp_path: Path, outcome: Any, held: str) -> None:
    measured = Measured(tmp_path)
    measured.meter.held = "no room"
    assert measured.publish(100.0, outcome=outcome).held == held


def test_of_many_running_jobs_some_are_shown(tmp_path: Path) -> None:
    jobs = {n: RunningJob(f"j{n}", "local", 1, 1e9) for n in range(RUNNING_SHOWN + 1)}
    shown = Measured(tmp_path).publish(100.0, jobs, running=len(jobs)).jobs
    assert [job.id for job in shown] == [f"j{n}" for n in range(RUNNING_SHOWN)]
