"""Start a process in a directory, in a group of its own, as fast as the system can.

`os.posix_spawn` cannot change the directory, and `subprocess` takes several times as long
and more still as the engine's memory grows. So we call the C library's posix_spawn,
with `posix_spawn_file_actions_addchdir_np` (glibc 2.29, musl 1.1.24, macOS 10.15).
Where that is missing, `subprocess` does it.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence

_SETPGROUP, _SETSIGDEF, _SETSIGMASK = 0x02, 0x04, 0x08  # the same on Linux and macOS
# What Python, nohup or a shell may have told the engine to ignore; exec resets the rest.
_RESET = ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM", "SIGCHLD")
_STRUCT_BYTES = 1024  # more than any system's posix_spawnattr_t (336 on glibc)


class Environ:
    """An environment made ready for many processes that differ in a few variables."""

    def __init__(self, base: Mapping[str, str]) -> None:
        self._pairs = {name: _pair(name, value) for name, value in base.items()}
        self._plain = list(self._pairs.values())

    def with_own(self, own: Mapping[str, str]) -> list[bytes]:
        """Return it as posix_spawn wants it, with the variables `own` added or replaced."""
        mine = [_pair(name, value) for name, value in own.items()]
        if self._pairs.keys().isdisjoint(own):
            return self._plain + mine
        return [pair for name, pair in self._pairs.items() if name not in own] + mine


def _pair(name: str, value: str) -> bytes:
    return os.fsencode(name) + b"=" + os.fsencode(value)


class Spawner:
    """Starts processes. One thread at a time may use it."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._attributes = ctypes.create_string_buffer(_STRUCT_BYTES)
        signals = ctypes.create_string_buffer(_STRUCT_BYTES)
        libc.posix_spawnattr_init(self._attributes)
        libc.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SETPGROUP | _SETSIGDEF | _SETSIGMASK))
        libc.posix_spawnattr_setpgroup(self._attributes, 0)
        libc.sigemptyset(signals)
        libc.posix_spawnattr_setsigmask(self._attributes, signals)
        for name in _RESET:
            if hasattr(signal, name):
                libc.sigaddset(signals, int(getattr(signal, name)))
        libc.posix_spawnattr_setsigdefault(self._attributes, signals)
        self._spawn = libc.posix_spawn
        self._init = libc.posix_spawn_file_actions_init
        self._dup = libc.posix_spawn_file_actions_adddup2
        self._chdir = libc.posix_spawn_file_actions_addchdir_np
        self._destroy = libc.posix_spawn_file_actions_destroy
        self._actions = ctypes.create_string_buffer(_STRUCT_BYTES)
        self._pid = ctypes.c_int()

    def start(
        self,
        program: str,
        argv: Sequence[str],
        cwd: str,
        environ: Sequence[bytes],
        fds: tuple[int, int, int],
    ) -> int:
        """Start `program` and return its pid, which is also the number of its process group.

        Args:
            fds: what stdin, stdout and stderr become; all at least 3.

        Raises:
            OSError: it cannot be started.
        """
        words = [os.fsencode(word) for word in argv]
        argv_c = (ctypes.c_char_p * (len(words) + 1))(*words)
        environ_c = (ctypes.c_char_p * (len(environ) + 1))(*environ)
        actions = self._actions
        self._init(actions)
        try:
            for number, fd in enumerate(fds):
                self._dup(actions, fd, number)
            self._chdir(actions, os.fsencode(cwd))
            error = self._spawn(
                ctypes.byref(self._pid), os.fsencode(program), actions, self._attributes, argv_c, environ_c
            )
        finally:
            self._destroy(actions)
        if error:
            raise OSError(error, os.strerror(error), program)
        return self._pid.value


class SlowSpawner:
    """The same by way of `subprocess`, for systems whose posix_spawn cannot change the directory."""

    def start(
        self,
        program: str,
        argv: Sequence[str],
        cwd: str,
        environ: Sequence[bytes],
        fds: tuple[int, int, int],
    ) -> int:
        """See `Spawner.start`."""
        import subprocess

        env = dict(pair.split(b"=", 1) for pair in environ)
        child = subprocess.Popen(
            list(argv),
            executable=program,
            cwd=cwd,
            env=env,
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
            start_new_session=True,
        )
        child.returncode = 0  # the executor reaps it, not Popen
        return child.pid


def make_spawner() -> Spawner | SlowSpawner:
    """Return the fast one where it works."""
    try:
        return Spawner()
    except (AttributeError, OSError):
        return SlowSpawner()
