"""The same workflow at every site there is, real servers all: nothing in it changes but the name of the site."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from integration.tools import command, journal, markab, plan
from kit.real_sites import SITES, write_real_sites
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


def sites_of_tasks(submit_dir: Path) -> list[str]:
    """Return the site of each attempt that ran a task of the workflow."""
    records = journal(submit_dir)
    started = {record["job"]: record["site"] for record in records if record["event"] == "start"}
    ends = [record for record in records if record["event"] == "end"]
    return [started[end["job"]] for end in ends if end["record"].get("invocations")]


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
            words = ("--sites", site, "--output-dir", out, "--dir", tmp_path / "runs", "--force")
            submit_dir = plan(
                tmp_path / "workflow.yml", *words, f"-Dpegasus.data.configuration={data}", cwd=tmp_path
            )
            markab("run", submit_dir, cwd=tmp_path)
            assert sites_of_tasks(submit_dir) == [site] * 4
            results[site, data] = files_in(out)

    assert len(results) == 12 and results["local", "sharedfs"]
    assert [key for key, files in results.items() if files != results["local", "sharedfs"]] == []
    assert (tmp_path / "workflow.yml").read_bytes() == document
