"""What tasks leave, where the system has no list of the children of a process."""

from __future__ import annotations

import select
import signal
import subprocess
from collections.abc import Iterator

import pytest

from markab.executors import descendants as module
from markab.executors.descendants import Descendants


@pytest.fixture
def descendants(monkeypatch: pytest.MonkeyPatch) -> Descendants:
    def none(_: object) -> None:
        raise OSError("no Linux")

    monkeypatch.setattr(module.ctypes, "CDLL", none)
    return Descendants(lambda environ: True)


@pytest.fixture
def task() -> Iterator[subprocess.Popen[bytes]]:
    """One that has started another process; its output ends when neither is left."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo started; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield process
        module._kill_group(process.pid)


def has_ended(task: subprocess.Popen[bytes]) -> bool:
    assert task.stdout is not None
    readable, _, _ = select.select([task.stdout], [], [], 20)
    return bool(readable) and task.stdout.read() == b""


def test_what_is_left_in_the_group_of_an_ended_task_is_killed(
    descendants: Descendants, task: subprocess.Popen[bytes]
) -> None:
    task.kill()
    task.wait()

    assert descendants.end(task.pid, [], lambda key: False)
    assert has_ended(task)


def test_at_the_end_tasks_are_killed_with_their_groups(
    descendants: Descendants, task: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_S", 0)

    descendants.end_all([task.pid])
    assert task.stdin is not None
    task.stdin.close()  # what is still alive ends by itself

    assert task.wait() == -signal.SIGKILL
    assert has_ended(task)
