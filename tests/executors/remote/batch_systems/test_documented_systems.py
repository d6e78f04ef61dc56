"""PBS, Torque, Moab, LSF, Flux and Cobalt as they are typed and read.

There is none of them here, nor can one be installed: the recorded answers are made from their manuals.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems import language

RECORDED = Path(__file__).parent / "recorded"
ASKED = {
    "elements": 10, "comment": "diamond", "cores": 4, "memory_mb": 2001, "gpus": 2, "runtime_s": 3600.5, "grace_s": 90, "queue": "long",
    "project": "p1",
}  # fmt: skip


def job(**asked: object) -> BatchJob:
    settings = {"name": "mk-1", "elements": 1, "script": "/b x/run.sh", "output": "/b x/out"} | asked
    return BatchJob(**settings)  # type: ignore[arg-type]


def options(system: str, **asked: object) -> str:
    return " ".join(language(system).submit(job(**asked)).argv)


def read(system: str, name: str) -> dict[tuple[str, int], tuple[str, str, str, str, str]]:
    found = language(system).read_queue((RECORDED / name).read_text())
    return {
        (element.native_id, element.position): (
            entry.name,
            entry.seen.value,
            entry.kind,
            entry.host,
            entry.reason,
        )
        for element, entry in found.items()
    }


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("pbs", "-N mk-1|-J 0-9|-l select=1:ncpus=4:mem=2001mb:ngpus=2|-l walltime=1:00:01|-q long|-A p1"),
        ("torque", "-N mk-1|-t 0-9|-l nodes=1:ppn=4:gpus=2|-l mem=2001mb|-l walltime=1:00:01|-q long|-A p1|-r n"),
        ("lsf", "-J mk-1[1-10]|-Jd diamond|-n 4 -R span[hosts=1]|-M 2001MB|-gpu num=2|-W 61|-wt 2 -wa TERM|-q long|-P p1"),
        ("flux", "--job-name=mk-1|--ntasks=1 --cores-per-task=4|--gpus-per-task=2|--time-limit=3601s|--signal=SIGTERM@90s|--queue=long|--bank=p1"),
        ("cobalt", "--jobname mk-1|-n 1|-t 61|-q long|-A p1|--mode script"),
    ],
)  # fmt: skip
def test_what_a_job_asks_for_is_an_option(system: str, expected: str) -> None:
    for words in expected.split("|"):
        assert f" {words} " in options(system, **ASKED)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("pbs", "select=2:ncpus=4:mpiprocs=4:mem=1001mb -l place=scatter"),
        ("torque", "nodes=2:ppn=4"),
        ("lsf", "-nnodes 2"),
        ("flux", "--ntasks=2 --cores-per-task=4 --nodes=2"),
        ("cobalt", "-n 2"),
    ],
)
def test_nodes_are_asked_for(system: str, expected: str) -> None:
    assert expected in options(system, cores=8, nodes=2, processes_per_node=4, memory_mb=2001)


def test_one_element_of_pbs_is_no_array_and_is_not_run_again() -> None:
    assert " -J " not in options("pbs") and " -r n " in options("pbs")
    assert " -r n " not in options("pbs", elements=2)


def test_moab_submits_with_its_own_program() -> None:
    assert options("moab").startswith("msub -N mk-1 ")
    assert language("moab").most_elements("") == 1


def test_lsf_is_given_a_path_as_text_for_a_shell() -> None:
    assert language("lsf").submit(job()).argv[-1] == "exec /bin/sh '/b x/run.sh'"


@pytest.mark.parametrize(
    ("system", "variable", "value", "element"),
    [
        ("pbs", "PBS_ARRAY_INDEX", "7", "7"), ("torque", "PBS_ARRAYID", "7", "7"), ("lsf", "LSB_JOBINDEX", "8", "7"), ("pbs", "X", "", "0"),
        ("torque", "X", "", "0"), ("lsf", "X", "", "0"), ("flux", "X", "", "0"), ("cobalt", "X", "", "0"),
    ],
)  # fmt: skip
def test_the_script_numbers_its_elements_from_0(
    tmp_path: Path, system: str, variable: str, value: str, element: str
) -> None:
    script = tmp_path / "run.sh"
    script.write_text(language(system).script(job(), "echo $MARKAB_ELEMENT\nexit 3"))

    done = subprocess.run(
        ["/bin/sh", script], env=os.environ | {variable: value}, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.returncode) == (f"{element}\n", 3)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGINT, signal.SIGTERM])
def test_every_warning_of_lsf_reaches_the_worker_as_sigterm(tmp_path: Path, number: int) -> None:
    script = tmp_path / "run.sh"
    script.write_text(
        language("lsf").script(job(), "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")
    )
    process = subprocess.Popen(["/bin/sh", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout and process.stdout.readline() == b"up\n"

    process.send_signal(number)

    assert process.wait() == 7


@pytest.mark.parametrize(
    ("system", "printed", "native_id"),
    [
        ("pbs", "12.pbs1\n", "12.pbs1"), ("pbs", "12[].pbs1.site\n", "12[].pbs1.site"), ("torque", "a note\n20[].t\n", "20[].t"),
        ("moab", "\n20.torque1\n", "20.torque1"), ("lsf", "Job <31> is submitted to default queue <normal>.\n", "31"),
        ("flux", "ƒ2oKNdRvdM\n", "f2oKNdRvdM"), ("cobalt", "Memory mode set\n41\n", "41"),
    ],
)  # fmt: skip
def test_the_id_is_read(system: str, printed: str, native_id: str) -> None:
    assert language(system).read_submitted(printed) == native_id


def test_pbs_is_read() -> None:
    assert read("pbs", "pbs-documented.json") == {
        ("12[].pbs1", 0): ("mk-1", "ended", "", "n1", "Exit_status 0"),
        ("12[].pbs1", 1): ("mk-1", "ended", "exit", "n1", "Exit_status 3 Subjob finished"),
        ("12[].pbs1", 2): ("mk-1", "ended", "signal", "n2", "Exit_status 271 Job deleted"),
        ("12[].pbs1", 3): ("mk-1", "running", "", "n2", ""),
        ("12[].pbs1", 4): ("mk-1", "queued", "", "", "Not Running: Insufficient amount of resource: ncpus"),
        ("13.pbs1", 0): ("mk-2", "held", "", "", "Job held by ada on Tue Oct 11"),
        ("14.pbs1", 0): (
            "mk-3", "ended", "timeout", "n1",
            "Exit_status -29 Job run at Tue Oct 11 at 08:13 on (n1:ncpus=1) and exceeded resource walltime",
        ),
        ("15.pbs1", 0): ("mk-4", "ended", "cancelled", "", "Not Running: Insufficient amount of resource: mem and terminated"),
    }  # fmt: skip


def test_json_of_pbs_that_is_none_is_read_line_by_line() -> None:
    text = (RECORDED / "pbs-documented.json").read_text()

    # PBS prints a job name that looks like a number without quotes.
    assert language("pbs").read_queue(text.replace('"Job_Name":"mk-4"', '"Job_Name":007')) == {
        **language("pbs").read_queue(text),
        BatchElement("15.pbs1", 0): QueueEntry(
            "007",
            Seen.ENDED,
            "Not Running: Insufficient amount of resource: mem and terminated",
            "",
            "cancelled",
        ),
    }


def test_torque_is_read() -> None:
    assert read("torque", "torque-documented.txt") == {
        ("20[].torque1", 0): ("mk-1", "ended", "", "n1", "Exit_status 0"),
        ("20[].torque1", 1): (
            "mk-1",
            "ended",
            "timeout",
            "n1",
            "Exit_status -11 Job exceeded its walltime limit",
        ),
        ("20[].torque1", 2): ("mk-1", "running", "", "n2", ""),
        ("20[].torque1", 3): ("mk-1", "queued", "", "", ""),
        ("21.torque1", 0): ("mk-2", "held", "", "", ""),
        ("22.torque1", 0): ("mk-3", "ended", "signal", "n1", "Exit_status 271"),
    }


def test_lsf_is_read() -> None:
    assert read("lsf", "lsf-documented.txt") == {
        ("31", 0): ("mk-1", "ended", "", "n1", "DONE"),
        ("31", 1): ("mk-1", "ended", "exit", "n1", "EXIT 3"),
        ("31", 2): (
            "mk-1",
            "ended",
            "timeout",
            "n2",
            "EXIT 140 TERM_RUNLIMIT: job killed after reaching LSF run time limit",
        ),
        ("31", 3): (
            "mk-1",
            "ended",
            "memory",
            "n2",
            "EXIT 137 TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
        ),
        ("31", 4): ("mk-1", "ended", "cancelled", "", "EXIT 130 TERM_OWNER: job killed by owner"),
        ("31", 5): ("mk-1", "running", "", "n1:n1", ""),
        ("31", 6): ("mk-1", "queued", "", "", "New job is waiting for scheduling;"),
        ("32", 0): ("mk-2", "held", "", "", "PSUSP The job was suspended by the user while pending;"),
        ("33", 0): ("mk-3", "running", "", "n3", "UNKWN"),
        ("34", 0): ("other", "ended", "signal", "n1", "EXIT 139"),
    }


def test_flux_is_read() -> None:
    assert read("flux", "flux-documented.txt") == {
        ("f2oKNdRvdM", 0): ("mk-1", "ended", "", "n1", "COMPLETED 0"),
        ("f2oKNdRvdN", 0): ("mk-2", "ended", "exit", "n1", "FAILED 3"),
        ("f2oKNdRvdP", 0): ("mk-3", "ended", "signal", "n1", "FAILED 137"),
        ("f2oKNdRvdQ", 0): (
            "mk-4",
            "ended",
            "timeout",
            "n2",
            "TIMEOUT 142 timeout resource allocation expired",
        ),
        ("f2oKNdRvdR", 0): ("mk-5", "ended", "cancelled", "", "CANCELED -128 cancel"),
        ("f2oKNdRvdS", 0): ("mk-6", "running", "", "n[1-2]", ""),
        ("f2oKNdRvdT", 0): ("mk-7", "queued", "", "", "no cores free"),
        ("f2oKNdRvdU", 0): ("mk-8", "held", "", "", "urgency 0: held"),
        ("f2oKNdRvdV", 0): ("mk-9", "queued", "", "", "DEPEND"),
    }


def test_cobalt_is_read() -> None:
    assert read("cobalt", "cobalt-documented.txt") == {
        ("41", 0): ("mk-1", "queued", "", "", ""),
        ("42", 0): ("mk-2", "running", "", "MIR-00000-33331-512", ""),
        ("43", 0): ("mk-3", "held", "", "", "user_hold"),
        ("44", 0): ("mk-4", "held", "", "", "dep_fail"),
        ("45", 0): ("mk 5 x", "running", "", "MIR-00000-33331-512", "killing"),
    }


@pytest.mark.parametrize(
    ("system", "native_id", "commands"),
    [
        ("pbs", "12[].s", [["qdel", "12[0-2].s", "12[5].s"]]),
        ("pbs", "12.s", [["qdel", "12.s"]]),
        ("torque", "12[].s", [["qdel", "-t", "0-2,5", "12[].s"]]),
        ("torque", "12.s", [["qdel", "12.s"]]),
        ("lsf", "12", [["bkill", "12[1-3,6]"]]),
        ("flux", "f2o", [["flux", "cancel", "f2o"]]),
        ("cobalt", "12", [["qdel", "12"]]),
    ],
)
def test_elements_are_cancelled(system: str, native_id: str, commands: list[list[str]]) -> None:
    assert [
        command.argv
        for command in language(system).cancel(
            [BatchElement(native_id, position) for position in (2, 0, 5, 1)]
        )
    ] == commands


def test_listings_of_pbs_ask_for_the_jobs_of_the_user_first(tmp_path: Path) -> None:
    """Names and ids are words; where there is no history, what is there is asked for without it."""
    for name, text in {
        "qselect": '[ "$1" = -x ] && exit 1; [ "$2" = "a b" ] && echo "12[].s" && echo 13.s',
        "qstat": 'printf "<%s>" "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "12a.s").touch()

    def printed(command: BatchCommand) -> str:
        return subprocess.run(
            command.argv,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
        ).stdout

    assert printed(language("pbs").queue("a b", [])) == "<-t><-f><-F><json><12[].s><13.s>"
    assert printed(language("torque").queue("a b", [])) == "<-t><-f><12[].s><13.s>"
    (tmp_path / "qselect").write_text("#!/bin/sh\n")
    assert printed(language("pbs").queue("a b", [])) == ""


@pytest.mark.parametrize(
    ("system", "printed", "most"),
    [
        ("pbs", "Server pbs1\n    max_array_size = 200\n", 200), ("pbs", "", 10_000), ("torque", "    max_job_array_size = 50\n", 50),
        ("lsf", "    MAX_JOB_ARRAY_SIZE = 5000\n", 5000), ("lsf", "", 1000), ("flux", "", 1), ("cobalt", "", 1),
    ],
)  # fmt: skip
def test_the_limit_of_an_array_is_read(system: str, printed: str, most: int) -> None:
    assert language(system).most_elements(printed) == most


@pytest.mark.parametrize(
    ("system", "stderr", "busy"),
    [
        ("pbs", "qsub: Unknown queue MSG=cannot locate queue", False),
        ("pbs", "qsub: Job exceeds queue resource limits", False),
        ("pbs", "Connection refused\nqsub: cannot connect to server pbs1 (errno=15010)", True),
        ("pbs", "qsub: would exceed queue workq's per-user limit of jobs in 'Q' state", True),
        ("torque", "qsub: Maximum number of jobs already in queue MSG=total number of current user's jobs exceeds the queue limit", True),
        ("lsf", "nosuch: No such queue. Job not submitted.", False),
        ("lsf", "LSF is down. Please wait ...", True),
        ("lsf", "User <ada>: Pending job threshold reached. Retrying in 60 seconds...", True),
        ("flux", "flux-submit: ERROR: [Errno 22] Invalid queue 'nosuch' specified", False),
        ("flux", "flux-submit: ERROR: [Errno 22] job submission to debug is disabled: maintenance", True),
        ("cobalt", "Queue 'nosuch' does not exist", False),
        ("cobalt", "Failed to connect to queue-manager", True),
    ],
)  # fmt: skip
def test_a_refusal_for_the_moment_is_told_from_one_for_good(system: str, stderr: str, busy: bool) -> None:
    assert language(system).is_busy(stderr) is busy
