"""A podman of its own for tests: nothing of the user's storage is seen or changed, and no network is needed."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from integration.packages import have
from kit.waiting import wait_until

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
        self._registries = directory / "registries.conf"
        self._registries.write_text("")
        self.environ = {
            "CONTAINERS_REGISTRIES_CONF": str(self._registries),
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

    def trust(self, address: str) -> None:
        """Let a registry be asked without encryption."""
        self._registries.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')

    def containers(self) -> list[str]:
        """Return the names of all containers."""
        return self.run("ps", "--all", "--format", "{{.Names}}").split()

    def images(self) -> list[str]:
        """Return the names of all images."""
        return self.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()

    def save_image(
        self, path: Path, name: str = "localhost/tool:1", *changes: str, commands: Sequence[str] = _COMMANDS
    ) -> Path:
        """Write an image with the commands of busybox to a file, as `docker save` does, and leave none behind.

        Args:
            changes: instructions of a build file, such as `USER 1234`.
            commands: those of busybox that it has.
        """
        root = self.directory / "root.tar"
        _write_root(root, commands)
        options = [word for change in changes for word in ("--change", change)]
        self.run("import", *options, root, name)
        self.run("save", "--quiet", "--output", path, name)
        self.run("rmi", name)
        return path

    def remove(self) -> None:
        """Remove all containers and the storage."""
        self.run("rm", "--force", "--all", "--time", "0", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def _write_root(path: Path, commands: Sequence[str]) -> None:
    busybox = shutil.which("busybox")
    assert busybox, "install() found it"
    with tarfile.open(path, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in commands:
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


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """Run a registry on this machine, with storage in a directory; yield its address, for `docker://ADDRESS/NAME`."""
    directory.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    configuration = directory / "registry.yml"
    configuration.write_text(
        f'version: 0.1\nstorage: {{filesystem: {{rootdirectory: "{directory}/data"}}}}\n'
        f'http: {{addr: "127.0.0.1:{port}"}}\n'
    )
    program = have("docker-registry", package="docker-registry")
    assert program, "the test asks first"
    with open(directory / "log", "wb") as log:
        server = subprocess.Popen([program, "serve", configuration], stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_listening(port), what=directory / "log")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
