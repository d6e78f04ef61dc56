"""When a job is told to write its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.planner.time_limits import checkpoint_limits


@pytest.mark.parametrize(
    ("asked_s", "wall_s", "has_checkpoint", "limits"),
    [
        (120, 600, True, (120, 240)),
        (120, 600, False, (120, 240)),
        (120, 0, True, (120, 0)),
        (600, 600, True, (600, 0)),
        (0, 600, True, (300, 150)),
        (0, 100, True, (50, 25)),
        (0, 3600, True, (3300, 150)),
        (0, 600, False, (0, 0)),
        (0, 0, True, (0, 0)),
    ],
)
def test_the_time_between_the_signal_and_the_end_is_halved(
    asked_s: float, wall_s: float, has_checkpoint: bool, limits: tuple[float, float]
) -> None:
    assert limits == checkpoint_limits(asked_s, wall_s, has_checkpoint=has_checkpoint)


def test_a_job_with_a_checkpoint_and_a_wall_time_is_told_before_its_end(tmp_path: Path) -> None:
    profiles = {"pegasus": {"maxwalltime": "10"}}
    with_one = task("a", profiles=profiles)
    with_one["uses"] = [{"lfn": "state", "type": "checkpoint"}]
    made = Bench(tmp_path).plan(with_one, task("b", profiles=profiles))

    found = {name: made[name] for name in ("tool_a", "tool_b")}
    assert {"tool_a": (300, 150), "tool_b": (0, 0)} == {
        name: (job.checkpoint_s, job.checkpoint_grace_s) for name, job in found.items()
    }
