"""What an attempt is given: the run's scratch, checksums, and what failed attempts and jobs left."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.engine_fakes import make_run
from markab.engine.attempt_maker import AttemptMaker
from markab.engine.partial_job import FailedParent
from markab.engine.recovery import Checksums
from markab.executors.attempt_id import AttemptId
from markab.executors.base import RunContext
from markab.journal.attempt_record import MovedFile
from markab.journal.lifecycle import State
from markab.plan.model import (
    DirectoryPlace,
    Input,
    Kind,
    Output,
    PlannedJob,
    PlanSite,
    Transfer,
    local_directory,
)
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


SHA = "ab" * 32


def maker_of(top: Path, job: PlannedJob) -> AttemptMaker:
    make_run(top, [job])
    checksums = Checksums()
    checksums.learn({"outputs": [{"lfn": lfn, "sha256": SHA} for lfn in ("state", "data")]})
    context = RunContext("u", "wf", str(top), "full", 2, 3, None)
    arrived = {0: [MovedFile("data", bytes=7), MovedFile("link")]}
    return AttemptMaker(PlanFile(top / "plan.jsonl"), context, checksums, arrived)


def test_a_job_that_moves_files_is_given_what_an_earlier_attempt_moved(tmp_path: Path) -> None:
    maker = maker_of(tmp_path, PlannedJob("in", Kind.STAGE_IN, "local"))

    assert maker.make(AttemptId("u", 0, 1)).arrived == {}
    assert maker.make(AttemptId("u", 0, 2)).arrived == {"data": 7, "link": None}


def test_a_checkpoint_is_verified_only_at_the_first_attempt(tmp_path: Path) -> None:
    """A later one starts from what one before it left, also if that was lost and its checksum is not known."""
    inputs, outputs = [Input("state", optional=True), Input("data")], [Output("state", checkpoint=True)]
    maker = maker_of(tmp_path, PlannedJob("j", Kind.COMPUTE, "local", inputs=inputs, outputs=outputs))

    assert maker.make(AttemptId("u", 0, 1)).checksums == {"state": SHA, "data": SHA}
    assert (
        maker.make(AttemptId("u", 0, 2)).checksums == {"data": SHA}
        and not maker.make(AttemptId("u", 0, 2)).arrived
    )


def test_an_attempt_without_what_failed_parents_make_has_the_rest_and_the_reason(tmp_path: Path) -> None:
    job = PlannedJob(
        "out", Kind.STAGE_OUT, "local", transfers=[Transfer("data", [], []), Transfer("bad", [], [])]
    )
    maker = maker_of(tmp_path, job)
    parent = PlannedJob("broken", Kind.COMPUTE, "local", outputs=[Output("bad")])

    attempt = maker.make(AttemptId("u", 0, 1), [FailedParent(parent, State.FAILED, ())])

    assert [transfer.lfn for transfer in attempt.job.transfers] == ["data"]
    assert attempt.incomplete == "1 file not delivered, because broken failed: 'bad'"
