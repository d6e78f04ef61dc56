"""Runs tests of changed code where it can do no harm: it sees no process but its own, and writes into one folder only.

A change may turn "is this process one of ours?" or "is this path below our directory?" into yes. So the tests
are the only processes of a PID namespace, which ends with the one that made it, and of all file systems, that
of /dev too, only one folder is not read-only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mutants.tree_copy import TreeCopy

_ENTER = """
set -e
mount --bind "$0" "$0"
while read -r device place type rest; do
  case $type in proc|sysfs|cgroup*|devpts|mqueue) continue;; esac
  [ "$place" = "$0" ] || mount -o remount,bind,ro "$place" 2>/dev/null || [ "$place" != / ]
done < /proc/self/mounts
[ ! -d /dev/shm ] || mount -t tmpfs private /dev/shm
cd "$1"
shift
exec "$@"
"""


class Ended(NamedTuple):
    """How pytest ended."""

    code: int | None
    """None: not in time. Negative: by a signal."""
    output: str


def why_none() -> str | None:
    """Why this machine cannot enclose processes, if it cannot."""
    if shutil.which("unshare") is None:
        return "there is no program `unshare` (package util-linux)"
    done = subprocess.run([*_namespaces(), "true"], capture_output=True, text=True)
    return done.stderr.strip() or "unshare failed" if done.returncode else None


class Enclosure:
    """A `pytest_starter` in a copy of the tree, enclosed in `folder`; a context, at whose end all its processes have ended."""

    def __init__(self, folder: Path, copy: TreeCopy, environ: Mapping[str, str]) -> None:
        self._output = folder / "output"
        starter = copy.root / "tests/mutants/pytest_starter.py"
        command = [str(copy.python), str(starter), str(self._output)]
        self._process = subprocess.Popen(
            [*_namespaces(), "sh", "-c", _ENTER, str(folder), str(copy.root), *command],
            env={**environ, "TMPDIR": str(copy.temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def pytest(self, arguments: Sequence[str], wait_s: float) -> Ended:
        """Run pytest with these arguments; all processes of it have ended when this returns."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), wait_s]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that runs tests has ended ({self._process.wait()})")
        return Ended(json.loads(answer), self._output.read_text(errors="replace"))

    def __enter__(self) -> Enclosure:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def _namespaces() -> list[str]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
