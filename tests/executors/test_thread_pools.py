"""Operations in threads."""

from __future__ import annotations

import threading

from kit.waiting import wait_until
from markab.executors.thread_pools import NETWORK_THREADS, ThreadPools


def test_slow_downloads_do_not_delay_operations_on_local_files() -> None:
    woken = threading.Event()
    pools = ThreadPools(woken.set)
    slow = threading.Event()
    done: list[str] = []
    failures: list[Exception] = []
    for _ in range(NETWORK_THREADS + 5):
        pools.do(lambda: slow.wait(20), lambda _: done.append("slow"), failures.append, by_network=True)
    pools.do(lambda: 1, lambda _: done.append("quick"), failures.append, by_network=False)

    assert woken.wait(10)

    def is_done() -> bool:
        pools.finish()
        return bool(done)

    wait_until(is_done)
    assert done == ["quick"]
    slow.set()
    pools.close()
    pools.finish()
    assert done.count("slow") == NETWORK_THREADS + 5 and not failures
    assert not pools.has_results


def test_an_error_in_a_thread_is_passed_to_the_caller() -> None:
    pools = ThreadPools(lambda: None)
    failures: list[Exception] = []
    pools.do(lambda: 1 / 0, failures.append, failures.append, by_network=False)
    pools.close()
    assert not failures, "only the caller's thread continues"
    pools.finish()

    assert [type(failure) for failure in failures] == [ZeroDivisionError]
