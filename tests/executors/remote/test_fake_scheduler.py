"""The fake scheduler itself: it runs what it is given, and fails as it is told."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.fake_scheduler.scheduler import FakeScheduler, fake_scheduler
from kit.waiting import is_alive, wait_for_line, wait_until
from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems import language

SLURM = language("slurm")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScheduler]:
    monkeypatch.chdir(tmp_path)  # as with Slurm, the output of a job is there if nothing else is asked for
    with fake_scheduler(tmp_path / "the site", "slurm") as made:
        yield made


def run(
    site: FakeScheduler, command: BatchCommand, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command.argv,
        input=command.stdin,
        capture_output=True,
        text=True,
        env=site.environment(),
        check=False,
        timeout=timeout_s,
    )


def submit(
    site: FakeScheduler, tmp_path: Path, text: str, elements: int = 1, name: str = "mk-1", **asked: float
) -> str:
    script = tmp_path / f"{name}.sh"
    job = BatchJob(name=name, elements=elements, script=str(script), output=str(tmp_path / "out"), **asked)  # type: ignore[arg-type]
    script.write_text(SLURM.script(job, text))
    return SLURM.read_submitted(run(site, SLURM.submit(job)).stdout)


def queue(site: FakeScheduler, *names: str) -> dict[BatchElement, QueueEntry]:
    return SLURM.read_queue(run(site, SLURM.queue(os.environ.get("USER", "root"), names or ["mk-1"])).stdout)


def seen(site: FakeScheduler) -> list[Seen]:
    return [entry.seen for _, entry in sorted(queue(site).items())]


def ends(site: FakeScheduler) -> list[str]:
    wait_until(lambda: (now := seen(site)) and set(now) == {Seen.ENDED}, what="the end of all elements")
    return [entry.kind for _, entry in sorted(queue(site).items())]


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", pwd.getpwuid(os.getuid()).pw_name)


def test_scripts_run_and_their_ends_are_told(site: FakeScheduler, tmp_path: Path) -> None:
    native_id = submit(
        site,
        tmp_path,
        f'echo $MARKAB_ELEMENT > "{tmp_path}/made-$MARKAB_ELEMENT"\nexit $MARKAB_ELEMENT',
        elements=3,
    )

    assert ends(site) == ["", "exit", "exit"]
    assert [(tmp_path / f"made-{n}").read_text() for n in range(3)] == ["0\n", "1\n", "2\n"]
    assert set(queue(site)) == {BatchElement(native_id, n) for n in range(3)}


def test_no_more_run_than_there_are_slots(site: FakeScheduler, tmp_path: Path) -> None:
    site.set(slots=2)
    submit(site, tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done", elements=5)

    wait_until(lambda: site.count("running") == 2)

    assert sorted(seen(site), key=str) == [Seen.QUEUED] * 3 + [Seen.RUNNING] * 2
    (tmp_path / "go").touch()
    assert ends(site) == [""] * 5


def test_a_cancelled_script_gets_a_signal_first(site: FakeScheduler, tmp_path: Path) -> None:
    site.set(slots=1)
    native_id = submit(
        site,
        tmp_path,
        f"trap 'echo asked > {tmp_path}/asked; exit 0' TERM\necho > {tmp_path}/up\nwhile :; do sleep 0.02; done",
        2,
    )
    wait_for_line(tmp_path / "up")

    for command in SLURM.cancel([BatchElement(native_id, 0), BatchElement(native_id, 1)]):
        run(site, command)

    assert ends(site) == ["cancelled", "cancelled"]
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_script_that_ignores_signals_is_killed_at_its_limit(site: FakeScheduler, tmp_path: Path) -> None:
    site.set(kill_wait_s=0.1)
    submit(site, tmp_path, "trap '' TERM\nwhile :; do sleep 0.02; done", runtime_s=1)

    assert ends(site) == ["timeout"]


def test_a_signal_comes_before_the_limit_if_it_was_asked_for(site: FakeScheduler, tmp_path: Path) -> None:
    submit(site, tmp_path, "trap 'exit 7' TERM\nwhile :; do sleep 0.02; done", runtime_s=3600, grace_s=3599)

    assert ends(site) == ["exit"]


def test_a_clock_that_jumps_ends_what_had_time_left(site: FakeScheduler, tmp_path: Path) -> None:
    submit(site, tmp_path, "exec sleep 600", runtime_s=1800)
    wait_until(lambda: site.count("running") == 1)

    site.jump_clock(3600)

    assert ends(site) == ["timeout"]


def test_jobs_go_on_when_the_runner_is_killed(site: FakeScheduler, tmp_path: Path) -> None:
    submit(
        site,
        tmp_path,
        f"echo $$ > '{tmp_path}/up'\nwhile [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done\nexit 3",
    )
    wait_for_line(tmp_path / "up")

    site.kill_runner()
    (tmp_path / "go").touch()
    submit(site, tmp_path, "exit 0", name="mk-2")

    assert ends(site) == ["exit"]


@pytest.mark.parametrize("mode", ["busy", "full", "down"])
def test_a_refusal_for_the_moment_is_over_after_it(site: FakeScheduler, tmp_path: Path, mode: str) -> None:
    site.fails("sbatch", mode)
    job = BatchJob(name="mk-1", elements=1, script=str(tmp_path / "s"), output="/dev/null")
    (tmp_path / "s").write_text("exit 0\n")

    refused = run(site, SLURM.submit(job))

    assert refused.returncode == 1 and SLURM.is_busy(refused.stderr)
    assert run(site, SLURM.submit(job)).returncode == 0
    assert ends(site) == [""]


@pytest.mark.parametrize(
    "asked", [{"queue": "nowhere"}, {"cores": 1000}, {"memory_mb": 10**6}, {"elements": 2000}]
)
def test_what_no_node_has_is_refused_for_good(
    site: FakeScheduler, tmp_path: Path, asked: dict[str, object]
) -> None:
    settings = {"name": "mk-1", "elements": 1, "script": str(tmp_path / "s"), "output": "/dev/null"} | asked
    (tmp_path / "s").write_text("exit 0\n")

    refused = run(site, SLURM.submit(BatchJob(**settings)))  # type: ignore[arg-type]

    assert refused.returncode == 1 and refused.stderr.startswith("sbatch: error: ")
    assert not SLURM.is_busy(refused.stderr)


def test_a_command_may_not_answer_and_have_done_nothing(site: FakeScheduler, tmp_path: Path) -> None:
    site.fails("sbatch", "hang")

    with pytest.raises(subprocess.TimeoutExpired):
        run(site, BatchCommand(["sbatch", "--job-name=mk-1", "/bin/true"]), timeout_s=0.5)

    assert not queue(site)


@pytest.mark.parametrize("mode", ["hang-after", "crash", "half", "garbage"])
def test_an_answer_may_be_lost_although_all_was_done(site: FakeScheduler, tmp_path: Path, mode: str) -> None:
    site.fails("sbatch", mode)
    (tmp_path / "s").write_text("exit 0\n")
    try:
        printed = run(
            site, BatchCommand(["sbatch", "--job-name=mk-1", str(tmp_path / "s")]), timeout_s=2
        ).stdout
    except subprocess.TimeoutExpired:
        printed = ""

    with pytest.raises(ValueError, match="no id"):
        SLURM.read_submitted(printed)
    assert ends(site) == [""]


def test_half_a_listing_is_part_of_the_truth(site: FakeScheduler, tmp_path: Path) -> None:
    submit(site, tmp_path, "exec sleep 600", elements=100)
    wait_until(lambda: site.count("running") == 4)
    site.fails("squeue", "half")

    assert 30 < len(queue(site)) < 70
    assert len(queue(site)) == 100


def test_held_jobs_wait_until_they_are_released(site: FakeScheduler, tmp_path: Path) -> None:
    site.hold("mk", "JobHeldAdmin")
    submit(site, tmp_path, "exit 0")

    assert [(entry.seen, entry.reason) for entry in queue(site).values()] == [(Seen.HELD, "JobHeldAdmin")]
    site.release("mk")
    assert ends(site) == [""]


def test_a_lost_node_goes_on(site: FakeScheduler, tmp_path: Path) -> None:
    submit(site, tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done\necho > '{tmp_path}/done'")
    wait_until(lambda: site.count("running") == 1)

    site.lose_nodes("mk-1")

    assert ends(site) == ["lost"]
    (tmp_path / "go").touch()
    wait_for_line(tmp_path / "done")


def test_an_element_may_vanish(site: FakeScheduler, tmp_path: Path) -> None:
    native_id = submit(site, tmp_path, "exec sleep 600", elements=6)
    wait_until(lambda: site.count("running") == 4)

    site.vanish("mk-1")

    assert not queue(site)
    assert not SLURM.read_ended(run(site, SLURM.ended("mk-1", native_id) or BatchCommand([])).stdout)


def test_ids_are_given_again_after_a_crash_of_the_controller(site: FakeScheduler, tmp_path: Path) -> None:
    first = submit(
        site, tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done\necho > '{tmp_path}/done'"
    )
    wait_until(lambda: site.count("running") == 1)

    site.reuse_ids()
    second = submit(site, tmp_path, "exit 0", name="mk-2")

    assert first == second
    assert not queue(site) and queue(site, "mk-2")
    (tmp_path / "go").touch()
    wait_for_line(tmp_path / "done")


def test_an_evicted_element_runs_again(site: FakeScheduler, tmp_path: Path) -> None:
    submit(
        site, tmp_path, f"echo x >> '{tmp_path}/tries'\nwhile [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done"
    )
    wait_for_line(tmp_path / "tries")

    site.evict("mk-1")
    wait_until(lambda: (tmp_path / "tries").read_text() == "x\nx\n")

    (tmp_path / "go").touch()
    assert ends(site) == [""]


def test_an_end_may_be_told_before_the_script_has_ended(site: FakeScheduler, tmp_path: Path) -> None:
    site.set(end_early=["mk-1"])
    submit(site, tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done\necho > '{tmp_path}/done'")

    assert ends(site) == [""]
    (tmp_path / "go").touch()
    wait_for_line(tmp_path / "done")


def test_accounts_come_late_or_not_at_all(site: FakeScheduler, tmp_path: Path) -> None:
    native_id = submit(site, tmp_path, "exit 3")
    ends(site)
    ask = SLURM.ended("mk-1", native_id)
    assert ask

    assert SLURM.read_ended(run(site, ask).stdout)[BatchElement(native_id, 0)].reason == "FAILED 3:0"
    site.set(accounting_delay_s=3600)
    assert not SLURM.read_ended(run(site, ask).stdout)
    site.set(accounting=False)
    assert "disabled" in run(site, ask).stderr


def test_ended_elements_leave_the_queue(site: FakeScheduler, tmp_path: Path) -> None:
    submit(site, tmp_path, "exit 0")
    ends(site)

    site.set(keep_ended_s=0)

    wait_until(lambda: not queue(site))


def test_jobs_of_others_are_not_listed(site: FakeScheduler) -> None:
    site.add_waiting("mk-1", 10, user="eve")
    site.add_waiting("mk-1-\n1|0|COMPLETED|n1|None|mk-1", 10, user=os.environ["USER"])

    assert not queue(site)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with fake_scheduler(tmp_path / "site", "slurm") as site:
        submit(site, tmp_path, "exec sleep 600", elements=3)
        wait_until(lambda: site.count("running") == 3)
        site.lose_nodes("mk-1")
        submit(site, tmp_path, "exec sleep 600", name="mk-2")
        wait_until(lambda: site.count("running") == 1)
        pids = site.pids()
        assert len(pids) == 4

    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_an_option_that_the_real_command_lacks_is_refused(site: FakeScheduler) -> None:
    assert "unrecognized option" in run(site, BatchCommand(["sbatch", "--jobname=x", "/bin/true"])).stderr


def test_calls_are_counted(site: FakeScheduler) -> None:
    queue(site)

    assert [call[0] for call in site.calls("squeue")] == ["squeue"]


def test_a_hundred_thousand_waiting_elements_are_one_answer(site: FakeScheduler) -> None:
    names = [f"mk-{n}" for n in range(100)]
    for name in names:
        site.add_waiting(name, 1000, user=os.environ["USER"])

    found = queue(site, *names)

    assert len(found) == 100_000 and {entry.seen for entry in found.values()} == {Seen.QUEUED}
