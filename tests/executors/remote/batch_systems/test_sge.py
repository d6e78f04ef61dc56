"""Grid Engine's commands as they are typed and read; the recorded answers are those of a real Grid Engine 8.1.9."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from kit.waiting import wait_for_line
from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.sge import GridEngine

SGE = GridEngine()
RECORDED = Path(__file__).parent / "recorded"


def job(**asked: object) -> BatchJob:
    settings = {"name": "mk-1", "elements": 1, "script": "/b/run.sh", "output": "/b/out"} | asked
    return BatchJob(**settings)  # type: ignore[arg-type]


def options(**asked: object) -> str:
    return " ".join(SGE.submit(job(**asked)).argv)


def test_everything_that_can_be_asked_for_is_an_option_of_qsub() -> None:
    line = options(
        elements=10, cores=4, memory_mb=2001, runtime_s=3600.5, grace_s=30, queue="long.q", project="p1"
    )

    for words in (
        "-N mk-1",
        "-t 1-10",
        "-pe smp 4",
        "-l h_vmem=501M",
        "-l h_rt=3601",
        "-l s_rt=3571",
        "-q long.q",
        "-P p1",
        "-w e",
        "-notify",
    ):
        assert f" {words} " in line
    assert line.endswith(" /b/run.sh")


def test_the_user_may_name_the_parallel_environment() -> None:
    assert "smp" not in options(cores=4, arguments=["-pe mpi* 4"])


def test_what_the_user_wrote_comes_last_so_it_wins() -> None:
    assert options(queue="long.q", arguments=["#$ -q short.q"]).endswith(" -q short.q /b/run.sh")


def test_a_path_that_would_be_read_as_a_host_is_not_given() -> None:
    assert " -o /dev/null " in options(output="/b:c/out")


def script(tmp_path: Path, command: str, task: str) -> subprocess.Popen[bytes]:
    (tmp_path / "run.sh").write_text(SGE.script(job(), command))
    return subprocess.Popen(
        ["/bin/sh", str(tmp_path / "run.sh")],
        env=os.environ | {"SGE_TASK_ID": task},
        cwd=tmp_path,
        start_new_session=True,
    )


@pytest.mark.parametrize(("task", "element"), [("1", "0"), ("12", "11"), ("undefined", "0")])
def test_the_script_numbers_its_elements_from_0(tmp_path: Path, task: str, element: str) -> None:
    script(tmp_path, "echo $MARKAB_ELEMENT > made", task).wait()

    assert (tmp_path / "made").read_text() == f"{element}\n"


@pytest.mark.parametrize(("code", "told"), [(0, 0), (3, 3), (137, 137), (99, 1), (100, 1)])
def test_an_exit_code_that_means_something_to_the_system_is_not_used(
    tmp_path: Path, code: int, told: int
) -> None:
    assert script(tmp_path, f"exit {code}", "1").wait() == told


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_every_warning_reaches_the_worker_as_sigterm(tmp_path: Path, number: int) -> None:
    """Also if the system sends it to the whole process group, in which the worker would end by it."""
    process = script(
        tmp_path,
        'exec python3 -c \'import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nopen("up", "w").write("up\\n")\ntime.sleep(600)\'',
        "1",
    )
    wait_for_line(tmp_path / "up")

    os.killpg(process.pid, number)

    assert process.wait() == 7


@pytest.mark.parametrize(
    ("printed", "native_id"), [("6.1-1000:1\n", "6"), ("2\n", "2"), ("a note of the site\n7.1-1:1\n", "7")]
)
def test_the_id_is_read(printed: str, native_id: str) -> None:
    assert SGE.read_submitted(printed) == native_id


def test_an_answer_without_an_id_is_an_error_that_shows_it() -> None:
    with pytest.raises(ValueError, match="no id of a job: 'Your job'"):
        SGE.read_submitted("Your job\n")


def test_a_real_listing_is_read() -> None:
    found = SGE.read_queue((RECORDED / "sge-8.1.9-qstat.xml").read_text())

    assert found[BatchElement("32", 4)] == QueueEntry("mk-aa-4", Seen.RUNNING, "", "localhost")
    assert found[BatchElement("32", 5)] == QueueEntry("mk-aa-4", Seen.QUEUED)
    assert (
        found[BatchElement("12", 0)].seen is Seen.HELD
        and "qstat -j 12" in found[BatchElement("12", 0)].reason
    )
    assert found[BatchElement("2", 0)] == QueueEntry("mk-aa-2", Seen.HELD, "hqw: on hold")
    assert [element.position for element in found if element.native_id == "34"] == [
        0,
        1,
        3,
        4,
        5,
        *range(9, 20),
    ]
    assert Counter(native_id for native_id, _ in found) == {"32": 2, "12": 1, "33": 20, "2": 1, "34": 16}


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("qw", Seen.QUEUED), ("Rq", Seen.QUEUED), ("hqw", Seen.HELD), ("hRwq", Seen.HELD), ("r", Seen.RUNNING), ("hr", Seen.RUNNING),
        ("t", Seen.RUNNING), ("Rr", Seen.RUNNING), ("s", Seen.RUNNING), ("tS", Seen.RUNNING), ("RtT", Seen.RUNNING), ("Eqw", Seen.HELD),
        ("EhRqw", Seen.HELD), ("dr", Seen.RUNNING), ("dRT", Seen.RUNNING),
    ],
)  # fmt: skip
def test_every_state_of_the_manual_is_known(state: str, seen: Seen) -> None:
    text = f"<job_list state='x'><JB_job_number>7</JB_job_number><JB_name>a&lt;b</JB_name><state>{state}</state><tasks>3</tasks></job_list>"

    assert [(element, entry.name, entry.seen) for element, entry in SGE.read_queue(text).items()] == [
        (BatchElement("7", 2), "a<b", seen)
    ]


def test_real_accounts_are_read() -> None:
    found = SGE.read_ended((RECORDED / "sge-8.1.9-qacct.txt").read_text())

    assert [found[BatchElement("1", position)].kind for position in range(9)] == [
        "",
        "exit",
        "signal",
        "signal",
        *["signal"] * 5,
    ]
    assert found[BatchElement("1", 1)] == QueueEntry(
        "mk-aa-1", Seen.ENDED, "exit_status 3", "localhost", "exit"
    )
    assert found[BatchElement("1", 2)].reason == "failed 100: assumedly after job, exit_status 137"
    assert found[BatchElement("23", 0)].kind == "timeout"
    assert (
        found[BatchElement("23", 0)].reason
        == "failed 37: qmaster enforced h_rt, h_cpu, or h_vmem limit, exit_status 137"
    )


def test_of_an_element_that_ran_twice_the_later_end_counts() -> None:
    account = "====\nhostname h\njobname mk\njobnumber 7\ntaskid 1\nfailed {}\nexit_status {}\n"

    assert (
        SGE.read_ended(account.format("25 : rescheduling", 0) + account.format(0, 3))[
            BatchElement("7", 0)
        ].kind
        == "exit"
    )
    assert (
        SGE.read_ended(account.format("26 : opening output file", 0))[BatchElement("7", 0)].kind == "storage"
    )
    assert SGE.read_ended(account.format("1 : assumedly before job", 0))[BatchElement("7", 0)].kind == "lost"


def test_elements_are_cancelled_by_ranges_from_1() -> None:
    assert [
        command.argv
        for command in SGE.cancel(
            [BatchElement("7", 2), BatchElement("7", 0), BatchElement("8", 5), BatchElement("7", 1)]
        )
    ] == [["qdel", "7.1-3", "8.6"]]


def test_the_limit_of_an_array_is_read_from_the_site() -> None:
    assert SGE.most_elements((RECORDED / "sge-8.1.9-qconf.txt").read_text()) == 75_000
    assert SGE.most_elements("max_aj_tasks                 200\n") == 200
    assert SGE.most_elements("") == SGE.most_elements("max_aj_tasks 0\n") == 75_000


@pytest.mark.parametrize(
    ("stderr", "busy"),
    [
        ('Unable to run job: Job was rejected because job requests unknown queue "x".', False),
        ("Unable to run job: error: no suitable queues.", False),
        ("Unable to run job: job rejected: you tried to submit a job with more than 75000 tasks", False),
        ("Unable to run job: job rejected: only 1 jobs are allowed per user (current job count: 4)", True),
        ("Unable to run job: job rejected: only 1 jobs are allowed per cluster", True),
        ("error: commlib error: got select error (Connection refused)\nUnable to run job: unable to send message to qmaster using port 6444", True),
    ],
)  # fmt: skip
def test_a_refusal_for_the_moment_is_told_from_one_for_good(stderr: str, busy: bool) -> None:
    assert SGE.is_busy(stderr) is busy
