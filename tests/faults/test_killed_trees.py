"""SIGKILL of the engine of a tree of three levels, whose documents are made by its jobs, at random moments.

The short form is in `tests/integration/test_sub_workflows.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from faults.figures import FIGURES
from integration.test_sub_workflows import planners
from integration.tools import environment, journal, markab, plan
from kit.nested_tree import TASKS, NestedTree
from kit.waiting import wait_until

MOST_RECORDS = 12
"""A kill comes after so many new records of the journals of the tree, at most."""


def records(submit_dir: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in submit_dir.rglob("journal.jsonl"))


def phase(submit_dir: Path) -> str:
    """Return what of the tree there is."""
    levels = (
        1 + sum(1 for _ in (submit_dir / "00").rglob("plan.jsonl")) if (submit_dir / "00").exists() else 1
    )
    return f"killed with {levels} of 3 levels planned"


@pytest.mark.faults
def test_a_tree_goes_on_after_each_of_many_kills(tmp_path: Path, kills: int, chance: Random) -> None:
    left, number = kills // 2, 0
    while left > 0:
        number += 1
        tree = NestedTree(tmp_path / f"{number}", pace_s=0.02, retries=50)
        submit_dir = plan(tree.top / "workflow.yml", *tree.words[:-1], cwd=tree.top)
        while left > 0:
            engine = subprocess.Popen(
                [sys.executable, "-m", "markab", "run", str(submit_dir)],
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            goal = records(submit_dir) + chance.randint(1, MOST_RECORDS)
            wait_until(lambda: records(submit_dir) >= goal or engine.poll() is not None)  # noqa: B023
            is_over = engine.poll() is not None
            engine.send_signal(signal.SIGKILL)
            engine.wait()
            wait_until(lambda: not planners(submit_dir), what="a planner outlives its engine")  # noqa: B023
            wait_until(lambda: not tree.has_tasks(), what="a task outlives its engine")  # noqa: B023
            for lock in tree.witness.glob("alive-*"):
                lock.rmdir()
            if is_over:
                break
            left -= 1
            FIGURES["trees of three levels"][phase(submit_dir)] += 1
        markab("run", submit_dir, cwd=tree.top)
        check(tree, submit_dir)


def check(tree: NestedTree, submit_dir: Path) -> None:
    tree.check_results()
    succeeded: Counter[str] = Counter()
    for path in (submit_dir, tree.child(submit_dir, "middle"), tree.child(submit_dir, "middle", "leaf")):
        lines = journal(path)
        names = {one["job"]: one["id"] for one in lines if one["event"] == "start"}
        succeeded.update(
            names[one["job"]].rpartition("_")[2]
            for one in lines
            if one["event"] == "end" and one["record"]["ok"] and names[one["job"]].startswith("step_")
        )
        assert lines[-1]["event"] == "run-end" and lines[-1]["outcome"] == "success"
    assert succeeded == Counter(TASKS), "a task succeeded twice, or not at all"
