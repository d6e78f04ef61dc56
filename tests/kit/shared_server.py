"""A server that all test processes of one machine use together: whoever comes first starts it, the last that leaves stops it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.waiting import is_alive


@contextmanager
def shared(directory: Path, start: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Let `start` have run before, and `stop` after the last user; users that were killed do not count.

    A file beside `directory` has the pids of the users, and another is held while one comes or goes.
    """
    users = directory.with_name(f"{directory.name}.users")
    with _locked(users) as pids:
        if not pids:
            try:
                start()
            except BaseException:
                stop()
                raise
        pids.append(os.getpid())
    try:
        yield
    finally:
        with _locked(users) as pids:
            pids.remove(os.getpid())
            if not pids:
                stop()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface on which nothing listens; they are not reserved."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def _locked(users: Path) -> Iterator[list[int]]:
    """Yield the users that are alive, to be changed in place."""
    with open(users, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        pids = [pid for pid in json.loads(file.read() or "[]") if is_alive(pid)]
        yield pids
        file.truncate(0)
        file.write(json.dumps(pids))
