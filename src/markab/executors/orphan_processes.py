"""Find and end the processes of a run by their environment: the last resort when their launcher was killed.

The processes are found by variables that the engine put into their environment, or, if they
cleared those, by the directory they are in. Needs /proc: elsewhere nothing is found.
"""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence

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


def read_environ(pid: int) -> bytes:
    """Return the environment a process was started with, NUL around each variable; b"" when it has ended."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0" + file.read() + b"\0"
    except OSError:
        return b""


def find(match: _Match, directories: Sequence[str]) -> list[int]:
    """Return the processes whose environment matches, or that run below `directories` without the variables of any run."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [pid for pid in pids if pid != os.getpid() and _belongs(pid, match, directories)]


def _belongs(pid: int, match: _Match, directories: Sequence[str]) -> bool:
    environ = read_environ(pid)
    if len(environ) > 2 and match(environ):
        return True
    if f"\0{ATTEMPT}=".encode() in environ:
        return False
    try:
        folder = os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
        if not any((folder + "/").startswith(directory + "/") for directory in directories):
            return False
        # A user's shell in the directory is no task.
        return not os.readlink(f"/proc/{pid}/fd/0").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False


def kill_all(match: _Match, directories: Iterable[str] = ()) -> int:
    """SIGKILL processes until none is found twice in a row, for at most a minute; return how many were."""
    real = [os.path.realpath(directory) for directory in directories]
    killed: set[int] = set()
    empty_rounds = 0
    give_up = time.monotonic() + _LONGEST_S
    while empty_rounds < 2 and time.monotonic() < give_up:
        pids = find(match, real)
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
