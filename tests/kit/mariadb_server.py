"""A MariaDB server of a test's own: in a temporary directory, on a Unix socket, as an unprivileged user."""

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

from integration.packages import installed
from kit.waiting import wait_until

PASSWORD = "geheim%/1"


def install() -> bool:
    """Install the server if it is missing and that is possible; say whether there is one now."""
    return installed("mariadb-server", lambda: shutil.which("mariadbd", path=_PATH)) is not None


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


@contextmanager
def mariadb_server() -> Iterator[Path]:
    """Start a server with an empty database `rc` of user `ada`; yield its socket, stop it in the end."""
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    as_user: dict[str, Any] = {"user": who.pw_uid, "group": who.pw_gid} if os.geteuid() == 0 else {}
    directory = Path(tempfile.mkdtemp(prefix="markab-my-", dir="/tmp"))
    if as_user:
        os.chown(directory, who.pw_uid, who.pw_gid)
    socket = directory / "socket"
    # The server takes one statement a line.
    (directory / "start.sql").write_text(
        "CREATE DATABASE rc;\n"
        f"CREATE USER ada@localhost IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON rc.* TO ada@localhost;\n"
    )
    (directory / "start.sql").chmod(0o644)
    process = None
    try:
        words = ["mariadb-install-db", "--no-defaults", f"--datadir={directory}/data", "--skip-test-db"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=directory, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr
        process = subprocess.Popen(
            [
                shutil.which("mariadbd", path=_PATH) or "mariadbd",
                "--no-defaults",
                f"--datadir={directory}/data",
                f"--socket={socket}",
                f"--pid-file={directory}/pid",
                f"--init-file={directory}/start.sql",
                f"--log-error={directory}/log",
                "--skip-networking",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_user,
        )
        wait_until(socket.exists)
        yield socket
    finally:
        if process is not None:
            process.terminate()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)
