"""The engine of a run of 60 jobs on a real Slurm is killed 30 times, at submissions and at any other moment."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.test_slurm import Layers
from kit import slurm_cluster
from kit.slurm_cluster import SlurmCluster

KILLS, LAYERS, WIDTH = 30, 6, 10


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """A cluster of its own."""
    if why := slurm_cluster.why_not():
        pytest.skip(why) if "CI" not in os.environ else pytest.fail(why)
    with slurm_cluster.own_cluster() as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        yield cluster


@pytest.mark.faults
def test_nothing_is_lost_and_nothing_runs_twice_whenever_the_engine_is_killed(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    layers = Layers(tmp_path, layers=LAYERS, width=WIDTH)
    chance = random.Random(13)
    for number in range(KILLS):
        if number % 3 == 0:
            layers.kill_at_submission(chance.choice(["before", "during", "after"]))
        else:
            layers.kill_after(chance.randint(1, 8))
    layers.finish()

    layers.check(slurm)
