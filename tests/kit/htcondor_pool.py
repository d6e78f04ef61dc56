"""A real HTCondor pool for tests: one for all of them, on this machine, as an ordinary user.

Workers of pytest share it: each holds a lock while it uses the pool. A process beside them, the keeper, waits for the
last of them to let go, killed or not, and then ends the pool and removes its directory. Root runs it in a user namespace
where it is another user, because HTCondor runs no jobs as root; files of the tests are that user's own there.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_WITHIN_S = 120.0
SLOTS = 4

_USER = 1
"""Whom root is in the namespace: any user that every system has."""

_CONFIG = """
RELEASE_DIR = {tree}/usr
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = {tree}/usr/lib/condor
LIBEXEC = {tree}/usr/libexec/condor
SHARE = {tree}/usr/share/condor
LOCAL_DIR = {top}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
DAEMON_SOCKET_DIR = $(LOCAL_DIR)/sock
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
REQUIRE_LOCAL_CONFIG_FILE = False
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
USE_SHARED_PORT = True
SHARED_PORT_PORT = {port}
COLLECTOR_HOST = 127.0.0.1:{port}
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
TRUST_DOMAIN = test.pool
UID_DOMAIN = test.pool
FILESYSTEM_DOMAIN = test.pool
SEC_PASSWORD_DIRECTORY = {top}/passwords.d
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {top}/passwords.d/POOL
SEC_TOKEN_DIRECTORY = {top}/tokens.d
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS,IDTOKENS
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_ADVERTISE_STARTD = *
ALLOW_ADVERTISE_MASTER = *
ALLOW_ADMINISTRATOR = {me}@test.pool, condor@test.pool, condor_pool@test.pool
ALLOW_DAEMON = $(ALLOW_ADMINISTRATOR)
ALLOW_NEGOTIATOR = $(ALLOW_ADMINISTRATOR)
NUM_CPUS = {slots}
MEMORY = 4000
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
PREEMPT = False
SUSPEND = False
KILL = False
MOUNT_UNDER_SCRATCH =
MOUNT_PRIVATE_DEV_SHM = False
STARTD_CRON_JOBLIST =
RUNBENCHMARKS = False
DOCKER =
SINGULARITY =
MachineMaxVacateTime = 5
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
PERIODIC_EXPR_INTERVAL = 5
UPDATE_INTERVAL = 3
JOB_START_COUNT = 100
JOB_START_DELAY = 0
SHADOW_WORKLIFE = 3600
SHADOW_QUEUE_UPDATE_INTERVAL = 5
STARTER_UPDATE_INTERVAL = 5
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 5
CONCURRENCY_LIMIT_DEFAULT = 100
ONE_AT_A_TIME_LIMIT = 1
DAGMAN_USE_STRICT = 0
"""
_CLIENT_CONFIG = """
RELEASE_DIR = {tree}/usr
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = {tree}/usr/lib/condor
LIBEXEC = {tree}/usr/libexec/condor
LOCAL_DIR = {top}
LOG = $(LOCAL_DIR)/log
LOCK = $(LOCAL_DIR)/lock
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
REQUIRE_LOCAL_CONFIG_FILE = False
COLLECTOR_HOST = 127.0.0.1:{port}
TRUST_DOMAIN = test.pool
UID_DOMAIN = test.pool
FILESYSTEM_DOMAIN = test.pool
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_TOKEN_DIRECTORY = {top}/client.d
SCHEDD_ADDRESS_FILE = {top}/spool/.schedd_address
SCHEDD_DAEMON_AD_FILE = {top}/spool/.schedd_classad
CONDOR_IDS = {ids}
DAGMAN_USE_STRICT = 0
"""
_DIRECTORIES = ("log", "spool", "execute", "lock", "run", "sock", "passwords.d", "tokens.d", "client.d")


class Pool:
    """A pool that runs."""

    def __init__(self, top: Path, tree: Path) -> None:
        self.top, self.tree = top, tree
        self.bin = tree / "usr/bin"
        self.below = ""
        """The directory of one process of the tests, others of which may use the pool at the same time. "": any."""

    @property
    def environ(self) -> dict[str, str]:
        """What a client needs in its environment, to be added to what it has."""
        path = os.environ.get("PATH", "/usr/bin:/bin")
        return {"CONDOR_CONFIG": str(self.top / "client_config"), "PATH": f"{self.bin}:{path}"}

    def command(self, *words: str) -> str:
        """Run one of HTCondor's programs; return what it printed."""
        done = subprocess.run(
            words, env={**os.environ, **self.environ}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep out other processes that call this: for tests that kill daemons, and those that cannot bear it."""
        with open(self.top / "alone.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def queue(self, constraint: str = "true") -> list[str]:
        """Return the jobs in the queue whose directory or log is below `below`, as `CLUSTER.PROC STATUS`."""
        here = f'"{self.below}/"'
        ours = [f"substr({name}, 0, {len(here) - 2}) =?= {here}" for name in ("Iwd", "SUBMIT_Iwd", "UserLog")]
        wanted = ["-af:j", "JobStatus", "-constraint", f"({constraint}) && ({' || '.join(ours)})"]
        return self.command("condor_q", "-allusers", *wanted).split("\n")[:-1]

    def clear(self) -> None:
        """Remove what a test that failed left in the queue; other tests use the pool, too."""
        if jobs := [line.split()[0] for line in self.queue()]:
            self.command("condor_rm", *jobs)

    def kill(self, daemon: str) -> None:
        """Kill a daemon with SIGKILL: `schedd` or `startd`. The master starts it again after a few seconds."""
        killed = [pid for pid in self.processes() if _name_of(pid) == f"condor_{daemon}"]
        assert killed, f"no {daemon} is running"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return the pids of all that belongs to the pool: daemons, and jobs with what they started."""
        return _processes(self.top)


@contextmanager
def shared_pool() -> Iterator[Pool]:
    """Yield the pool of this run of the tests; the first who asks starts it."""
    from kit.debian_tree import debian_tree

    tree = debian_tree("htcondor", ["condor"])
    name = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}"
    top = Path(tempfile.gettempdir()) / f"mkpool{os.getuid()}-{name[:12]}"
    top.mkdir(mode=0o755, exist_ok=True)
    with open(top / "users", "a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with open(top / "start", "a") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            if not (top / "ready").exists():
                _start(top, tree)
                (top / "ready").touch()
        yield Pool(top, tree)


def _start(top: Path, tree: Path) -> None:
    user = pwd.getpwuid(_USER if os.getuid() == 0 else os.getuid()).pw_name
    values = {
        "top": top,
        "tree": tree,
        "port": _free_port(),
        "me": user,
        "slots": SLOTS,
        "ids": f"{os.getuid()}.{os.getgid()}",
    }
    for name in _DIRECTORIES:
        (top / name).mkdir(mode=0o700 if name.endswith(".d") else 0o755, exist_ok=True)
    key = top / "passwords.d" / "POOL"
    key.write_bytes(secrets.token_bytes(64))
    key.chmod(0o600)
    (top / "condor_config").write_text(_CONFIG.format(**values))
    (top / "client_config").write_text(_CLIENT_CONFIG.format(**values))
    server = {**os.environ, "CONDOR_CONFIG": str(top / "condor_config"), "HOME": str(top)}
    token = subprocess.run(
        [*_as_user(), str(tree / "usr/bin/condor_token_create"), "-identity", "tester@test.pool"],
        env=server,
        capture_output=True,
        text=True,
        check=True,
    )
    token_file = top / "client.d" / "token"
    token_file.write_text(token.stdout)
    token_file.chmod(0o600)
    subprocess.Popen(
        [sys.executable, __file__, str(top), *_as_user(), str(tree / "usr/sbin/condor_master"), "-f"],
        env=server,
        cwd=top,
        stdin=subprocess.DEVNULL,
        stdout=open(top / "keeper.out", "wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    pool, give_up_s = Pool(top, tree), time.monotonic() + READY_WITHIN_S
    while True:
        if (top / "spool/.schedd_classad").exists():
            done = subprocess.run(
                [str(pool.bin / "condor_status"), "-af", "State"],
                env={**os.environ, **pool.environ},
                capture_output=True,
                check=False,
            )
            if done.stdout.strip():
                return
        assert time.monotonic() < give_up_s, f"the pool does not start: see {top / 'log'}"
        time.sleep(0.2)


def _as_user() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["unshare", "--user", f"--map-user={_USER}", f"--map-group={_USER}"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _name_of(pid: int) -> str:
    try:
        return os.path.basename(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode())
    except OSError:
        return ""


def _processes(top: Path) -> list[int]:
    marks = (f"CONDOR_CONFIG={top}/condor_config".encode(), f"={top}/execute/".encode())
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if any(mark in environ for mark in marks):
                found.append(int(name))
    return found


def _keep(top: Path, master: list[str]) -> None:
    """Run the pool until nobody uses it; then end all that belongs to it."""
    process = subprocess.Popen(master)
    with open(top / "users", "a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for _ in range(50):
        left = _processes(top)
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended
        time.sleep(0.1)
    shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), sys.argv[2:])
