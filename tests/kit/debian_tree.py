"""Programs of a newer Debian in a directory of their own, for tests: nothing is installed, and no root is needed.

apt itself chooses and downloads the packages, against an empty status file, from the mirror that this machine uses.
The programs are then pointed at the loader and the libraries of the tree, so it works on an older system, and what they
start keeps the system's own libraries. A tree cannot be moved.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RECIPE = 1
"""To be raised when trees must be built anew."""

_APT_CONF = """
Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "-"; Dir::Etc::preferencesparts "-";
Dir::Log "{apt}/log"; Dir::State "{apt}/state"; Dir::State::status "{apt}/status"; Dir::Cache "{apt}/cache";
APT::Install-Recommends "0"; APT::Sandbox::User ""; Acquire::Languages "none";
"""


def cache() -> Path:
    """Where trees are kept: what the user who runs the tests has for such things (`tests/conftest.py`)."""
    own = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("MARKAB_TEST_CACHE") or os.path.join(own, "markab-tests"))


def why_not() -> str:
    """Return why no tree can be built here; "": it can, as far as that is known before."""
    if missing := [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]:
        return f"there is no program {missing[0]}"
    if not KEYRING.exists():
        return f"there is no '{KEYRING}'"
    if not _mirror():
        return "apt has no mirror of Debian"
    if not _patchelf().exists() and shutil.which("patchelf") is None:
        return "there is no program patchelf (`make` installs it for the slow tests)"
    return ""


def debian_tree(name: str, packages: Sequence[str], search: Sequence[str] = ()) -> Path:
    """Return the directory of a tree with packages and all that they depend on; it is built if it is not there.

    Args:
        search: further directories of libraries, relative to that of the architecture.
    """
    place = cache() / name
    stamp = f"{RECIPE} {SUITE} {' '.join(packages)} {' '.join(search)} {place}\n"
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree, mark = place / "tree", place / "stamp"
        if not mark.exists() or mark.read_text() != stamp + _look_of(tree):
            shutil.rmtree(place, ignore_errors=True)
            tree.mkdir(parents=True)
            _unpack(tree, place / "apt", packages)
            shutil.rmtree(place / "apt")
            for left in ("usr/share/doc", "usr/share/man", "usr/share/locale"):
                shutil.rmtree(tree / left, ignore_errors=True)
            _patch(tree, search)
            mark.write_text(stamp + _look_of(tree))
        return tree


def _look_of(tree: Path) -> str:
    """Return a digest of names and sizes of what is in a tree: one that lost files is built anew."""
    digest = hashlib.sha256()
    for top, directories, names in os.walk(tree):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(top, name)
            digest.update(f"{path} {os.lstat(path).st_size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _mirror() -> str:
    """Return the URL from which this machine takes its packages."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    if sources.exists() and (found := re.search(r"^URIs: *(\S+)", sources.read_text(), re.MULTILINE)):
        return found[1]
    old = Path("/etc/apt/sources.list")
    found = re.search(r"^deb +(?:\[[^]]*\] +)?(\S+)", old.read_text() if old.exists() else "", re.MULTILINE)
    return found[1] if found else ""


def _patchelf() -> Path:
    return Path(sys.executable).parent / "patchelf"


def _unpack(tree: Path, apt: Path, packages: Sequence[str]) -> None:
    for directory in ("state/lists/partial", "cache/archives/partial", "log"):
        (apt / directory).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    (apt / "apt.conf").write_text(_APT_CONF.format(apt=apt))
    environ = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C"}
    _run(["apt-get", "-q", "update"], environ)
    _run(["apt-get", "-q", "-y", "--download-only", "install", *packages], environ)
    for package in (apt / "cache/archives").glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(tree)], environ)


def _patch(tree: Path, search: Sequence[str]) -> None:
    """Let the programs of a tree use its own loader and libraries."""
    loader = next((tree / "usr/lib").glob("*/ld-linux-*.so.*"))
    libraries = loader.parent
    path = ":".join(map(str, [libraries, tree / "usr/lib", *(libraries / each for each in search)]))
    patchelf = str(_patchelf()) if _patchelf().exists() else "patchelf"
    for top in ("usr/bin", "usr/sbin", "usr/libexec", "usr/lib"):
        for directory, _, names in os.walk(tree / top):
            for name in names:
                file = Path(directory, name)
                if not _is_program_or_library(file):
                    continue
                is_library = ".so" in name
                interpreter = subprocess.run(
                    [patchelf, "--print-interpreter", str(file)], capture_output=True, check=False
                )
                if interpreter.returncode == 0 and not is_library:
                    _run([patchelf, "--set-interpreter", str(loader), str(file)])
                if interpreter.returncode == 0 or is_library:
                    _run([patchelf, "--force-rpath", "--set-rpath", path, str(file)])


def _is_program_or_library(file: Path) -> bool:
    if file.is_symlink() or not file.is_file() or file.name.startswith(("ld-linux", "libc.so")):
        return False
    if not (os.access(file, os.X_OK) or ".so" in file.name):
        return False
    with open(file, "rb") as opened:
        return opened.read(4) == b"\x7fELF"


def _run(words: list[str], environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr or done.stdout}")
