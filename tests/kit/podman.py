"""A podman of its own for tests: nothing of the user's storage is seen or changed, and no network is needed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from integration.packages import have

_COMMANDS = [
    "sh",
    "cat",
    "echo",
    "sleep",
    "id",
    "env",
    "pwd",
    "ls",
    "cp",
    "true",
    "false",
    "kill",
    "dd",
    "mkdir",
    "touch",
    "sha256sum",
    "sort",
    "wc",
    "head",
    "rm",
]


def install() -> bool:
    """Return whether podman and what it needs are there, after installing them where that is possible."""
    needed = {"podman": "podman", "runc": "runc", "busybox": "busybox-static"}
    return all(have(program, package=package) for program, package in needed.items())


class Podman:
    """Podman with storage in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        storage = directory / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{directory}/run"\ngraphroot = "{directory}/graph"\n'
        )
        configuration = directory / "containers.conf"
        # Limits below those of the machine: raising them is not allowed everywhere.
        configuration.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\nnetns = "none"\n'
            '[engine]\nruntime = "runc"\n'
        )
        self.environ = {
            "CONTAINERS_CONF": str(configuration),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }

    def run(self, *words: str | Path, check: bool = True) -> str:
        """Run a command of podman; return what it prints."""
        done = subprocess.run(
            ["podman", *map(str, words)],
            env=os.environ | self.environ,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"podman {words}: {done.stderr}"
        return done.stdout

    def containers(self) -> list[str]:
        """Return the names of all containers."""
        return self.run("ps", "--all", "--format", "{{.Names}}").split()

    def images(self) -> list[str]:
        """Return the names of all images."""
        return self.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()

    def save_image(self, path: Path, name: str = "localhost/tool:1", *changes: str) -> Path:
        """Write an image with the commands of busybox to a file, as `docker save` does, and leave none behind.

        Args:
            changes: instructions of a build file, such as `USER 1234`.
        """
        root = self.directory / "root.tar"
        _write_root(root)
        options = [word for change in changes for word in ("--change", change)]
        self.run("import", *options, root, name)
        self.run("save", "--quiet", "--output", path, name)
        self.run("rmi", name)
        return path

    def remove(self) -> None:
        """Remove all containers and the storage."""
        self.run("rm", "--force", "--all", "--time", "0", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def _write_root(path: Path) -> None:
    busybox = shutil.which("busybox")
    assert busybox, "install() found it"
    with tarfile.open(path, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in _COMMANDS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for folder in ("tmp", "etc", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
        passwd = b"root:x:0:0::/:/bin/sh\nada:x:1234:1234::/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(passwd)
        archive.addfile(entry, io.BytesIO(passwd))
