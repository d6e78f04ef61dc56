"""The official packages of Pegasus from PyPI, as oracles: in environments of their own, kept inside that of the tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from integration.tools import environment

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
