"""A tree of three levels, run for real: its documents are made by its jobs, and each sub-workflow is planned when it starts."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from integration.tools import environment, journal, markab, plan
from kit.nested_tree import RESULTS, TASKS, NestedTree
from kit.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def tree(tmp_path: Path) -> NestedTree:
    return NestedTree(tmp_path)


def test_a_tree_of_three_levels_gives_the_results_of_all(tree: NestedTree) -> None:
    submit_dir = plan(tree.top / "workflow.yml", *tree.words[:-1], cwd=tree.top)

    markab("run", submit_dir, cwd=tree.top)

    tree.check_results()
    assert sorted(tree.runs()) == sorted(TASKS)
    for name in ("workflow", "middle", "leaf"):  # each has a hook
        wait_until(lambda: (tree.witness / f"hook-{name}").exists())  # noqa: B023
    leaf = tree.child(submit_dir, "middle", "leaf")
    middle = [one for one in journal(leaf.parents[2]) if one["event"] == "end"]
    made = [file["lfn"] for one in middle for file in one["record"].get("outputs", ())]
    assert "l.txt" in made, "what the sub-workflow handed up is known with its checksum"
    scratch = json.loads((submit_dir / "plan.jsonl").read_bytes().split(b"\n")[0])["sites"]["local"][
        "scratch"
    ]
    assert not os.path.exists(scratch["path"]), "nothing is left in scratch"

    # One database for all, in the directory of the root.
    assert [path.parent for path in tree.top.rglob("*.stampede.db")] == [submit_dir]
    markab("statistics", submit_dir, cwd=tree.top)
    (path,) = submit_dir.glob("*.stampede.db")
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT w.dax_label, p.dax_label, r.dax_label FROM workflow w "
            "LEFT JOIN workflow p ON p.wf_id = w.parent_wf_id JOIN workflow r ON r.wf_id = w.root_wf_id"
        ).fetchall()
        linked = database.execute(
            "SELECT j.exec_job_id, w.dax_label FROM job_instance i JOIN job j ON j.job_id = i.job_id "
            "JOIN workflow w ON w.wf_id = i.subwf_id"
        ).fetchall()
    assert sorted(rows, key=str) == [
        ("leaf", "middle", "workflow"),
        ("middle", "workflow", "workflow"),
        ("workflow", None, "workflow"),
    ]
    assert sorted(linked) == [("pegasus-plan_leaf", "leaf"), ("pegasus-plan_middle", "middle")]

    # The views are those of the tree.
    found = json.loads(markab("statistics", "--json", submit_dir, cwd=tree.top).stdout)
    assert found["summary"]["tasks"]["succeeded"] == len(TASKS) + 2
    assert found["summary"]["sub_workflows"]["succeeded"] == 2
    assert [one["name"] for one in found["members"]] == [
        "workflow",
        "pegasus-plan_middle",
        "pegasus-plan_middle/pegasus-plan_leaf",
    ]
    status = json.loads(markab("status", "--json", submit_dir, cwd=tree.top).stdout)
    assert {name: one["state"] for name, one in status["dags"].items()} == {
        "root": "Success",
        "pegasus-plan_middle": "Success",
        "pegasus-plan_middle/pegasus-plan_leaf": "Success",
    }
    assert status["totals"]["succeeded"] == sum(one["succeeded"] for one in status["dags"].values())

    # Whoever runs it again is told that it is complete; without its directories, nothing of it is left.
    assert "all" in markab("run", submit_dir, cwd=tree.top).stdout
    assert sorted(tree.runs()) == sorted(TASKS)
    markab("clean", submit_dir, "--yes", cwd=tree.top)
    assert not submit_dir.exists()
    assert sorted(path.name for path in (tree.top / "results").iterdir()) == sorted(RESULTS)


def test_a_failing_grandchild_is_shown_and_mended_by_running_the_root_again(tree: NestedTree) -> None:
    submit_dir = plan(tree.top / "workflow.yml", *tree.words[:-1], cwd=tree.top)
    (tree.witness / "fails-d2").touch()

    assert markab("run", submit_dir, cwd=tree.top, check=False).returncode != 0

    said = markab("analyze", submit_dir, cwd=tree.top, check=False).stdout
    assert "=== sub-workflow pegasus-plan_middle/pegasus-plan_leaf" in said
    assert "step_d2" in said and "no such genome" in said
    assert f"markab run {submit_dir.relative_to(tree.top)}" in said, "what goes on is the root"
    found = json.loads(markab("analyze", "--json", submit_dir, cwd=tree.top, check=False).stdout)
    below = found["workflows"]["pegasus-plan_middle/pegasus-plan_leaf"]
    assert below["jobs"]["failed"] == 1 and below["parent_wf_name"] == "middle-0"

    leaf = tree.child(submit_dir, "middle", "leaf")
    assert "no such genome" in markab("logs", submit_dir, "step_d2", cwd=tree.top).stderr
    named = "pegasus-plan_middle/pegasus-plan_leaf/step_d2"
    assert "exit code 3" in markab("why", submit_dir, named, cwd=tree.top).stdout
    assert "step_d2" in markab("show", submit_dir, "d2", cwd=tree.top).stdout
    why = markab("why", submit_dir, "pegasus-plan_middle", cwd=tree.top).stdout
    assert str(tree.child(submit_dir, "middle").relative_to(tree.top)) in why
    assert "d1" in markab("trace", submit_dir, "d1.txt", cwd=tree.top).stdout
    assert (
        str(leaf)
        in json.loads(markab("analyze", "--json", submit_dir, cwd=tree.top, check=False).stdout)["workflows"][
            "pegasus-plan_middle/pegasus-plan_leaf"
        ]["submit_dir"]
    )

    (tree.witness / "fails-d2").unlink()
    markab("run", submit_dir, cwd=tree.top)

    tree.check_results()
    assert sorted(tree.runs()) == sorted([*TASKS, "d2"]), "only what failed ran again"


def test_killed_while_it_plans_and_while_it_runs_a_tree_goes_on(tmp_path: Path) -> None:
    tree = NestedTree(tmp_path, pace_s=0.05, retries=5)
    submit_dir = plan(tree.top / "workflow.yml", *tree.words[:-1], cwd=tree.top)
    moments = (
        lambda: list(tree.top.rglob("pegasus-plan_middle+cache")),
        lambda: list(tree.top.rglob("pegasus-plan_leaf+cache")),
        lambda: (tree.witness / "alive-d0").exists(),
    )
    for moment in moments:
        engine = subprocess.Popen(
            [sys.executable, "-m", "markab", "run", str(submit_dir)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: moment() or engine.poll() is not None)  # noqa: B023
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        wait_until(lambda: not planners(submit_dir), what="a planner outlives its engine")
        wait_until(lambda: not tree.has_tasks(), what="a task outlives its engine")
        for lock in tree.witness.glob("alive-*"):
            lock.rmdir()

    markab("run", submit_dir, cwd=tree.top)

    tree.check_results()
    for path in (submit_dir, tree.child(submit_dir, "middle"), tree.child(submit_dir, "middle", "leaf")):
        ends = [one for one in journal(path) if one["event"] == "end" and one["record"]["ok"]]
        assert len({one["job"] for one in ends}) == len(ends), "a job succeeded twice"


def planners(submit_dir: Path) -> list[int]:
    """Return the processes that plan sub-workflows and have no engine: their parent is not ours."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes() if entry.isdigit() else b""
        except OSError:
            continue
        if b"markab.operations.child_planning" in words:
            engine = words.rstrip(b"\0").rpartition(b"\0")[2].decode()
            if not os.path.exists(f"/proc/{engine}"):
                found.append(int(entry))
    return found


def test_the_hooks_of_every_run_of_a_tree_are_run_once(tree: NestedTree) -> None:
    hooks = {"shell": [{"_on": "all", "cmd": "sh -c 'echo $PEGASUS_EVENT >> told'"}]}
    for document in (tree.top / "workflow.yml", *(tree.top / "made").iterdir()):
        document.write_text(json.dumps({**json.loads(document.read_text()), "hooks": hooks}))
    submit_dir = plan(tree.top / "workflow.yml", *tree.words[:-1], cwd=tree.top)

    markab("run", submit_dir, cwd=tree.top)

    middle, leaf = tree.child(submit_dir, "middle"), tree.child(submit_dir, "middle", "leaf")
    for each in (submit_dir, middle, leaf):
        wait_until(lambda told=each / "told": told.exists() and told.read_text().count("\n") == 2)
        assert (each / "told").read_text().split() == ["start", "at_end"]
