"""The official packages of Pegasus from PyPI, as oracles: in an environment of their own, kept in a cache folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from integration.tools import environment

VERSION = "5.1.3"


def python_with(*packages: str) -> Path:
    """Return the interpreter of an environment that has these packages of that version and nothing of ours.

    Raises:
        subprocess.CalledProcessError: it cannot be made.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "markab-tests"
    name = "-".join((*sorted(packages), VERSION, f"python{sys.version_info[0]}.{sys.version_info[1]}"))
    python = cache / name / "bin" / "python"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has(python, packages):
            shutil.rmtree(python.parent.parent, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
            wanted = [f"{package}=={VERSION}" for package in packages]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def _has(python: Path, packages: tuple[str, ...]) -> bool:
    code = "import importlib.metadata as m, sys; sys.exit(any(m.version(p) != sys.argv[1] for p in sys.argv[2:]))"
    try:
        return (
            subprocess.run(
                [python, "-c", code, VERSION, *packages], capture_output=True, check=False
            ).returncode
            == 0
        )
    except OSError:
        return False


@cache
def tools() -> tuple[Path, Path]:
    """The interpreter of the official package, and the folder of its programs."""
    python = python_with("pegasus-wms")
    code = "import Pegasus, os; print(os.path.join(os.path.dirname(Pegasus.__file__), 'cli'))"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return python, Path(shown.strip())


def theirs(name: str, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an official program to its end."""
    return _official(tools()[1] / f"{name}.py", *words, cwd=cwd)


def with_their_modules(code: str, cwd: Path) -> str:
    """Run Python code that imports the official modules; return what it printed."""
    done = _official("-c", code, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _official(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    python, _ = tools()
    variables = environment() | {"PATH": f"{python.parent}:/usr/bin:/bin"}
    variables.pop("PYTHONPATH", None)
    return subprocess.run(
        [python, *words], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
