"""`markab sites test` on a real Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.test_slurm import slurm as slurm_fixture
from integration.test_slurm import write_site
from kit.slurm_cluster import SlurmCluster
from kit.waiting import wait_until
from markab.operations import check_site, find_site_documents

pytestmark = pytest.mark.integration
slurm = slurm_fixture


def test_a_real_slurm_passes_and_an_unknown_queue_is_said_in_its_words(
    tmp_path: Path, slurm: SlurmCluster
) -> None:
    write_site(tmp_path, tmp_path / "scratch")
    result = check_site("cluster", find_site_documents(tmp_path), limit_s=300)
    assert result.ok, result.checks
    assert result.executor == "slurm"
    wait_until(lambda: not slurm.queue())

    (tmp_path / "pegasus.properties").write_text("pegasus.queue = nope\n")
    wrong = check_site("cluster", find_site_documents(tmp_path), limit_s=300)
    [found] = [check for check in wrong.checks if check.ok is False]
    assert found.name == "queue" and "invalid partition specified: nope" in found.text and found.hint
