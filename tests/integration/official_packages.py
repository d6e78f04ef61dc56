"""The official packages of Pegasus from PyPI, as oracles: in environments of their own, kept inside that of the tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "5.1.3"


def python_with(*packages: str) -> Path:
    """Return the interpreter of an environment that has these packages and nothing of ours.

    They have that version, unless they are given as `name==version`.

    Raises:
        subprocess.CalledProcessError: it cannot be made.
    """
    kept = Path(sys.prefix) / "official"
    name = "-".join((*sorted(packages), VERSION))
    python = kept / name / "bin" / "python"
    kept.mkdir(exist_ok=True)
    with open(kept / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has(python, packages):
            shutil.rmtree(python.parent.parent, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
            wanted = [f"{name}=={version}" for name, version in _versions(packages)]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def _versions(packages: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, version or VERSION) for name, _, version in (one.partition("==") for one in packages)]


def _has(python: Path, packages: tuple[str, ...]) -> bool:
    code = "import importlib.metadata as m, sys; [print(m.version(name)) for name in sys.argv[1:]]"
    names, versions = zip(*_versions(packages), strict=True)
    try:
        done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.split() == list(versions)
