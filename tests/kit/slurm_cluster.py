"""A real Slurm of the tests' own: a controller and two nodes on loopback, as plain processes, without systemd.

Tests that kill its daemons have one of their own (`own_cluster`); all others share one (`shared_cluster`), where what they
run is told apart by its name.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.packages import have
from kit.shared_server import free_ports, shared
from kit.waiting import is_alive

_SBIN = "/usr/sbin"
_NODES = ("n1", "n2")
PATIENCE_S = 60.0


def why_not() -> str:
    """Return why there can be no cluster here; "" if there can. Installs the packages where that is possible."""
    if os.geteuid() != 0:
        return "Slurm's daemons are started by root here"
    os.environ["PATH"] = f"{os.environ['PATH']}:{_SBIN}"
    needed = {
        "slurmctld": "slurmctld",
        "slurmd": "slurmd",
        "sbatch": "slurm-client",
        "munged": "munge",
    }
    missing = [package for program, package in needed.items() if not have(program, package=package)]
    return f"no package {', '.join(missing)}" if missing else ""


class SlurmCluster:
    """A cluster with its files in a short directory."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.environ = {"SLURM_CONF": str(top / "slurm.conf")}

    # -- starting and stopping --

    def start(self, cpus: int = 4) -> None:
        """Start it, and wait until it takes jobs."""
        top = self.top
        shutil.rmtree(top, ignore_errors=True)
        for name in ("run", "state", "log", "spool"):
            (top / name).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        controller, first, second = free_ports(3)
        (top / "slurm.conf").write_text(
            f"""ClusterName=markab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={top}/run/munge.sock
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
StateSaveLocation={top}/state
SlurmdSpoolDir={top}/spool/%n
SlurmctldPidFile={top}/run/slurmctld.pid
SlurmdPidFile={top}/run/slurmd-%n.pid
SlurmctldLogFile={top}/log/slurmctld.log
SlurmdLogFile={top}/log/slurmd-%n.log
SlurmdParameters=config_overrides
MaxArraySize=1001
MaxJobCount=30000
MinJobAge=300
KillWait=15
SlurmdTimeout=20
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_min_interval=20000,sched_interval=1,bf_interval=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs={cpus} RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs={cpus} RealMemory=4000
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=60 State=UP
PartitionName=short Nodes=n[1-2] MaxTime=1 State=UP
PartitionName=second Nodes=n2 MaxTime=60 State=UP
"""
        )
        (top / "key").write_bytes(os.urandom(128))
        (top / "key").chmod(0o400)
        top.chmod(0o755)
        self._run(
            "munged", "--force", f"--socket={top}/run/munge.sock", f"--key-file={top}/key",
            f"--log-file={top}/log/munged.log", f"--pid-file={top}/run/munged.pid",
            f"--seed-file={top}/run/munged.seed", "--num-threads=2",
        )  # fmt: skip
        self.start_controller()
        for node in _NODES:
            self.start_node(node)
        self.wait_ready()

    def start_controller(self) -> None:
        """Start the controller."""
        self._run("slurmctld")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._run("slurmd", "-N", node)

    def wait_ready(self) -> None:
        """Wait until both nodes take jobs."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            states = self.heal()
            if len(states) == 2 and set(states.values()) <= {"idle", "mixed", "allocated", "completing"}:
                return
            assert time.monotonic() < give_up, f"Slurm does not start: {states}, see {self.top}/log"
            time.sleep(0.1)

    def heal(self) -> dict[str, str]:
        """Return the states of the nodes, after doing what an administrator does: those that were drained are resumed.

        A controller that has forgotten jobs gives their ids again, and drains the nodes where they still run.
        """
        listing = self.command("sinfo", "-h", "-N", "-o", "%N %T", check=False)
        states = dict(line.split() for line in listing.splitlines() if len(line.split()) == 2)
        for node, state in states.items():
            if state.startswith(("drain", "down")):
                self.command("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        return states

    def pid_of(self, daemon: str) -> int:
        """Return the process of `slurmctld`, `slurmd-n1`, `slurmd-n2` or `munged`."""
        return int((self.top / f"run/{daemon}.pid").read_text())

    def kill(self, daemon: str, number: int = signal.SIGKILL) -> None:
        """End a daemon, and wait until it is gone."""
        try:
            pid = self.pid_of(daemon)
            os.kill(pid, number)
        except (OSError, ValueError):
            return
        give_up = time.monotonic() + 20
        while is_alive(pid):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
                give_up += 20
            time.sleep(0.02)

    def stop(self) -> None:
        """Cancel what is there, stop all daemons, and remove the files."""
        self.command("scancel", "--user=root", check=False)
        for daemon in ("slurmctld", *(f"slurmd-{node}" for node in _NODES), "munged"):
            self.kill(daemon)  # asked to end, they wait for their jobs
        shutil.rmtree(self.top, ignore_errors=True)

    # -- asking --

    def command(self, *words: str, check: bool = True) -> str:
        """Run a command of Slurm; return what it prints."""
        done = subprocess.run(
            words, env=os.environ | self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def queue(self) -> list[tuple[str, str, str]]:
        """Return name, state and reason of all that has not ended."""
        lines = self.command("squeue", "-h", "-r", "-o", "%j|%T|%r").splitlines()
        return [(parts[0], parts[1], parts[2]) for line in lines if len(parts := line.split("|")) == 3]

    def _run(self, *words: str) -> None:
        # Daemons keep the descriptors they are given: none of the test's.
        with open(self.top / "log" / "start.log", "ab") as log:
            done = subprocess.run(
                words,
                env=os.environ | self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, (self.top / "log" / "start.log").read_text()


@contextmanager
def own_cluster() -> Iterator[SlurmCluster]:
    """Yield a cluster that nobody else uses, whose daemons may be killed."""
    cluster = SlurmCluster(Path(tempfile.mkdtemp(prefix="markab-slurm-", dir="/tmp")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def shared_cluster() -> Iterator[SlurmCluster]:
    """Yield the cluster that all test processes share."""
    cluster = SlurmCluster(Path("/tmp/markab-tests-slurm"))
    with shared(cluster.top, cluster.start, cluster.stop):
        yield cluster
