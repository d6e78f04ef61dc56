"""Workflows on a real HTCondor pool."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from integration.tools import ends_of, job_line, markab, plan, write_workflow
from kit.htcondor_pool import Pool
from kit.waiting import wait_until

pytestmark = pytest.mark.integration


def write_sites(top: Path, **profiles: dict[str, str]) -> None:
    """Write a catalog with a site that is the pool, whose scratch this machine reaches by a URL."""
    scratch = {
        "type": "sharedScratch",
        "path": f"{top}/scratch",
        "fileServers": [{"operation": "all", "url": f"file://{top}/scratch"}],
    }
    pegasus = {"style": "condor", **profiles.pop("pegasus", {})}
    site = {"name": "pool", "directories": [scratch], "profiles": {"pegasus": pegasus, **profiles}}
    (top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))


def write_diamond(top: Path) -> Path:
    (top / "f.a").write_text("a\n")
    replicas = [{"lfn": "f.a", "pfns": [{"pfn": f"{top}/f.a", "site": "local"}]}]
    add = "-c 'cat {inputs} > {output}; echo {output} >> {output}'"
    files = {"b": ("f.a", "f.b"), "c": ("f.b", "f.c"), "d": ("f.b", "f.d"), "e": ("f.c f.d", "f.e")}
    jobs = [
        job_line(
            name,
            "sh",
            add.format(inputs=inputs, output=output),
            inputs=inputs.split(),
            outputs=[output],
        )
        for name, (inputs, output) in files.items()
    ]
    program = {"name": "sh", "sites": [{"name": "pool", "pfn": "/bin/sh", "type": "installed"}]}
    return write_workflow(
        top,
        jobs,
        replicaCatalog={"replicas": replicas},
        transformationCatalog={"transformations": [program]},
    )


DIAMOND_RESULT = "a\nf.b\nf.c\na\nf.b\nf.d\nf.e\n"


@pytest.mark.parametrize("data", ["condorio", "nonsharedfs", "sharedfs"])
def test_a_diamond_runs_on_the_pool_in_each_data_configuration(
    htcondor: Pool, tmp_path: Path, data: str
) -> None:
    write_sites(tmp_path)
    workflow = write_diamond(tmp_path)
    staging = ["--staging-site", "pool"] if data != "condorio" else []
    submit_dir = plan(
        workflow, "--sites", "pool", "--output-dir", tmp_path / "out", f"-Dpegasus.data.configuration={data}", *staging,
        cwd=tmp_path,
    )  # fmt: skip
    markab("run", submit_dir, cwd=tmp_path)

    assert (tmp_path / "out/f.e").read_text() == DIAMOND_RESULT
    (record,) = ends_of(submit_dir, "sh_e")
    where = f"{tmp_path}/scratch/" if data == "sharedfs" else f"{htcondor.top}/execute/"
    assert record["ok"] and record["cwd"].startswith(where)
    assert record["outputs"][0]["sha256"] == hashlib.sha256(DIAMOND_RESULT.encode()).hexdigest()
    assert htcondor.queue() == []
