"""Long operations, run in threads; the caller's thread continues with their results.

Two pools, so that transfers over a network (which may take hours) never delay
small operations on files of this machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

DISK_THREADS = 4
NETWORK_THREADS = 32
"""More than the transfer jobs that run at once by default (10): those mostly wait for the network."""


class ThreadPools:
    """Runs operations in threads. Only the caller's thread may call its methods.

    Args:
        wake: called by a thread that has finished something.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._handed_back: deque[Callable[[], None]] = deque()

    def do(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[Exception], None],
        by_network: bool,
    ) -> None:
        """Run `work` in a thread; `finish` calls `then` with its result, or `failed` with what it raised."""

        def run() -> None:
            try:
                result = work()
                self._handed_back.append(lambda: then(result))
            except Exception as error:  # a bug must not leave the caller waiting for ever
                caught = error
                self._handed_back.append(lambda: failed(caught))
            self._wake()

        pool = self._pools.get(by_network)
        if pool is None:
            from concurrent.futures import ThreadPoolExecutor

            count = NETWORK_THREADS if by_network else DISK_THREADS
            pool = self._pools[by_network] = ThreadPoolExecutor(count, thread_name_prefix="markab")
        pool.submit(run)

    def finish(self) -> None:
        """Pass on the results of all that has finished."""
        while self._handed_back:
            self._handed_back.popleft()()

    @property
    def has_results(self) -> bool:
        """Some operation has finished, and `finish` has not passed its result on yet."""
        return bool(self._handed_back)

    def close(self) -> None:
        """Wait for all threads. May be called twice."""
        for pool in self._pools.values():
            pool.shutdown(wait=True)
        self._pools.clear()
