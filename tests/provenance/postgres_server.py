"""A PostgreSQL server of a test's own: in a temporary directory, on a Unix socket, as an unprivileged user.

And runs whose database is in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from integration.packages import installed
from kit.diamond import DIAMOND
from kit.made_run import make_run

PASSWORD = "geheim%/1"


def program(name: str) -> str | None:
    """Return the path of one of the server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def install() -> bool:
    """Install the server if it is missing and that is possible; say whether there is one now."""
    return installed("postgresql", lambda: program("initdb")) is not None


class Server:
    """A server that can be stopped and started again, with what is in it."""

    def __init__(self, directory: Path, as_user: dict[str, int]) -> None:
        self.directory = directory
        self._as_user = as_user
        self._data = str(directory / "data")

    @property
    def url(self) -> URL:
        """Of a database in it that is empty at first."""
        return URL.create(
            "postgresql", "ada", PASSWORD, database="postgres", query={"host": str(self.directory)}
        )

    def make(self) -> None:
        """Make it, and do not start it yet."""
        secret = self.directory / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        words = [
            "-D",
            self._data,
            "-U",
            "ada",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-N",
            "-E",
            "UTF8",
        ]
        self._run("initdb", *words)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        flags = f"-c listen_addresses='' -k {self.directory} -c fsync=off"
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", flags, "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def _run(self, name: str, *words: str) -> None:
        done = subprocess.run(
            [program(name) or name, *words],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            **self._as_user,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def stoppable_server() -> Iterator[Server]:
    """Start a server; stop it in the end, if it runs, and leave nothing behind."""
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    directory = Path(tempfile.mkdtemp(prefix="markab-pg-", dir="/tmp"))
    as_user = {"user": who.pw_uid, "group": who.pw_gid} if os.geteuid() == 0 else {}
    if as_user:
        os.chown(directory, who.pw_uid, who.pw_gid)
    try:
        server = Server(directory, as_user)
        server.make()
        server.start()
        try:
            yield server
        finally:
            if (directory / "data" / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def server() -> Iterator[URL]:
    """Start a server; yield the URL of an empty database in it."""
    with stoppable_server() as it:
        yield it.url


def make_server_run(directory: Path, url: URL, uuid: str = "7a3c", **more: Any) -> Path:
    """Write a submit directory, of the diamond unless there are `jobs`, whose database is at `url`."""
    run = make_run(directory, more.pop("jobs", DIAMOND), uuid=uuid, **more)
    point_at(run, url)
    return run


def point_at(run: Path, url: URL, **more: str) -> None:
    """Set where the database of a run is, and more properties."""
    lines = {"pegasus.catalog.workflow.url": url.render_as_string(hide_password=False), **more}
    (run / "pegasus.1.properties").write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
