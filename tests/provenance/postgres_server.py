"""A PostgreSQL server of a test's own: in a temporary directory, on a Unix socket, as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

PASSWORD = "geheim%/1"


def program(name: str) -> str | None:
    """Return the path of one of the server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def install() -> bool:
    """Install the server if it is missing and that is possible; say whether there is one now."""
    if program("initdb") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", *words], env=environment, check=False, **quiet)
    return program("initdb") is not None


@contextmanager
def server() -> Iterator[URL]:
    """Start a server; yield the URL of an empty database in it; stop it and leave nothing behind."""
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    directory = Path(tempfile.mkdtemp(prefix="markab-pg-", dir="/tmp"))
    as_user = {"user": who.pw_uid, "group": who.pw_gid} if os.geteuid() == 0 else {}
    if as_user:
        os.chown(directory, who.pw_uid, who.pw_gid)
    data, secret = directory / "data", directory / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(name: str, *words: str) -> None:
        done = subprocess.run(
            [program(name) or name, *words],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            **as_user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(
            "initdb",
            "-D",
            str(data),
            "-U",
            "ada",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-N",
            "-E",
            "UTF8",
        )
        flags = f"-c listen_addresses='' -k {directory} -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(directory / "log"), "-o", flags, "start")
        try:
            yield URL.create(
                "postgresql", "ada", PASSWORD, database="postgres", query={"host": str(directory)}
            )
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
