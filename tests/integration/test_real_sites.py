"""The same workflow at every site there is, real servers all: nothing in it changes but the name of the site."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.tools import command, job_line, journal, markab, plan, script, write_workflow
from kit.podman import Podman, install
from kit.real_sites import BATCH_SITES, SITES, write_real_sites
from markab.operations import check_site, find_site_documents
from markab.plan.model import DATA_CONFIGURATIONS

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("shared_slurm", "shared_sge", "htcondor"),
]


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def ends(submit_dir: Path) -> list[dict[str, Any]]:
    """Return the end of each attempt that ran tasks of the workflow."""
    return [
        record
        for record in journal(submit_dir)
        if record["event"] == "end" and record["record"].get("invocations")
    ]


def sites_of_tasks(submit_dir: Path) -> list[str]:
    """Return the site of each of them."""
    started = {record["job"]: record["site"] for record in journal(submit_dir) if record["event"] == "start"}
    return [started[end["job"]] for end in ends(submit_dir)]


def test_the_diamond_has_the_same_results_byte_for_byte_at_each_site_in_each_data_configuration(
    tmp_path: Path,
) -> None:
    command(sys.executable, EXAMPLES / "diamond/workflow.py", cwd=tmp_path)
    document = (tmp_path / "workflow.yml").read_bytes()
    write_real_sites(tmp_path)

    results = {}
    for site in SITES:
        for data in DATA_CONFIGURATIONS:
            out = tmp_path / "results" / site / data
            words = ("--sites", site, "--output-dir", out, "--dir", tmp_path / "runs")
            submit_dir = plan(
                tmp_path / "workflow.yml", *words, f"-Dpegasus.data.configuration={data}", cwd=tmp_path
            )
            markab("run", submit_dir, cwd=tmp_path)
            assert sites_of_tasks(submit_dir) == [site] * 4
            results[site, data] = files_in(out)

    assert len(results) == 12 and results["local", "sharedfs"]
    assert [key for key, files in results.items() if files != results["local", "sharedfs"]] == []
    assert (tmp_path / "workflow.yml").read_bytes() == document


# -- what else a workflow may have --------------------------------------------------------------

GO_ON = """#!/bin/sh
# usage: go_on OUT: the first time it leaves a checkpoint and fails; with one, it goes on
if [ -e state.txt ]; then cat state.txt > "$1"; else echo half > state.txt; exit 1; fi
"""
CONTENT = (
    "-Dmarkab.reuse.policy=content",
    "-Dmarkab.reuse.index=index.db",
    "-Dmarkab.reuse.store=store",
)
COUNT = """#!/bin/sh
# usage: count OUT IN…
out=$1; shift; { echo "$out"; cat "$@" /dev/null; } > "$out"
"""


def programs(top: Path, **texts: str) -> dict[str, Any]:
    """Return the catalog of programs that are brought to where they run."""
    entries = [
        {
            "name": name,
            "sites": [{"name": "local", "type": "stageable", "pfn": str(script(top / name, text))}],
        }
        for name, text in texts.items()
    ]
    return {"transformations": entries}


@pytest.mark.parametrize("site", BATCH_SITES)
def test_clusters_checkpoints_and_reuse_work_at_every_site(tmp_path: Path, site: str) -> None:
    write_real_sites(tmp_path)
    jobs = [
        job_line(
            f"c{number}",
            "count",
            f"c{number}.txt",
            outputs=[f"c{number}.txt"],
            profiles={"pegasus": {"clusters.size": "3"}},
        )
        for number in range(6)
    ]
    jobs.append(
        job_line("long", "go_on", "long.txt", outputs=["long.txt"], profiles={"dagman": {"retry": "1"}})
    )
    jobs[-1]["uses"].append({"lfn": "state.txt", "type": "checkpoint"})
    catalog = programs(tmp_path, count=COUNT, go_on=GO_ON)
    workflow = write_workflow(tmp_path, jobs, transformationCatalog=catalog)
    words = ("--sites", site, "--cluster", "horizontal", "--output-dir", tmp_path / "out", *CONTENT)
    submit_dir = plan(workflow, *words, cwd=tmp_path)
    markab("run", submit_dir, cwd=tmp_path)

    expected = {f"c{number}.txt": f"c{number}.txt\n".encode() for number in range(6)}
    assert files_in(tmp_path / "out") == {**expected, "long.txt": b"half\n", "state.txt": b"half\n"}
    tasks = [len(end["record"]["invocations"]) for end in ends(submit_dir)]
    assert sorted(tasks) == [1, 1, 3, 3], "two clusters, and two attempts of one job"
    assert set(sites_of_tasks(submit_dir)) == {site}

    again = plan(workflow, *words, cwd=tmp_path)
    markab("run", again, cwd=tmp_path)
    ran_again = {one["task"] for end in ends(again) for one in end["record"]["invocations"]}
    assert ran_again <= {"long"}, "what has a checkpoint is not known to give the same again"


@pytest.mark.parametrize("site", BATCH_SITES)
def test_the_jobs_of_a_sub_workflow_that_a_job_makes_run_at_every_site(tmp_path: Path, site: str) -> None:
    write_real_sites(tmp_path)
    catalog = programs(tmp_path, count=COUNT)
    inner = tmp_path / "inner"
    inner.mkdir()
    child = write_workflow(
        inner,
        [job_line("in", "count", "in.txt made.txt", inputs=["made.txt"], outputs=["in.txt"])],
        name="inner",
        transformationCatalog=catalog,
    )
    made = job_line("made", "count", "made.txt", outputs=["made.txt"])
    last = job_line("last", "count", "last.txt in.txt", inputs=["in.txt"], outputs=["last.txt"])
    sub = {
        "type": "pegasusWorkflow",
        "file": "inner.yml",
        "id": "sub",
        "arguments": [],
        "uses": [
            {"lfn": "inner.yml", "type": "input"},
            {"lfn": "made.txt", "type": "input"},
            {"lfn": "in.txt", "type": "output", "stageOut": False},
        ],
    }
    replica = {"lfn": "inner.yml", "pfns": [{"site": "local", "pfn": str(child)}]}
    workflow = write_workflow(
        tmp_path,
        [made, sub, last],
        transformationCatalog=catalog,
        replicaCatalog={"replicas": [replica]},
    )
    words = ("--sites", site, "--output-dir", tmp_path / "out")
    submit_dir = plan(workflow, *words, cwd=tmp_path)
    markab("run", submit_dir, cwd=tmp_path)

    assert (tmp_path / "out/last.txt").read_text() == "last.txt\nin.txt\nmade.txt\n"
    (inside,) = [path.parent for path in submit_dir.rglob("journal.jsonl") if path.parent != submit_dir]
    assert sites_of_tasks(inside) == [site]
    assert [site] * 2 == sites_of_tasks(submit_dir)


def test_a_task_runs_in_a_container_on_a_node_of_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not install():
        assert not os.environ.get("CI"), "there is no podman"
        pytest.skip("there is no podman, and none can be installed")
    podman = Podman(tmp_path / "podman")
    try:
        image = podman.save_image(tmp_path / "tool.tar")
        for name, value in podman.environ.items():
            monkeypatch.setenv(name, value)
        write_real_sites(tmp_path, env=podman.environ)
        box = {
            "name": "box",
            "type": "docker",
            "image": f"file://{image}",
            "profiles": {"pegasus": {"container.program": "podman"}},
        }
        entry = {"name": "slurm", "type": "installed", "pfn": "/bin/sh", "container": "box"}
        catalog = {"transformations": [{"name": "sh", "sites": [entry]}], "containers": [box]}
        look = "-c 'ls /etc > seen.txt; echo done >> seen.txt'"
        workflow = write_workflow(
            tmp_path,
            [job_line("look", "sh", look, outputs=["seen.txt"])],
            transformationCatalog=catalog,
        )
        submit_dir = plan(workflow, "--sites", "slurm", "--output-dir", tmp_path / "out", cwd=tmp_path)
        markab("run", submit_dir, cwd=tmp_path)

        assert sites_of_tasks(submit_dir) == ["slurm"]
        seen = (tmp_path / "out/seen.txt").read_text()
        assert seen.endswith("done\n") and "debian_version" not in seen
        result = check_site("slurm", find_site_documents(tmp_path, workflow=workflow), limit_s=120)
        assert result.ok, result.checks
        assert "a job in 'box' ran" in [check.text for check in result.checks]
    finally:
        podman.remove()
