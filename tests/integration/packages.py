"""Programs that a test needs and the machine may lack: installed where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess


def have(*programs: str, package: str) -> str | None:
    """Return the first of these programs that is on PATH, after installing `package` if none is; None: it cannot be had."""
    if (found := _first(programs)) or os.geteuid() or not shutil.which("apt-get"):
        return found
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(["apt-get", *words], env=environment, capture_output=True, check=False)
    return _first(programs)


def _first(programs: tuple[str, ...]) -> str | None:
    return next((found for name in programs if (found := shutil.which(name))), None)
