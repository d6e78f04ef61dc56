"""Where an attempt finds the run's scratch."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.engine_fakes import make_run
from markab.engine.attempt_maker import AttemptMaker
from markab.engine.recovery import Checksums
from markab.executors.attempt_id import AttemptId
from markab.executors.base import RunContext
from markab.plan.model import DirectoryPlace, Kind, PlannedJob, PlanSite, local_directory
from markab.plan.plan_file import PlanFile

FAR = PlanSite(scratch=DirectoryPlace("far", "/node/run", "far://h/run", is_local=False))


@pytest.mark.parametrize(
    ("site", "staging", "scratch", "url"),
    [
        ("far", "", "/node/run", "far://h/run"),  # jobs at the site have it mounted
        ("local", "far", "", "far://h/run"),  # others reach it by its URL
        ("far", "local", "/here/run", "file:///here/run"),
        ("local", "", "/here/run", "file:///here/run"),
    ],
)
def test_a_scratch_is_a_path_where_it_is_mounted_and_a_url_elsewhere(
    tmp_path: Path, site: str, staging: str, scratch: str, url: str
) -> None:
    here = PlanSite(scratch=local_directory("local", "/here/run"))
    make_run(tmp_path, [PlannedJob("j", Kind.COMPUTE, site, staging=staging)], {"far": FAR, "local": here})

    context = RunContext("u", "wf", str(tmp_path), "full", 2, 3, None)
    maker = AttemptMaker(PlanFile(tmp_path / "plan.jsonl"), context, Checksums())
    attempt = maker.make(AttemptId("u", 0, 1))

    assert (attempt.scratch, attempt.scratch_url) == (scratch, url)
