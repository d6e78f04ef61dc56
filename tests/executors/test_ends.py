"""Waiting for processes and threads."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest

from markab.executors.ends import Ends


def start(script: str) -> int:
    child = subprocess.Popen(["/bin/sh", "-c", script])
    child.returncode = 0  # reaped by the test
    return child.pid


@pytest.mark.parametrize("has_pidfd", [True, False])
@pytest.mark.parametrize("in_main_thread", [True, False])
def test_ends_are_seen_in_any_thread_with_and_without_pidfds(
    has_pidfd: bool, in_main_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    seen: list[int] = []

    def work() -> None:
        ends = Ends()
        pids = {start("exit 0"), start("sleep 0.1")}
        for pid in pids:
            ends.watch(pid)
        give_up = time.monotonic() + 5
        while pids - set(seen) and time.monotonic() < give_up:
            seen.extend(ends.wait(5.0))
        for pid in pids:
            os.waitpid(pid, 0)
        ends.close()
        ends.close()

    if in_main_thread:
        work()
    else:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(seen) == 2


def test_waiting_ends_at_its_time() -> None:
    ends = Ends()
    start_s = time.monotonic()
    assert ends.wait(0.05) == []
    assert 0.045 <= time.monotonic() - start_s < 2
    ends.close()


def test_a_call_from_a_thread_is_never_lost() -> None:
    ends = Ends()
    for _ in range(100_000):
        ends.wake()
    assert ends.wait(60.0) == []
    threading.Timer(0.02, ends.wake).start()
    assert ends.wait(60.0) == []
    ends.close()
    ends.wake()
