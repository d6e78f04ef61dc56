"""Programs that a test needs and the machine may lack: installed where that is possible."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


def have(*programs: str, package: str) -> str | None:
    """Return the first of these programs that is on PATH, after installing `package` if none is; None: it cannot be had."""
    return installed(package, lambda: _first(programs))


def installed(package: str, find: Callable[[], str | None]) -> str | None:
    """Return what `find` finds, after installing `package` if it finds nothing; one test process installs at a time."""
    if (found := find()) or os.geteuid() or not shutil.which("apt-get"):
        return found
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with open(Path(tempfile.gettempdir()) / "markab-tests-install.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := find():
            return found
        for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", *words], env=environment, capture_output=True, check=False)
    return find()


def _first(programs: tuple[str, ...]) -> str | None:
    return next((found for name in programs if (found := shutil.which(name))), None)
