"""An OpenSSH server of a test's own on loopback, and an `ssh` that reaches it under the name `login`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from integration.packages import have, installed
from kit.waiting import wait_until


def why_not() -> str:
    """Return why there can be no server here; "" if there can. Installs the packages where that is possible."""
    if os.geteuid() != 0:
        return "the tests' sshd is started by root"
    if not have("ssh", package="openssh-client") or not installed("openssh-server", _sshd):
        return "no package openssh-server"
    return ""


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class SshServer:
    """A server that is running."""

    def __init__(self, top: Path, process: subprocess.Popen[bytes]) -> None:
        self.top = top
        self._process = process

    @property
    def path(self) -> str:
        """A PATH on which `ssh login` reaches it."""
        return f"{self.top}/bin{os.pathsep}{os.environ['PATH']}"

    def logins(self) -> int:
        """Return how often somebody has logged in."""
        return (self.top / "log").read_text().count("Accepted publickey")

    def stop(self) -> None:
        """Stop it, with all connections. May be called twice."""
        for pid in _children(self._process.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self._process.kill()
        self._process.wait()


@contextmanager
def ssh_server(top: Path, environ: Mapping[str, str]) -> Iterator[SshServer]:
    """Start a server whose sessions have these variables; stop it in the end."""
    top.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", top / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    variables = " ".join(f"{name}={value}" for name, value in environ.items())
    (top / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {top}/host\nAuthorizedKeysFile {top}/user.pub\n"
        f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nSetEnv {variables}\n"
    )
    (top / "ssh_config").write_text(
        f"Host login\n HostName 127.0.0.1\n Port {port}\n IdentityFile {top}/user\n IdentitiesOnly yes\n"
        f" StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n"
    )
    ssh = top / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {top}/ssh_config "$@"\n')
    ssh.chmod(0o755)
    program = _sshd()
    assert program, "why_not() found it"
    with open(top / "log", "wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", top / "sshd_config"], stdout=log, stderr=log)
    server = SshServer(top, process)
    try:
        wait_until(lambda: _is_listening(port), what=top / "log")
        yield server
    finally:
        server.stop()


def _is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
