"""Slurm's commands as they are typed and read; the recorded answers are those of a real Slurm 22.05."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.slurm import Slurm

SLURM = Slurm()
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def job(**asked: object) -> BatchJob:
    settings = {"name": "mk-1", "elements": 1, "script": "/b/run.sh", "output": "/b/out"} | asked
    return BatchJob(**settings)  # type: ignore[arg-type]


def test_everything_that_a_job_asks_for_is_an_option_of_sbatch() -> None:
    asked = job(
        elements=10,
        comment="diamond",
        cores=4,
        memory_mb=2000,
        gpus=1,
        runtime_s=3601,
        grace_s=30,
        queue="long",
        project="p1",
        nodes=2,
        processes_per_node=2,
    )

    words = SLURM.submit(asked).argv

    assert words[0] == "sbatch" and words[-1] == "/b/run.sh"
    assert {
        "--job-name=mk-1",
        "--array=0-9",
        "--no-requeue",
        "--output=/b/out",
        "--chdir=/b",
        "--comment=diamond",
        "--nodes=2",
        "--ntasks=4",
        "--ntasks-per-node=2",
        "--mem=2000M",
        "--gpus=1",
        "--time=1:00:01",
        "--signal=B:TERM@30",
        "--partition=long",
        "--account=p1",
    } < set(words)


def test_cores_are_on_one_node_unless_nodes_were_asked_for() -> None:
    assert {"--nodes=1", "--ntasks=8"} < set(SLURM.submit(job(cores=8)).argv)


def test_what_the_user_wrote_comes_last_so_it_wins() -> None:
    words = SLURM.submit(
        job(queue="long", arguments=["--partition=short", "#SBATCH --constraint='a b'"])
    ).argv

    assert words.index("--partition=long") < words.index("--partition=short")
    assert words[-2] == "--constraint=a b"


def test_a_percent_sign_in_a_path_is_not_a_pattern() -> None:
    assert "--output=/b%%J/out" in SLURM.submit(job(output="/b%J/out")).argv


def test_the_script_numbers_its_elements_from_0() -> None:
    assert SLURM.script(job(), "exec true").splitlines() == [
        "#!/bin/sh",
        'MARKAB_ELEMENT="${SLURM_ARRAY_TASK_ID:-0}"',
        "export MARKAB_ELEMENT",
        "exec true",
    ]


@pytest.mark.parametrize("printed", ["42\n", "42;cluster\n", "sbatch: a note of the site\n42\n"])
def test_the_id_is_read(printed: str) -> None:
    assert SLURM.read_submitted(printed) == "42"


@pytest.mark.parametrize("printed", ["", "Submitted batch job 42\n", "none\n"])
def test_an_answer_without_an_id_is_an_error_that_shows_it(printed: str) -> None:
    with pytest.raises(ValueError, match="printed no id"):
        SLURM.read_submitted(printed)


def test_a_real_listing_is_read() -> None:
    found = SLURM.read_queue(recorded("slurm-22.05-squeue.txt"))

    assert len(found) == 22
    assert found[BatchElement("1", 0)] == QueueEntry("mk-aa-1", Seen.ENDED, "COMPLETED", "n1")
    assert found[BatchElement("1", 1)] == QueueEntry(
        "mk-aa-1", Seen.ENDED, "FAILED NonZeroExitCode", "n1", "exit"
    )
    assert found[BatchElement("1", 2)] == QueueEntry(
        "mk-aa-1", Seen.ENDED, "FAILED JobLaunchFailure", "n1", "lost"
    )
    assert found[BatchElement("1", 8)] == QueueEntry("mk-aa-1", Seen.ENDED, "CANCELLED", "n1", "cancelled")
    assert found[BatchElement("2", 0)] == QueueEntry("mk-aa-2", Seen.HELD, "JobHeldUser")
    assert found[BatchElement("4", 0)] == QueueEntry(
        "mk-aa-4", Seen.ENDED, "TIMEOUT TimeLimit", "n1", "timeout"
    )
    assert found[BatchElement("5", 0)] == QueueEntry("mk-aa-5", Seen.HELD, "PartitionTimeLimit")
    # The reason why it waited says nothing about its end.
    assert found[BatchElement("3", 0)] == QueueEntry("mk-aa-3", Seen.ENDED, "CANCELLED", "", "cancelled")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("7|3|PENDING||Resources|mk", QueueEntry("mk", Seen.QUEUED, "Resources")),
        ("7|3|PENDING||QOSMaxCpuPerJobLimit|mk", QueueEntry("mk", Seen.HELD, "QOSMaxCpuPerJobLimit")),
        (
            "7|3|PENDING||ReqNodeNotAvail, UnavailableNodes:n1|mk",
            QueueEntry("mk", Seen.QUEUED, "ReqNodeNotAvail, UnavailableNodes:n1"),
        ),
        ("7|3|RUNNING|n[1-2]|None|mk", QueueEntry("mk", Seen.RUNNING, "", "n[1-2]")),
        ("7|3|COMPLETING|n1|None|mk", QueueEntry("mk", Seen.RUNNING, "COMPLETING", "n1")),
        ("7|3|SUSPENDED|n1|None|mk", QueueEntry("mk", Seen.RUNNING, "SUSPENDED", "n1")),
        (
            "7|3|OUT_OF_MEMORY|n1|OutOfMemory|mk",
            QueueEntry("mk", Seen.ENDED, "OUT_OF_MEMORY OutOfMemory", "n1", "memory"),
        ),
        ("7|3|NODE_FAIL|n1|NodeFail|mk", QueueEntry("mk", Seen.ENDED, "NODE_FAIL NodeFail", "n1", "lost")),
        ("7|3|PREEMPTED|n1|None|mk", QueueEntry("mk", Seen.ENDED, "PREEMPTED", "n1", "lost")),
        ("7|3|RUNNING|n\x1b[31m1|None|a|b", QueueEntry("a|b", Seen.RUNNING, "", "n [31m1")),
    ],
)
def test_one_line_of_squeue(line: str, entry: QueueEntry) -> None:
    assert SLURM.read_queue(line + "\n") == {BatchElement("7", 3): entry}


@pytest.mark.parametrize(
    "line",
    [
        "7|3|PENDING||None",
        "7|3|DANCING||None|mk",
        "x|3|PENDING||None|mk",
        "7|x|PENDING||None|mk",
        "slurm_load_jobs error",
    ],
)
def test_a_line_that_cannot_be_read_costs_no_other(line: str) -> None:
    assert list(SLURM.read_queue(f"1|0|PENDING||None|mk\n{line}\n1|1|PENDING||None|mk\n")) == [
        BatchElement("1", 0),
        BatchElement("1", 1),
    ]


def test_accounts_tell_exit_code_and_signal() -> None:
    # In the form of sacct --parsable2 of Slurm 22.05.
    found = SLURM.read_ended(
        "9_0|COMPLETED|0:0|n1|mk\n9_1|FAILED|3:0|n1|mk\n9_2|FAILED|0:9|n1|mk\n9_3|FAILED|0:53|n1|mk\n"
        "9_4|CANCELLED by 1000|0:0|n1|mk\n9_[5-7%2]|PENDING|0:0|None assigned|mk\n9_8|OUT_OF_ME+|0:125|n1|mk\n9_9|TIMEOUT|0:0|n1|mk\n"
    )

    assert [(element.position, entry.seen, entry.kind) for element, entry in found.items()] == [
        (0, Seen.ENDED, ""),
        (1, Seen.ENDED, "exit"),
        (2, Seen.ENDED, "signal"),
        (3, Seen.ENDED, "storage"),
        (4, Seen.ENDED, "cancelled"),
        (5, Seen.QUEUED, ""),
        (6, Seen.QUEUED, ""),
        (7, Seen.QUEUED, ""),
        (9, Seen.ENDED, "timeout"),
    ]
    assert found[BatchElement("9", 1)].reason == "FAILED 3:0"


def test_elements_are_cancelled_by_ranges() -> None:
    assert [
        command.argv
        for command in SLURM.cancel(
            [BatchElement("7", 2), BatchElement("7", 0), BatchElement("8", 5), BatchElement("7", 1)]
        )
    ] == [["scancel", "7_[0-2]", "8_[5]"]]


def test_the_limit_of_an_array_is_read_from_the_site() -> None:
    assert SLURM.most_elements(recorded("slurm-22.05-config.txt")) == 10001
    assert SLURM.most_elements("") == 1001
    assert SLURM.most_elements("MaxArraySize = 0\n") == 1


@pytest.mark.parametrize(
    ("stderr", "busy"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", False),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", False),
        ("sbatch: error: Memory specification can not be satisfied", False),
        ("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", False),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("sbatch: error: Batch job submission failed: Resource temporarily unavailable", True),
    ],
)  # fmt: skip
def test_a_refusal_for_the_moment_is_told_from_one_for_good(stderr: str, busy: bool) -> None:
    assert SLURM.is_busy(stderr) is busy
