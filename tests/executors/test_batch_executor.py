"""Attempts on a batch system that is late, busy, forgetful, or gone: what the executor reports, and what it submits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.fake_batch_system import FakeBatchSystem, Job
from kit.waiting import wait_until
from markab.errors import ExecutorUnavailable
from markab.executors import batch_executor
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, RunContext, Seen
from markab.executors.batch_executor import BatchExecutor
from markab.executors.remote.batch_systems import language
from markab.executors.remote.command_service import CommandService
from markab.plan.model import BatchRequest, Input, Kind, Output, PlannedJob, PlannedTask

UUID = "0a1b2c3d-4e5f"


class Cluster:
    """The executor under test, its batch system, and what was reported."""

    def __init__(self, top: Path) -> None:
        self.top, self.system = top, FakeBatchSystem()
        self.reports: list[Report] = []
        (top / "scratch").mkdir()
        self.executor = self.make()

    def make(self, grace_s: float = 0.3) -> BatchExecutor:
        self.executor = BatchExecutor(
            CommandService(language("slurm"), self.system),  # type: ignore[arg-type]
            grace_s=grace_s,
            poll_s=(0.02, 0.05),
        )
        return self.executor

    def attempt(self, job: int = 1, number: int = 1, scratch: str | None = None, **more: Any) -> Attempt:
        task = PlannedTask(f"ID{job}", "sh", "/bin/sh")
        batch = more.pop("batch", None)
        planned = PlannedJob(f"job{job}", Kind.COMPUTE, "cluster", tasks=[task], batch=batch, **more)
        context = RunContext(UUID, "flow", str(self.top), "full", 2, 1, None)
        place = str(self.top / "scratch") if scratch is None else scratch
        return Attempt(AttemptId(UUID, job, number), planned, context, place, str(self.top / "work"))

    def submit(self, *attempts: Attempt) -> list[Job]:
        """Submit, and wait until the batch system has them all."""
        before = sum(len(job.states) for job in self.system.jobs)
        self.executor.submit(attempts)
        self.until(lambda: sum(len(job.states) for job in self.system.jobs) >= before + len(attempts))
        return self.system.jobs

    def until(self, is_true: Callable[[], bool]) -> None:
        def look() -> bool:
            self.reports += self.executor.wait(0.01)
            return is_true()

        wait_until(look)

    def seen(self, job: int = 1) -> list[Seen]:
        return [report.seen for report in self.reports if report.id.job == job]

    def until_seen(self, seen: Seen, job: int = 1) -> Report:
        self.until(lambda: seen in self.seen(job))
        return next(one for one in self.reports if one.id.job == job and one.seen is seen)

    def polls(self) -> int:
        return sum(call[0] == "squeue" for call in self.system.calls)

    def let_it_poll(self, times: int = 3) -> None:
        goal = self.polls() + times
        self.until(lambda: self.polls() >= goal)

    def restart(self) -> None:
        """End the engine, and start another."""
        self.executor.close()
        self.make()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(batch_executor, "AGAIN_S", (0.05, 0.1))
    made = Cluster(tmp_path)
    yield made
    made.executor.close()


def error_of(report: Report) -> dict[str, Any]:
    assert report.record is not None and not report.record["ok"]
    error: dict[str, Any] = report.record["error"]
    return error


# -- what is submitted ------------------------------------------------------------------------------


def test_attempts_that_ask_for_the_same_become_one_array(cluster: Cluster) -> None:
    jobs = cluster.submit(*(cluster.attempt(n) for n in range(1, 6)), cluster.attempt(9, memory_mb=2000))

    assert [len(job.states) for job in jobs] == [5, 1]
    assert "--mem=2000M" in jobs[1].words and not any(word.startswith("--mem") for word in jobs[0].words)
    assert [item["spec"]["job"]["id"] for line in jobs[0].specs() for item in line] == [
        f"job{n}" for n in range(1, 6)
    ]


def test_an_array_is_as_large_as_the_site_allows(cluster: Cluster) -> None:
    cluster.system.limit = 3
    jobs = cluster.submit(*(cluster.attempt(n) for n in range(1, 8)))

    assert [len(job.states) for job in jobs] == [3, 3, 1]


def test_queue_account_and_directives_of_the_user_are_passed_on(cluster: Cluster) -> None:
    batch = BatchRequest("gpu", "acc", 2, 3, ["--qos=high", "#SBATCH --constraint=a100"])
    (job,) = cluster.submit(cluster.attempt(batch=batch, gpus=1, cores=6, runtime_s=600))

    expected = {
        "--partition=gpu",
        "--account=acc",
        "--nodes=2",
        "--ntasks-per-node=3",
        "--gpus=1",
        "--qos=high",
    }
    assert expected | {"--constraint=a100", "--time=0:10:00", "--no-requeue"} <= set(job.words)
    assert "exec python3 " in job.script.read_text() and "--limit=570" in job.script.read_text()


def test_the_batch_is_on_disk_before_the_command_runs(cluster: Cluster) -> None:
    cluster.system.fail("sbatch", *["timeout"] * 1000)
    cluster.executor.submit([cluster.attempt()])
    cluster.until(lambda: any(call[0] == "sbatch" for call in cluster.system.calls))

    (script,) = cluster.top.glob("scratch/.batches/mk0a1b2-*/script")
    assert "specs" in {path.name for path in script.parent.iterdir()}


def test_nothing_is_submitted_twice_when_the_answer_of_a_submission_was_lost(cluster: Cluster) -> None:
    cluster.system.fail("sbatch", "lost")
    cluster.submit(cluster.attempt())
    cluster.until_seen(Seen.QUEUED)
    cluster.let_it_poll()

    assert len(cluster.system.jobs) == 1
    cluster.system.jobs[0].finish()
    assert cluster.until_seen(Seen.ENDED).native_id == "1_0"


def test_while_a_submission_is_not_accepted_the_reason_is_shown_and_no_more_are_taken(
    cluster: Cluster,
) -> None:
    cluster.system.fail("sbatch", *["Batch job submission failed: Socket timed out"] * 3)
    cluster.executor.submit([cluster.attempt(1)])
    report = cluster.until_seen(Seen.QUEUED)

    assert "cannot be submitted now" in report.reason and "Socket timed out" in report.reason
    with pytest.raises(ExecutorUnavailable, match="Socket timed out"):
        cluster.executor.submit([cluster.attempt(2)])
    cluster.until(lambda: bool(cluster.system.jobs))
    cluster.until(lambda: cluster.reports[-1].reason == "")
    cluster.submit(cluster.attempt(2))


def test_a_submission_that_the_system_refuses_ends_the_attempts_with_its_words(cluster: Cluster) -> None:
    cluster.system.fail("sbatch", "sbatch: error: invalid partition specified: nope")
    cluster.executor.submit([cluster.attempt()])

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error["kind"] == "refused"
    assert error["message"] == "Slurm refused the job: sbatch: error: invalid partition specified: nope"
    assert (
        error["hint"].startswith("correct what the job asks for") and "catalog says of site" in error["hint"]
    )


def test_a_machine_without_the_program_is_named(cluster: Cluster) -> None:
    cluster.system.fail("sbatch", "absent")
    cluster.executor.submit([cluster.attempt()])

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error["kind"] == "no-program" and "'sbatch'" in error["message"] and "login node" in error["hint"]


def test_a_login_node_without_the_file_system_is_refused(cluster: Cluster) -> None:
    cluster.system.contact, cluster.system.shares = "ada@login", False
    cluster.executor.submit([cluster.attempt()])

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error["kind"] == "storage" and "'ada@login'" in error["message"] and "shares" in error["message"]


def test_a_scratch_directory_that_is_not_here_is_refused(cluster: Cluster) -> None:
    cluster.executor.submit([cluster.attempt(1, scratch=""), cluster.attempt(2, scratch="/no/such/scratch")])

    assert "by a URL only" in error_of(cluster.until_seen(Seen.ENDED, 1))["message"]
    assert "'/no/such/scratch'" in error_of(cluster.until_seen(Seen.ENDED, 2))["message"]


# -- what is reported -------------------------------------------------------------------------------


def test_an_attempt_waits_with_the_words_of_the_site_runs_and_ends(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    cluster.until(lambda: any(one.reason == "Priority" for one in cluster.reports))
    job.states[0] = ["PENDING", "JobHeldAdmin", ""]
    held = cluster.until_seen(Seen.HELD)
    job.states[0] = ["RUNNING", "", "node1"]
    job.begin()
    cluster.until_seen(Seen.RUNNING)
    job.finish(outputs=[])

    assert held.reason == "JobHeldAdmin" and held.native_id == "1_0"
    assert cluster.until_seen(Seen.ENDED).record == {"ok": True, "host": "node1", "start": 1.0, "end": 2.0}
    assert Seen.LOST not in cluster.seen()


def test_polls_that_fail_change_nothing_and_stop_new_submissions(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt(1))
    cluster.until_seen(Seen.QUEUED)
    cluster.system.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 8)
    cluster.let_it_poll(5)
    with pytest.raises(ExecutorUnavailable, match="Unable to contact"):
        cluster.executor.submit([cluster.attempt(2)])
    cluster.let_it_poll(6)

    assert set(cluster.seen()) == {Seen.QUEUED}
    job.finish()
    assert cluster.until_seen(Seen.ENDED).record is not None
    cluster.submit(cluster.attempt(3))


def test_a_listing_that_takes_long_to_read_is_asked_for_less_often(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_executor, "LARGEST_PART", 1e-9)
    cluster.submit(cluster.attempt())
    cluster.until(lambda: cluster.executor._poll_pause_s > 3600)
    polls = cluster.polls()
    for _ in range(20):
        cluster.reports += cluster.executor.wait(0.01)
    assert cluster.polls() == polls


def test_a_record_that_comes_late_counts_whatever_the_queue_says(cluster: Cluster) -> None:
    cluster.executor.close()
    cluster.make(grace_s=3600.0)
    (job,) = cluster.submit(cluster.attempt())
    job.begin()
    job.states[0] = ["FAILED", "NonZeroExitCode", "node1"]
    cluster.let_it_poll(6)
    assert Seen.ENDED not in cluster.seen()

    job.finish()
    record = cluster.until_seen(Seen.ENDED).record
    assert record is not None and record["ok"]


@pytest.mark.parametrize(
    ("state", "kind"),
    [("TIMEOUT", "timeout"), ("OUT_OF_MEMORY", "memory"), ("FAILED", "exit"), ("COMPLETED", "internal")],
)
def test_an_end_without_a_record_is_told_in_the_words_of_the_system(
    cluster: Cluster, state: str, kind: str
) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.begin()
    (job.directory / "output").write_text("python3: not found\n")
    job.states[0] = [state, "", "node1"]

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error["kind"] == kind
    assert error["message"] == (
        f"Slurm reports {state} on node1, and the worker left no record; it printed: python3: not found"
    )


def test_what_ran_on_a_node_that_failed_is_lost_and_without_effect(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.begin()
    job.states[0] = ["NODE_FAIL", "", "node1"]

    assert "NODE_FAIL" in cluster.until_seen(Seen.LOST).reason
    assert job.is_revoked("fences")


def test_what_the_system_has_forgotten_is_lost_and_without_effect(cluster: Cluster) -> None:
    begun, waiting = cluster.submit(cluster.attempt(1), cluster.attempt(2, memory_mb=1))
    begun.begin()
    cluster.until_seen(Seen.RUNNING)
    begun.states[0][0] = waiting.states[0][0] = ""

    assert "does not know it" in cluster.until_seen(Seen.LOST, 1).reason
    cluster.until_seen(Seen.LOST, 2)
    for job, folder in (
        (begun, "fences"),
        (waiting, "claims"),
    ):  # or its directory is gone, and the worker fails
        assert job.is_revoked(folder) or not job.directory.exists()


def test_what_the_system_has_forgotten_goes_on_while_its_worker_shows_life(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.begin()
    cluster.until_seen(Seen.RUNNING)
    job.states[0][0] = ""
    for _ in range(20):
        job.begin()  # sets its time anew
        cluster.let_it_poll(1)
    job.finish()

    assert cluster.until_seen(Seen.ENDED).record and Seen.LOST not in cluster.seen()


def test_an_id_that_was_given_to_another_job_is_not_believed(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    cluster.until_seen(Seen.QUEUED)
    job.name = "of-somebody-else"
    job.states[0] = ["FAILED", "", "node9"]

    cluster.until_seen(Seen.LOST)
    assert not cluster.system.cancelled


def test_an_element_that_was_cancelled_by_hand_in_the_queue_is_reported_so(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.states[0] = ["CANCELLED", "", ""]

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error["kind"] == "cancelled" and "CANCELLED" in error["message"]
    assert job.is_revoked("claims")


def test_a_worker_that_was_ended_from_outside_fails_for_the_reason_that_the_system_gives(
    cluster: Cluster,
) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.states[0] = ["TIMEOUT", "", "node1"]
    job.finish(ok=False, error={"kind": "cancelled", "message": "task 'ID1' was cancelled"})

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error == {"kind": "timeout", "message": "task 'ID1' was cancelled: Slurm reports TIMEOUT"}


def test_words_of_the_site_are_one_printable_line(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.states[0] = ["PENDING", "JobHeldUser \x1b[31m evil", ""]

    assert cluster.until_seen(Seen.HELD).reason == "JobHeldUser  [31m evil"


def test_outputs_that_a_job_does_not_declare_are_not_taken_from_its_record(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt(outputs=[Output("out")], inputs=[Input("in")]))
    entries = [{"lfn": "out", "size": 1}, {"lfn": "../evil", "size": 1}]
    job.finish(outputs=entries)

    record = cluster.until_seen(Seen.ENDED).record
    assert record is not None and record["outputs"] == entries[:1]


def test_a_record_that_is_none_fails_the_attempt(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.begin()
    (job.directory / "records/0.json").write_text("{half")

    assert error_of(cluster.until_seen(Seen.ENDED))["kind"] == "transfer"


# -- several in one process -------------------------------------------------------------------------


def packed(cluster: Cluster, count: int = 130) -> Job:
    """Submit attempts that are expected to take 5 s each."""
    cluster.executor.submit([cluster.attempt(n, runtime_s=5) for n in range(1, count + 1)])
    cluster.until(lambda: bool(cluster.system.jobs))
    return cluster.system.jobs[0]


def test_many_short_attempts_share_processes(cluster: Cluster) -> None:
    job = packed(cluster)

    assert [len(line) for line in job.specs()] == [3] * 43 + [1]
    assert "--time=0:01:00" in job.words


def test_of_a_process_that_ends_early_the_rest_is_lost_and_not_failed(cluster: Cluster) -> None:
    job = packed(cluster)
    job.finish(0)
    job.begin(1)
    job.states[0] = ["OUT_OF_MEMORY", "", "node1"]

    assert cluster.until_seen(Seen.ENDED, 1).record is not None
    assert error_of(cluster.until_seen(Seen.ENDED, 2))["kind"] == "memory"
    assert "before its turn" in cluster.until_seen(Seen.LOST, 3).reason


def test_one_of_several_in_a_process_is_cancelled_without_the_others(cluster: Cluster) -> None:
    job = packed(cluster)
    job.states[0] = ["RUNNING", "", "node1"]
    job.begin(0)
    cluster.until_seen(Seen.RUNNING, 1)
    cluster.executor.cancel([cluster.attempt(1).id, cluster.attempt(2).id])

    assert error_of(cluster.until_seen(Seen.ENDED, 2))["kind"] == "cancelled"
    cluster.until(lambda: job.is_revoked("fences", 0))
    assert job.is_revoked("claims", 1) and not cluster.system.cancelled


# -- cancelling -------------------------------------------------------------------------------------


def test_what_has_not_begun_is_cancelled_at_once_and_taken_out_of_the_queue(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt(1), cluster.attempt(2))
    cluster.executor.cancel([AttemptId(UUID, 1, 1), AttemptId(UUID, 77, 1)])

    error = error_of(cluster.until_seen(Seen.ENDED))
    assert error == {"kind": "cancelled", "message": "cancelled before it ran"}
    cluster.until(lambda: cluster.system.cancelled == [f"{job.id}_[0]"])
    assert job.is_revoked("claims", 0) and not job.is_revoked("claims", 1)


def test_what_runs_is_cancelled_by_the_system_and_ends_by_its_record(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.states[0] = ["RUNNING", "", "node1"]
    job.begin()
    cluster.until_seen(Seen.RUNNING)
    cluster.executor.cancel([AttemptId(UUID, 1, 1)])
    cluster.until(lambda: cluster.system.cancelled == ["1_[0]"])
    assert Seen.ENDED not in cluster.seen()
    job.finish(ok=False, error={"kind": "cancelled", "message": "task 'ID1' was cancelled"})

    assert error_of(cluster.until_seen(Seen.ENDED))["message"] == "task 'ID1' was cancelled"


def test_what_was_cancelled_while_the_queue_did_not_answer_is_taken_out_later(cluster: Cluster) -> None:
    cluster.submit(cluster.attempt())
    cluster.until_seen(Seen.QUEUED)
    cluster.system.fail("squeue", "timeout", "timeout")
    cluster.executor.cancel([AttemptId(UUID, 1, 1)])
    cluster.until_seen(Seen.ENDED)

    cluster.until(lambda: cluster.system.cancelled == ["1_[0]"])


# -- another engine ---------------------------------------------------------------------------------


def recovered(cluster: Cluster, attempts: Sequence[Attempt]) -> dict[int, Seen]:
    return {report.id.job: report.seen for report in cluster.executor.recover(attempts)}


def test_another_engine_finds_every_state_again_and_submits_nothing(cluster: Cluster) -> None:
    attempts = [cluster.attempt(n) for n in range(1, 5)]
    (job,) = cluster.submit(*attempts)
    cluster.until_seen(Seen.QUEUED, 4)
    cluster.restart()
    job.begin(1)
    job.finish(2)
    (job.directory / "claims/3").write_text("revoked\n")

    seen = recovered(cluster, [*attempts, cluster.attempt(9)])
    assert seen == {1: Seen.QUEUED, 2: Seen.RUNNING, 3: Seen.ENDED, 4: Seen.LOST, 9: Seen.LOST}
    cluster.executor.submit(attempts)
    job.finish(0)
    job.finish(1)
    cluster.until_seen(Seen.ENDED, 1)
    cluster.until_seen(Seen.ENDED, 2)
    assert len(cluster.system.jobs) == 1


def test_a_batch_that_was_written_and_not_submitted_is_submitted_by_the_next_engine(cluster: Cluster) -> None:
    cluster.system.fail("sbatch", *["timeout"] * 1000)
    attempt = cluster.attempt()
    cluster.executor.submit([attempt])
    cluster.until(lambda: any(call[0] == "sbatch" for call in cluster.system.calls))
    cluster.restart()
    cluster.system.faults.clear()

    assert recovered(cluster, [attempt]) == {1: Seen.QUEUED}
    cluster.until(lambda: len(cluster.system.jobs) == 1)
    cluster.let_it_poll()
    assert len(cluster.system.jobs) == 1


def test_a_batch_whose_submission_was_not_answered_is_found_by_its_name(cluster: Cluster) -> None:
    attempt = cluster.attempt()
    (job,) = cluster.submit(attempt)
    cluster.until_seen(Seen.QUEUED)
    cluster.restart()
    (job.directory / "submitted").unlink()

    assert recovered(cluster, [attempt]) == {1: Seen.QUEUED}
    job.states[0] = ["PENDING", "JobHeldUser", ""]
    cluster.until_seen(Seen.HELD)
    assert len(cluster.system.jobs) == 1


def test_what_the_journal_says_has_ended_is_taken_out_of_the_queue(cluster: Cluster) -> None:
    attempts = [cluster.attempt(1), cluster.attempt(2)]
    (job,) = cluster.submit(*attempts)
    cluster.until_seen(Seen.QUEUED, 2)
    cluster.restart()

    assert recovered(cluster, attempts[:1]) == {1: Seen.QUEUED}
    cluster.until(lambda: cluster.system.cancelled == ["1_[1]"])
    assert job.is_revoked("claims", 1) and not job.is_revoked("claims", 0)


def test_of_a_batch_that_was_submitted_twice_one_is_taken_out_of_the_queue(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    cluster.system.jobs.append(replace(job, id="2", states=[["PENDING", "Priority", ""]]))
    job.states[0] = ["RUNNING", "", "node1"]

    cluster.until(lambda: cluster.system.cancelled == ["2_[0]"])
    job.finish()
    assert cluster.until_seen(Seen.ENDED).record is not None and cluster.system.cancelled == ["2_[0]"]


def test_an_end_can_be_recovered_until_the_engine_has_recorded_it(cluster: Cluster) -> None:
    attempt = cluster.attempt()
    (job,) = cluster.submit(attempt)
    job.finish()
    cluster.until_seen(Seen.ENDED)
    cluster.restart()
    assert recovered(cluster, [attempt]) == {1: Seen.ENDED}

    cluster.until(lambda: not job.directory.exists())
    cluster.restart()
    assert recovered(cluster, [attempt]) == {1: Seen.LOST}


def test_close_leaves_what_is_in_the_queue(cluster: Cluster) -> None:
    cluster.submit(cluster.attempt())
    cluster.executor.close()
    cluster.executor.close()

    assert not cluster.system.cancelled and cluster.system.jobs[0].states[0][0] == "PENDING"


def test_another_attempt_of_a_job_is_another_attempt(cluster: Cluster) -> None:
    (job,) = cluster.submit(cluster.attempt())
    job.finish(ok=False, error={"kind": "exit", "message": "exit code 1"})
    cluster.until_seen(Seen.ENDED)
    again = msgspec.structs.replace(cluster.attempt(), id=AttemptId(UUID, 1, 2))
    jobs = cluster.submit(again)
    cluster.executor.submit([cluster.attempt()])

    jobs[1].finish()
    cluster.until(lambda: len([one for one in cluster.reports if one.record]) == 2)
    assert len(cluster.system.jobs) == 2
