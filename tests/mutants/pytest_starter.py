"""The first process of an enclosure: starts pytest again and again, with the libraries imported that all tests need.

Reads a line for each call, `[arguments, seconds]`, and answers with the exit code, or null when it did not end in
time. It imports nothing of ours: that is imported anew by each pytest, as it stands then.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time

sys.path.pop(0)  # the folder of this file

import click  # noqa: F401
import hypothesis.strategies  # noqa: F401
import msgspec  # noqa: F401
import pytest
import rich.console  # noqa: F401
import sqlalchemy  # noqa: F401
import yaml  # noqa: F401
from hypothesis import Phase, settings

_LIMITS = (
    (resource.RLIMIT_CPU, 7200),
    (resource.RLIMIT_FSIZE, 1 << 30),
    (resource.RLIMIT_AS, 8 << 30),
)
"""So that no change fills the machine."""


class FirstFailure:
    """A plugin: one example that fails is enough, and no smaller one is looked for."""

    def pytest_sessionstart(self) -> None:
        """After `conftest.py`, before the tests are imported."""
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("first-failure", settings(settings.default, phases=phases, database=None))
        settings.load_profile("first-failure")


def main() -> None:
    """Answer until the stream of calls ends."""
    # As the first process of its namespace it gets every orphan.
    os.nice(19)
    for line in sys.stdin:
        arguments, wait_s = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(arguments)
        print(json.dumps(_wait(pid, wait_s)), flush=True)


def _run(arguments: list[str]) -> None:
    code = 70
    try:
        os.setsid()
        null, output = (
            os.open(os.devnull, os.O_RDONLY),
            os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )
        for fd, number in ((null, 0), (output, 1), (output, 2)):
            os.dup2(fd, number)
        os.closerange(3, 100)
        for what, most in _LIMITS:
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
        code = int(pytest.main(arguments, plugins=[FirstFailure()]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _wait(pid: int, wait_s: float) -> int | None:
    """Wait for it, and reap what else ends meanwhile; then end all that is left."""
    code, end_s = None, time.monotonic() + wait_s
    while time.monotonic() < end_s:
        found, status = os.waitpid(-1, os.WNOHANG)
        if found == pid:
            code = os.waitstatus_to_exitcode(status)
            break
        if not found:
            time.sleep(0.02)
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return code


if __name__ == "__main__":
    if os.getpid() != 1:
        sys.exit("this ends every process that it sees: only for the first one of a PID namespace")
    main()
