"""The language of Grid Engine, spoken with a real one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.grid_engine import Cell, shared_cell, why_not
from kit.waiting import wait_until
from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.sge import GridEngine

pytestmark = pytest.mark.integration
LANGUAGE = GridEngine()
# Signals arrive as the shell's child gets them, and exit codes as the worker would have them.
PROGRAM = """exec python3 -c '
import os, signal, sys, time
element = int(os.environ["MARKAB_ELEMENT"])
def asked(*_):
    print("asked", element, flush=True)
    sys.exit(9)
signal.signal(signal.SIGTERM, asked)
if element > 3:
    print("up", element, flush=True)
    time.sleep(600)
if element == 3:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit([0, 3, 99][element])
'"""


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    if why := why_not():
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    with shared_cell() as cell:
        yield cell


def run(cell: Cell, command: BatchCommand) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command.argv,
        input=command.stdin,
        env=os.environ | cell.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def submit(cell: Cell, directory: Path, **asked: object) -> tuple[str, str]:
    directory.mkdir(exist_ok=True)
    name = f"mk-{os.getpid()}-{directory.name.replace(' ', '-')}"
    settings = {
        "name": name,
        "elements": 1,
        "script": f"{directory}/run.sh",
        "output": f"{directory}/out",
    } | asked
    job = BatchJob(**settings)  # type: ignore[arg-type]
    Path(job.script).write_text(LANGUAGE.script(job, PROGRAM))
    done = run(cell, LANGUAGE.submit(job))
    assert done.returncode == 0, done.stderr
    return LANGUAGE.read_submitted(done.stdout), name


def queue(cell: Cell, name: str) -> dict[int, QueueEntry]:
    done = run(cell, LANGUAGE.queue("root", [name]))
    assert done.returncode == 0, done.stderr
    return {
        element.position: entry
        for element, entry in LANGUAGE.read_queue(done.stdout).items()
        if entry.name == name
    }


def ends(cell: Cell, native_id: str, name: str, count: int) -> list[str]:
    """Return the kinds of the ends of all elements, which the accounts tell a while after they are gone."""
    ask = LANGUAGE.ended(name, native_id)
    assert ask
    wait_until(lambda: not queue(cell, name), patience_s=120, every_s=0.5)
    found: dict[BatchElement, QueueEntry] = {}
    while len(found) < count:
        found = wait_until(lambda: LANGUAGE.read_ended(run(cell, ask).stdout), every_s=0.5)
    assert {entry.name for entry in found.values()} == {name}
    return [entry.kind for _, entry in sorted(found.items())]


def test_an_array_runs_and_is_read_right(cell: Cell, tmp_path: Path) -> None:
    """Its states, what is cancelled while it waits and while it runs, and all its ends."""
    native_id, name = submit(
        cell, tmp_path / "an array %x", elements=7, cores=2, memory_mb=4000, queue="main", comment='it is "x"'
    )

    # Two at a time have room. The last waits while 4 and 5 run.
    wait_until(
        lambda: (
            {4: Seen.RUNNING, 5: Seen.RUNNING, 6: Seen.QUEUED}
            == {key: entry.seen for key, entry in queue(cell, name).items()}
        ),
        every_s=0.5,
        patience_s=120,
    )
    wait_until(lambda: (tmp_path / "an array %x/out").read_text().count("up") == 2)
    for command in LANGUAGE.cancel([BatchElement(native_id, position) for position in (4, 5, 6)]):
        assert run(cell, command).returncode == 0

    assert ends(cell, native_id, name, 6) == ["", "exit", "exit", "signal", "exit", "exit"]
    assert (tmp_path / "an array %x/out").read_text().count("asked") == 2


def test_a_signal_comes_before_the_limit(cell: Cell, tmp_path: Path) -> None:
    native_id, name = submit(cell, tmp_path / "grace", elements=5, runtime_s=300, grace_s=299)
    for command in LANGUAGE.cancel([BatchElement(native_id, position) for position in range(4)]):
        run(cell, command)

    wait_until(
        lambda: (
            "asked 4" in ((tmp_path / "grace/out").read_text() if (tmp_path / "grace/out").exists() else "")
        ),
        patience_s=120,
        every_s=0.5,
    )

    wait_until(lambda: not queue(cell, name), patience_s=120, every_s=0.5)


def test_a_held_job_says_so(cell: Cell, tmp_path: Path) -> None:
    native_id, name = submit(cell, tmp_path / "held", elements=2, arguments=["#$ -h"])

    assert [entry.seen for entry in queue(cell, name).values()] == [Seen.HELD, Seen.HELD]
    assert (
        run(cell, LANGUAGE.cancel([BatchElement(native_id, 0), BatchElement(native_id, 1)])[0]).returncode
        == 0
    )
    assert not queue(cell, name)


def test_a_file_that_cannot_be_written_is_a_held_job(cell: Cell, tmp_path: Path) -> None:
    native_id, name = submit(cell, tmp_path / "error", output=f"{tmp_path}/missing/out")

    wait_until(
        lambda: [entry.seen for entry in queue(cell, name).values()] == [Seen.HELD],
        every_s=0.5,
        patience_s=120,
    )

    assert f"qstat -j {native_id}" in queue(cell, name)[0].reason
    run(cell, LANGUAGE.cancel([BatchElement(native_id, 0)])[0])


@pytest.mark.parametrize(
    "asked", [{"queue": "no such'\n\x1b[31mqueue"}, {"cores": 99}, {"project": "none; touch /x"}]
)
def test_what_no_host_has_is_refused_for_good(cell: Cell, tmp_path: Path, asked: dict[str, object]) -> None:
    (tmp_path / "run.sh").write_text("exit 0\n")
    settings = {
        "name": "mk-refused",
        "elements": 1,
        "script": f"{tmp_path}/run.sh",
        "output": f"{tmp_path}/out",
    } | asked

    done = run(cell, LANGUAGE.submit(BatchJob(**settings)))  # type: ignore[arg-type]

    assert done.returncode == 1 and "Unable to run job" in done.stderr
    assert not LANGUAGE.is_busy(done.stderr)


def test_a_qmaster_that_is_away_is_busy(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("exit 0\n")
    job = BatchJob(name="mk-away", elements=1, script=f"{tmp_path}/run.sh", output=f"{tmp_path}/out")
    cell.kill("qmaster")
    try:
        done = run(cell, LANGUAGE.submit(job))
    finally:
        cell.start_master()

    assert done.returncode == 1 and LANGUAGE.is_busy(done.stderr), done.stderr


def test_the_limit_of_an_array_is_read(cell: Cell) -> None:
    assert LANGUAGE.most_elements(run(cell, LANGUAGE.limits() or BatchCommand([])).stdout) == 75_000
