"""Work in threads."""

from __future__ import annotations

import threading
import time

from markab.executors.thread_pools import NETWORK_THREADS, Errands


def test_slow_downloads_do_not_keep_work_on_local_files_waiting() -> None:
    woken = threading.Event()
    errands = Errands(woken.set)
    slow = threading.Event()
    done: list[str] = []
    failures: list[Exception] = []
    for _ in range(NETWORK_THREADS + 5):
        errands.do(lambda: slow.wait(20), lambda _: done.append("slow"), failures.append, by_network=True)
    errands.do(lambda: 1, lambda _: done.append("quick"), failures.append, by_network=False)

    assert woken.wait(10)
    give_up = time.monotonic() + 10
    while not done and time.monotonic() < give_up:
        errands.finish()
    assert done == ["quick"]
    slow.set()
    errands.close()
    errands.finish()
    assert done.count("slow") == NETWORK_THREADS + 5 and not failures
    assert not errands.has_results


def test_what_goes_wrong_in_a_thread_is_handed_back() -> None:
    errands = Errands(lambda: None)
    failures: list[Exception] = []
    errands.do(lambda: 1 / 0, failures.append, failures.append, by_network=False)
    errands.close()
    assert not failures, "only the caller's thread goes on"
    errands.finish()

    assert [type(failure) for failure in failures] == [ZeroDivisionError]
