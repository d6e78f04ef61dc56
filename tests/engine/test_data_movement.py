"""Random workflows whose files move in random ways: what comes out is what the tasks make one by one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from markab import operations
from markab.engine import run as engine
from markab.planner.options import PlanOptions

SITES = ("one", "two")
TOOL = """#!/bin/sh
# ID OUTPUT INPUTS…: writes its id and all that it reads into OUTPUT, or into a file of it if it is a directory
set -e
id=$1 out=$2; shift 2
case $out in */) mkdir -p $out/deep; ln -s deep/text ${out}link; out=${out}deep/text;; esac
{ echo $id; for file; do case $file in */) cat ${file}link;; *) cat $file;; esac; done; } > $out
"""


def workflow(path: Path, chance: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a document, and the text of each result by its path below the output directory."""
    jobs: list[dict[str, Any]] = []
    texts = {f"raw{n}": f"raw {n}\n" for n in range(2)}
    results: dict[str, str] = {}
    for number in range(6):
        reads = [job["uses"][-1]["lfn"] for job in chance.sample(jobs, min(len(jobs), chance.randint(0, 2)))]
        reads.append(f"raw{number % 2}")
        makes = f"f{number}" + ("/" if chance.random() < 0.4 else "")
        uses = [{"lfn": lfn, "type": "input"} for lfn in reads] + [{"lfn": makes, "type": "output"}]
        texts[makes] = f"t{number}\n" + "".join(texts[lfn] for lfn in reads)
        results[makes + "deep/text" if makes.endswith("/") else makes] = texts[makes]
        profiles: dict[str, Any] = {"selector": {"execution.site": chance.choice(SITES)}}
        profiles["pegasus"] = {"transfer.bypass.input.staging": chance.choice(["true", "false"])}
        jobs.append(
            {
                "type": "job",
                "name": "tool",
                "id": f"t{number}",
                "arguments": [f"t{number}", makes, *reads],
                "uses": uses,
                "profiles": profiles,
            }
        )
    (path / "tool").write_text(TOOL)
    (path / "tool").chmod(0o755)
    for number in range(2):
        (path / f"raw{number}").write_text(texts[f"raw{number}"])
    replicas = [
        {"lfn": f"raw{n}", "pfns": [{"site": site, "pfn": str(path / f"raw{n}")}]}
        for n, site in enumerate(["local", "one"])
    ]
    kind = chance.choice(["installed", "stageable"])
    tools = [{"name": site, "type": kind, "pfn": str(path / "tool")} for site in SITES]
    document = {
        "pegasus": "5.0.4",
        "name": "moves",
        "replicaCatalog": {"replicas": replicas},
        "transformationCatalog": {"transformations": [{"name": "tool", "sites": tools}]},
        "jobs": jobs,
    }
    return document, results


@pytest.mark.parametrize("seed", range(3))
def test_a_run_gives_the_bytes_of_the_tasks_one_by_one(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    document, expected = workflow(tmp_path, chance)
    sites = []
    staging = {}
    for site in SITES:
        data = chance.choice(["condorio", "nonsharedfs", "sharedfs"])
        if data == "nonsharedfs":
            staging[site] = chance.choice([*SITES, "local"])
        server = {"url": f"file://{tmp_path}/{site}", "operation": "all"}
        scratch = {"type": "sharedScratch", "path": f"{tmp_path}/{site}", "fileServers": [server]}
        profiles = {"pegasus": {"data.configuration": data}}
        sites.append({"name": site, "directories": [scratch], "profiles": profiles})
    (tmp_path / "workflow.yml").write_text(json.dumps({**document, "siteCatalog": {"sites": sites}}))
    planned = operations.plan(
        PlanOptions(
            workflow=Path("workflow.yml"),
            directory=tmp_path,
            sites=list(SITES),
            staging_sites=staging,
            output_dir=Path("out"),
            cluster=chance.choice([[], ["whole"], ["horizontal"]]) if seed else [],
            properties={
                "pegasus.transfer.refiner": chance.choice(["BalancedCluster", "Basic"]),
                "pegasus.dir.create.strategy": chance.choice(["Minimal", "HourGlass"]),
                "pegasus.transfer.links": chance.choice(["true", "false"]),
                "pegasus.clusters.size": "2",
            },
        )
    )
    assert planned.submit_dir is not None

    assert "success" == engine.run(planned.submit_dir, engine.RunOptions(cores=2)).state

    top = tmp_path / "out"
    found = {
        str(path.relative_to(top)): path.read_text()
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert expected == found
