"""Random workflows, clustered in every way, make what their tasks make one by one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kit.planned_workflow import Bench, Entry, task
from markab.engine.run import RunOptions, run
from markab.plan.plan_file import PlanFile
from markab.planner.planning import plan

TOOL = """#!/bin/sh
# usage: tool NAME OUT IN…: the name, and what is in the inputs
name=$1 out=$2; shift 2
{ echo "$name($(cat "$@"))" | tr '\\n' ' '; } > "$out"
"""
AT_ONCE = {
    "pegasus.clusterer.job.aggregator": "mpiexec",
    "pegasus.clusterer.job.aggregator.arguments": "--host-cpus 2",
}
WAYS = {
    "one-by-one": ([], {}),
    "label": (["label"], {}),
    "horizontal": (["horizontal"], {"pegasus.clusters.size": "3"}),
    "whole-at-once": (["whole"], AT_ONCE),
    "label-horizontal-at-once": (["label", "horizontal"], {"pegasus.clusters.num": "2", **AT_ONCE}),
}


def workflow(seed: int) -> list[Entry]:
    """Return nine tasks; of labels that would make jobs wait for each other there is none: they follow the document."""
    dice = random.Random(seed)
    tasks = []
    for number in range(9):
        reads = sorted({f"f{dice.randrange(number)}" for _ in range(dice.randint(0, 2))} if number else ())
        reads = reads or ["raw"]
        entry = task(f"t{number}", " ".join(reads), f"f{number}")
        entry["arguments"] = [f"t{number}", f"f{number}", *reads]
        entry["profiles"] = {"pegasus": {"label": str(number // 4)}} if dice.random() < 0.9 else {}
        tasks.append(entry)
    return tasks


@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_make_the_bytes_that_their_tasks_make_one_by_one(tmp_path: Path, seed: int) -> None:
    bench = Bench(tmp_path)
    bench.has("raw")
    bench.transformations[0]["sites"][0]["name"] = "local"
    (tmp_path / "bin" / "tool").write_text(TOOL)
    made = {}
    for way, (cluster, properties) in WAYS.items():
        planned = plan(
            bench.options(
                *workflow(seed),
                output_dir=tmp_path / way,
                sites=["local"],
                cluster=cluster,
                properties=properties,
            )
        )
        assert planned.submit_dir is not None
        clustered = [job for job in PlanFile(planned.submit_dir / "plan.jsonl").jobs() if len(job.tasks) > 1]
        assert bool(clustered) == bool(cluster), way
        assert run(planned.submit_dir, RunOptions(cores=2)).state == "success", way
        made[way] = {path.name: path.read_bytes() for path in (tmp_path / way).iterdir()}

    assert len(made["one-by-one"]) == 9
    for way, results in made.items():
        assert results == made["one-by-one"], way
