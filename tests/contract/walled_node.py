"""An isolated node: another root directory, processes of its own and, where the test may, another user.

A process started here sees Python and /usr, read-only, an empty /tmp, and its own directory as
/job; nothing else of the machine's file system. Root enters namespaces for mounts and processes,
and becomes `nobody`; others enter a user namespace of their own as well. Linux only.

Whether it runs is shown by a lock on `<directory>.lock`, which it holds until all that it started
has ended; so another process can check it too, and nothing runs twice.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

NOBODY = 65534

_ENTER = r"""
import os, subprocess, sys
root, directory, user, python, *arguments = sys.argv[1:]

def bind(source, target, read_only):
    subprocess.run(["mount", "--rbind", source, target], check=True)
    if read_only:
        subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)

subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root], check=True)
for place in ("/usr", os.path.realpath(sys.base_prefix), "/bin", "/lib", "/lib64"):
    if os.path.islink(place):
        os.symlink(os.readlink(place), root + place)
    elif os.path.isdir(place) and not os.path.exists(root + place):
        os.makedirs(root + place)
        bind(place, root + place, True)
for name in ("job", "tmp", "dev"):
    os.makedirs(root + "/" + name)
os.chmod(root + "/tmp", 0o1777)
for device in ("null", "zero", "urandom"):
    open(root + "/dev/" + device, "w").close()
    bind("/dev/" + device, root + "/dev/" + device, False)
bind(directory, root + "/job", False)
os.chroot(root)
os.chdir("/job")
if int(user):
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
path = os.path.dirname(python) + ":/usr/bin:/bin"
os.execve(python, [python, *arguments], {"PATH": path, "HOME": "/job", "TMPDIR": "/tmp"})
"""


@cache
def why_not() -> str:
    """Return why this user may not make the namespaces; "": it may."""
    if shutil.which("unshare") is None:
        return "there is no program 'unshare'"
    tried = subprocess.run(["unshare", *_flags(), "true"], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""


_started: list[subprocess.Popen[bytes]] = []
"""Kept until they are reaped."""


def start(directory: Path, arguments: Sequence[str]) -> None:
    """Start Python with `arguments` behind the walls, in `directory`, which becomes its own; not if it runs there."""
    lock = os.open(_beside(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        root = _beside(directory, "root")
        root.mkdir(exist_ok=True)
        user = NOBODY if os.geteuid() == 0 else 0
        if user:
            _give(directory, user)
        command = ["unshare", *_flags(), "--propagation", "private", sys.executable, "-I", "-S", "-c", _ENTER]
        with open(_beside(directory, "log"), "wb") as log:
            process = subprocess.Popen(
                [
                    *command,
                    str(root),
                    str(directory),
                    str(user),
                    os.path.realpath(sys.executable),
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
                pass_fds=[lock],
            )
        os.pwrite(lock, b"%d" % process.pid, 0)
        _started.append(process)
    except BlockingIOError:
        pass  # it runs
    finally:
        os.close(lock)


def was_started(directory: Path) -> bool:
    """Return whether anything was ever started in `directory`."""
    return _pid(directory) != 0


def is_alive(directory: Path) -> bool:
    """Return whether something that was started in `directory` still runs."""
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        lock = os.open(_beside(directory, "lock"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def end(directory: Path, number: int) -> None:
    """Send a signal to what runs in `directory`; SIGKILL ends all that it started, too."""
    if is_alive(directory):
        try:
            os.killpg(_pid(directory), number)
        except ProcessLookupError:
            pass  # it has just ended


def log_of(directory: Path) -> str:
    """Return what the process in `directory` printed, as far as it is not in its record."""
    try:
        return _beside(directory, "log").read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def clear(directory: Path) -> None:
    """Remove what is beside `directory`; nothing runs there any more."""
    for ending in ("log", "lock"):
        _beside(directory, ending).unlink(missing_ok=True)
    root = _beside(directory, "root")
    if root.exists():
        root.rmdir()


def _pid(directory: Path) -> int:
    try:
        return int(_beside(directory, "lock").read_text() or 0)
    except FileNotFoundError:
        return 0


def _beside(directory: Path, ending: str) -> Path:
    return directory.with_name(f"{directory.name}.{ending}")


def _flags() -> list[str]:
    flags = ["--mount", "--pid", "--fork", "--kill-child"]
    return flags if os.geteuid() == 0 else ["--user", "--map-root-user", *flags]


def _give(directory: Path, user: int) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
