"""`kill -9` of the engine at 30 moments of a run of 60 jobs in an HTCondor pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.figures import FIGURES
from integration.test_htcondor_kills import run_through_kills
from kit.htcondor_pool import Pool


@pytest.mark.faults
def test_a_run_in_a_pool_survives_thirty_kills(htcondor: Pool, tmp_path: Path) -> None:
    FIGURES["a run in an HTCondor pool"][run_through_kills(htcondor, tmp_path, kills=30, layers=12)] += 1
