"""Slurm through a login node: the same executor, whose commands go through one connection of OpenSSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.test_executors import Bench, Case, kinds, shell
from kit import ssh_server
from kit.ssh_server import SshServer
from kit.waiting import wait_until
from markab.errors import ExecutorUnavailable
from markab.executors import batch_executor
from markab.executors.base import Executor, Report, Seen
from markab.executors.batch_executor import BatchExecutor
from markab.executors.remote.batch_service import NoAnswer
from markab.executors.remote.batch_system import BatchCommand
from markab.executors.remote.batch_systems import language
from markab.executors.remote.command_runner import CommandRunner
from markab.executors.remote.command_service import CommandService
from markab.plan.model import Output

pytestmark = pytest.mark.integration


@pytest.fixture
def login(shared_slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A login node; on this machine itself, Slurm cannot be reached."""
    if why := ssh_server.why_not():
        pytest.skip(why) if "CI" not in os.environ else pytest.fail(why)
    with ssh_server.ssh_server(tmp_path / "ssh", {"SLURM_CONF": os.environ["SLURM_CONF"]}) as server:
        monkeypatch.setenv("PATH", server.path)
        monkeypatch.setenv("SLURM_CONF", "/nonexistent")
        yield server


def bench_in(top: Path) -> Bench:
    def make(directory: Path) -> Executor:
        return BatchExecutor(CommandService(language("slurm"), CommandRunner("login")), grace_s=5.0)

    return Bench(top, Case(make, is_here=False))


def test_jobs_go_through_a_login_node_by_one_login(login: SshServer, tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    assert bench.run(shell("echo 1 > out", outputs=[Output("out")]))["ok"]
    attempt = bench.attempt(shell("echo > ../../started; exec sleep 1000"))
    bench.executor.submit([attempt])
    wait_until(lambda: list(tmp_path.rglob("started")))
    bench.executor.cancel([attempt.id])

    assert kinds(bench.wait_all({attempt.id})[attempt.id])[0] == "cancelled"
    bench.executor.close()
    assert login.logins() == 1
    assert (bench.scratch / "out").read_text() == "1\n"


def test_a_login_node_that_is_away_is_said_and_waited_for(
    login: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_executor, "AGAIN_S", (0.2, 0.2))
    login.stop()
    bench = bench_in(tmp_path)
    bench.executor.submit([bench.attempt(shell("true"))])
    reports: list[Report] = []

    def has_reason() -> bool:
        reports.extend(bench.executor.wait(0.1))
        return any("the login node 'login' cannot be reached" in report.reason for report in reports)

    wait_until(has_reason)
    assert {report.seen for report in reports} == {Seen.QUEUED}
    with pytest.raises(ExecutorUnavailable, match="cannot be reached"):
        bench.executor.submit([bench.attempt(shell("true"))])
    bench.executor.close()


def test_words_reach_the_login_node_as_they_are(login: SshServer) -> None:

    runner = CommandRunner("login")
    words = ["a b", "$HOME", "'", "`id`", "", "*"]
    assert runner.run(BatchCommand(["printf", "%s|", *words])).stdout == "a b|$HOME|'|`id`||*|"
    assert runner.run(BatchCommand(["cat"], stdin="text")).stdout == "text"
    assert runner.run(BatchCommand(["sh", "-c", "exit 3"])).exit_code == 3
    with pytest.raises(NoAnswer) as caught:
        runner.run(BatchCommand(["no-such-program"]))
    assert caught.value.is_permanent and "on 'login'" in str(caught.value)
    assert runner.is_shared(login.top) and not runner.is_shared(Path("/no/such/directory"))
    runner.close()
    runner.close()
    assert login.logins() == 1
