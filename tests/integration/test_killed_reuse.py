"""`kill -9` of engines at random moments, with reuse by content: results are right, and what succeeded is found."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integration.tools import environment, journal, markab
from kit.content_runs import Lab, Step
from kit.waiting import wait_until

KILLS = 12


def workflow() -> list[Step]:
    steps = [Step("s0", ["in"], "f0", line="s0", is_result=False)]
    for number in range(1, 12):
        reads = sorted({f"f{number - 1}", f"f{number // 2}"})
        steps.append(Step(f"s{number}", reads, f"f{number}", line=f"s{number}", is_result=number % 3 == 2))
    return steps


def records_of(submit_dir: Path) -> int:
    return len(journal(submit_dir)) if (submit_dir / "journal.jsonl").exists() else 0


@pytest.mark.integration
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_engines_lose_no_result_and_mix_none_up(tmp_path: Path, seed: int) -> None:
    lab, chance = Lab(tmp_path, workflow(), {"in": "input\n"}), random.Random(seed)
    submit_dir = None
    for number in range(KILLS):
        if submit_dir is None or chance.random() < 0.6:
            step = chance.choice(lab.steps)
            if chance.random() < 0.5:
                step.comment = f"edit {number}"
            else:
                step.line = f"edit {number}"
            submit_dir = lab.plan().submit_dir
        assert submit_dir is not None
        engine = subprocess.Popen(
            [sys.executable, "-m", "markab", "run", str(submit_dir)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        goal = records_of(submit_dir) + chance.randint(1, 60)
        place = submit_dir
        wait_until(lambda: records_of(place) >= goal or engine.poll() is not None)  # noqa: B023
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    assert submit_dir is not None
    assert 0 == markab("run", submit_dir, cwd=tmp_path).returncode
    assert lab.expected_results() == lab.delivered()

    again = lab.run()

    assert ("success", []) == (again.state, again.executed)
    assert lab.expected_results() == lab.delivered()
