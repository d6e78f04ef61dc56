"""A disk of a few kilobytes that is really full when it is full, for commands that run below it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.tools import environment

HOLD = 'mount -t tmpfs -o size="$1" small "$2" && echo mounted && exec cat'
BALLAST = "ballast"


class SmallDisk:
    """A file system in memory, seen only by commands that are run through it."""

    def __init__(self, holder: int, path: Path, is_root: bool) -> None:
        self.path = path
        self.seen = Path(f"/proc/{holder}/root{path}")
        """The same directory as this process can reach it."""
        flags = ["-m"] if is_root else ["-U", "-m", "--preserve-credentials"]
        self._enter = ["nsenter", "-t", str(holder), *flags]

    def command(self, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        with self.start(*words, cwd=cwd) as started:
            out, err = started.communicate(timeout=120)
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    def start(self, *words: str | Path, cwd: Path) -> subprocess.Popen[str]:
        """Start a command whose output can be read."""
        inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(cwd)]
        return subprocess.Popen(
            [*self._enter, *inside, *map(str, words)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fill(self, leave_bytes: int = 0) -> None:
        """Let no more than `leave_bytes`, in whole pages, be free."""
        block = b"\0" * 4096
        with open(self.seen / BALLAST, "ab", buffering=0) as file:
            while self.free_bytes() > leave_bytes:
                file.write(block)

    def make_room(self) -> None:
        """Take the ballast away."""
        (self.seen / BALLAST).unlink()

    def free_bytes(self) -> int:
        """Return how much fits."""
        found = os.statvfs(self.seen)
        return found.f_bavail * found.f_frsize

    def files(self) -> list[str]:
        """Return all names on it but the ballast's, also those that begin with a dot."""
        names = [str(path.relative_to(self.seen)) for path in self.seen.rglob("*")]
        return sorted(name for name in names if name != BALLAST)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of `size` (as mount(8) writes it) at `path`; skip the test where mounting is not allowed."""
    path.mkdir()
    is_root = os.geteuid() == 0
    flags = "-m" if is_root else "-Urm"
    try:
        holder = subprocess.Popen(
            ["unshare", flags, "sh", "-c", HOLD, "sh", size, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no `unshare` to mount a small disk with")
    with holder:
        assert holder.stdin and holder.stdout and holder.stderr
        try:
            if holder.stdout.readline() != "mounted\n":
                pytest.skip(f"a small disk cannot be mounted here: {holder.stderr.read().strip()}")
            yield SmallDisk(holder.pid, path, is_root)
        finally:
            holder.stdin.close()
