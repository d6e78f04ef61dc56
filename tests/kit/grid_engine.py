"""A real Grid Engine of the tests' own: a qmaster and one host with 4 slots on loopback, as plain processes, without systemd.

Debian's packages need no more than SGE_ROOT and two ports in the environment, so the cell is in a directory and the package's own stays as
it is. Both daemons run as root and start jobs of root: that is what the configuration's `min_uid 0` permits.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.packages import have
from kit.shared_server import free_ports, shared
from kit.waiting import is_alive, wait_until

_PACKAGES = {"sge_qmaster": "gridengine-master", "sge_execd": "gridengine-exec", "qsub": "gridengine-client"}
_PROGRAMS = Path("/usr/lib/gridengine")
_SHARE = Path("/usr/share/gridengine")
_LIBRARY = Path("/var/lib/gridengine")

_PARALLEL_ENVIRONMENT = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def why_not() -> str:
    """Return why there can be no cell here; "" if there can. Installs the packages where that is possible."""
    if os.geteuid() != 0:
        return "Grid Engine's daemons are started by root here"
    missing = [package for program, package in _PACKAGES.items() if not have(program, package=package)]
    return f"no package {', '.join(missing)}" if missing else ""


class Cell:
    """A cell with its files in a short directory."""

    def __init__(self, top: Path) -> None:
        self.top = top

    @property
    def environ(self) -> dict[str, str]:
        """What its commands need in their environment."""
        master, host = (self.top / "ports").read_text().split()
        return {
            "SGE_ROOT": str(self.top / "root"),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": master,
            "SGE_EXECD_PORT": host,
        }

    def start(self) -> None:
        """Make it, start it, and wait until it takes jobs."""
        shutil.rmtree(self.top, ignore_errors=True)
        common = self.top / "root/default/common"
        for directory in (common, self.top / "db", self.top / "qmaster", self.top / "execd"):
            directory.mkdir(parents=True)
        self.top.chmod(0o755)
        for name in ("util", "bin", "lib", "utilbin"):
            (self.top / "root" / name).symlink_to(_LIBRARY / name)
        (self.top / "ports").write_text(" ".join(map(str, free_ports(2))))
        (common / "act_qmaster").write_text("localhost\n")
        (common / "host_aliases").write_text(f"localhost {socket.gethostname()}\n")
        (common / "bootstrap").write_text(
            _changed(
                (_SHARE / "default-bootstrap").read_text(),
                admin_user="none",
                spooling_params=f"{self.top}/db",
                qmaster_spool_dir=f"{self.top}/qmaster",
            )
        )
        self._spool()
        self.start_master()
        self.command("qconf", "-as", "localhost")
        self.start_host()
        self._configure()
        # A host that has just reported for the first time is not scheduled to yet.
        wait_until(
            lambda: re.search(r"lx-\S+\s*$", self.command("qstat", "-f"), re.MULTILINE), what=self.log()
        )

    def _spool(self) -> None:
        """Make the database of the qmaster, with a configuration that permits jobs of root and writes accounts at once."""
        configuration = _changed(
            (_SHARE / "default-configuration").read_text(),
            execd_spool_dir=f"{self.top}/execd",
            min_uid="0",
            min_gid="0",
            reporting_params="accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00",
        )
        (self.top / "configuration").write_text(configuration)
        self.command(str(_PROGRAMS / "spoolinit"), "berkeleydb", "libspoolb", f"{self.top}/db", "init")
        resources = _SHARE / "util/resources"
        for what, where in {
            "configuration": self.top / "configuration",
            "complexes": resources / "centry",
            "usersets": resources / "usersets",
            "managers": "root",
        }.items():
            self.command(str(_PROGRAMS / "spooldefaults"), what, str(where))

    def _configure(self) -> None:
        """Make the queue `main`, and let the scheduler look each second."""
        interval = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        queue = {
            "qname": "main",
            "hostlist": "localhost",
            "slots": "4",
            "pe_list": "smp",
            "shell": "/bin/sh",
            "load_thresholds": "NONE",
        }
        for name, text in {
            "-Msconf": _changed(self.command("qconf", "-ssconf"), **interval),
            "-Ap": _PARALLEL_ENVIRONMENT,
            "-Aq": _changed(self.command("qconf", "-sq"), **queue),
        }.items():
            file = self.top / f"given{name}"
            file.write_text(text)
            self.command("qconf", name, str(file))

    def start_master(self) -> None:
        """Start the qmaster, and wait until it answers."""
        self.command("sge_qmaster")
        wait_until(lambda: self._run("qconf", "-sh").returncode == 0, what=self.log())

    def start_host(self) -> None:
        """Start the daemon of the host."""
        self.command("sge_execd")
        wait_until(lambda: self._pids("execd/*/execd.pid"), what=self.log())

    def kill(self, daemon: str, number: int = signal.SIGKILL) -> None:
        """End `qmaster` or `execd`, and wait until it is gone; jobs go on."""
        for pid in self._pids({"qmaster": "qmaster/qmaster.pid", "execd": "execd/*/execd.pid"}[daemon]):
            if str(self.top) in _environment(pid):  # a pid may be another's by now
                os.kill(pid, number)
                wait_until(lambda pid=pid: not is_alive(pid), what=f"the end of {daemon}")  # type: ignore[misc]

    def stop(self) -> None:
        """Delete all jobs, end both daemons and whatever they started, and remove the files."""
        if (self.top / "ports").exists():
            self._run("qdel", "-f", "-u", "*")
            for daemon in ("execd", "qmaster"):
                self.kill(daemon)
            for process in Path("/proc").iterdir():
                if (
                    process.name.isdigit()
                    and f"SGE_ROOT={self.top}/root\0" in _environment(int(process.name))
                    and int(process.name) != os.getpid()
                ):
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(self.top, ignore_errors=True)

    def command(self, *words: str) -> str:
        """Run a command of Grid Engine; return what it prints."""
        done = self._run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.log()}"
        return done.stdout

    def log(self) -> str:
        """Return what the qmaster complained about."""
        messages = self.top / "qmaster/messages"
        return messages.read_text(errors="replace")[-2000:] if messages.exists() else ""

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        # Daemons keep the descriptors that they are given, so these are files.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                words,
                env=os.environ | self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=60,
                check=False,
                cwd="/",
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, done.returncode, out.read(), err.read())

    def _pids(self, pattern: str) -> list[int]:
        return [int(text) for file in self.top.glob(pattern) if (text := file.read_text().strip())]


def _changed(text: str, **settings: str) -> str:
    """Return a configuration with other values; all of the keys are in it, and a value may go on after a backslash."""
    for key, value in settings.items():
        text, count = re.subn(rf"^{key}\s(?:.*\\\n)*.*$", f"{key} {value}", text, flags=re.MULTILINE)
        assert count == 1, f"no {key} in {text}"
    return text


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def shared_cell() -> Iterator[Cell]:
    """Yield the cell that all test processes share."""
    cell = Cell(Path(tempfile.gettempdir()) / "markab-tests-sge")
    with shared(cell.top, cell.start, cell.stop):
        yield cell
