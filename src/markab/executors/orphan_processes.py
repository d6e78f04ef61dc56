"""Find and end the processes of a run by their environment: the last resort when their launcher was killed.

Only what is provably of the run is ended: a process whose environment has the variables that the
engine put there. Needs /proc: elsewhere nothing is found.
"""

import os
import signal
import time
from collections.abc import Callable, Collection

ENGINE = "MARKAB_ENGINE"
"""Environment variable of tasks: a number drawn by the executor that started them."""
ATTEMPT = "MARKAB_ATTEMPT"
"""Environment variable of tasks: `<uuid of the run>/<job>/<attempt>`."""
_LONGEST_S = 60.0
_Match = Callable[[bytes], bool]


def has_engine(number: str) -> _Match:
    """Return a test of environments: did the executor with this number start it."""
    wanted = f"\0{ENGINE}={number}\0".encode()
    return lambda environ: wanted in environ


def has_runs(uuids: Collection[str], but_engine: str) -> _Match:
    """Return a test of environments: does it belong to one of these runs, started by another executor."""
    wanted = [f"\0{ATTEMPT}={uuid}/".encode() for uuid in uuids]
    mine = has_engine(but_engine)
    return lambda environ: any(one in environ for one in wanted) and not mine(environ)


def has_attempt(key: str) -> _Match:
    """Return a test of environments: does it belong to the attempt that `worker/attempt_spec.py` names so."""
    wanted = f"\0{ATTEMPT}={key}\0".encode()
    return lambda environ: wanted in environ


def read_environ(pid: int) -> bytes:
    """Return the environment a process was started with, NUL around each variable; b"" when it has ended."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0" + file.read() + b"\0"
    except OSError:
        return b""


def find(match: _Match) -> list[int]:
    """Return the processes whose environment matches."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [pid for pid in pids if pid != os.getpid() and match(read_environ(pid))]


def kill_all(match: _Match) -> int:
    """SIGKILL processes until none is found twice in a row, for at most a minute; return how many were."""
    killed: set[int] = set()
    empty_rounds = 0
    give_up = time.monotonic() + _LONGEST_S
    while empty_rounds < 2 and time.monotonic() < give_up:
        pids = find(match)
        empty_rounds = 0 if pids else empty_rounds + 1
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass  # it has just ended
            except PermissionError:
                give_up = 0.0  # it is another process by now, and would be found again and again
        time.sleep(0.005)
    return len(killed)
