"""Software environments of tasks: made once of a file with packages, and found again by its content.

An environment is a directory below the user's cache, `markab/environments/<tool>-<digest>`: of the text of its
file, and of the Python that makes it. It is whole when it has the file `READY`, which is renamed
into place at the end. What is made cannot be moved (its programs have its path in them), so that it is made where it
will be, by one process at a time; what an earlier process left unfinished is removed before.

The file `<tool>-<digest>.lock` is locked by who makes an environment, with the programs that it calls, alone, and shared
by each process that uses it: so neither is it removed while it is in use, nor made twice at a time, even if the
first one's engine was killed. The time of `READY` is that of the last use.

    READY    JSON: {"tool", "file", "python", "packages"}, the packages as `name==version`
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from markab.transfers.base import Stop
from markab.transfers.error_kinds import ErrorKind
from markab.worker.environment_modules import load_modules
from markab.worker.failure import AttemptFailed
from markab.worker.user_cache import user_cache

READY = "markab-ready.json"
LOOK_S = 0.05
"""How often a process that waits for another, or for its own builder, looks."""
REMEMBERED_S = 60.0
"""So long a process does not try again what it could not make: all jobs of a run would try the same."""
LINES_SHOWN = 5
_NOT_FOR_BUILDERS = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
_OFFLINE = (
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Connection refused",
    "No matching distribution",
    "Could not find a version",
    "Failed to fetch",
    "error sending request",
    "CondaHTTPError",
)

Definition = Mapping[str, Any]
"""As `SoftwareEnvironment` in `plan/model.py`; keys that are empty may be left out."""


class Environments(object):
    """The environments that this process uses, each looked for once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._found = {}  # type: Dict[str, Tuple[Dict[str, str], Dict[str, Any]]]
        self._failed = {}  # type: Dict[str, Tuple[float, AttemptFailed]]
        self._locks = []  # type: List[IO[str]]

    def is_at_hand(self, names: Mapping[str, Definition]) -> bool:
        """Return whether `use` has nothing to make or to load for these."""
        return all(name in self._found for name in names)

    def use(
        self, name: str, definition: Definition, stop: Stop = None
    ) -> Tuple[Dict[str, str], Dict[str, Any]]:
        """Return the variables of an environment, and what the record says of it; make it if it is not there.

        Its packages are told at the first use.

        Raises:
            AttemptFailed: it cannot be made.
        """
        if name not in self._found:
            self._raise_failed(name)
            try:
                self._found[name] = self._realize(name, definition, stop)
            except AttemptFailed as error:
                if error.kind == ErrorKind.ENVIRONMENT:
                    self._failed[name] = time.monotonic(), error
                raise
        variables, entry = self._found[name]
        self._found[name] = variables, {key: value for key, value in entry.items() if key != "packages"}
        return variables, entry

    def _raise_failed(self, name: str) -> None:
        when, error = self._failed.get(name, (0.0, None))
        if error is not None and time.monotonic() - when < REMEMBERED_S:
            raise AttemptFailed(error.kind, error.message, error.hint)

    def _realize(
        self, name: str, definition: Definition, stop: Stop
    ) -> Tuple[Dict[str, str], Dict[str, Any]]:
        variables = {}  # type: Dict[str, str]
        entry = {"name": name}  # type: Dict[str, Any]
        modules = definition.get("modules") or []
        if modules:
            variables.update(load_modules(modules, self._environ))
            entry["modules"] = list(modules)
        if definition.get("tool"):
            directory = environment_directory(definition, self._environ)
            ready = self._locked(directory, definition, stop)
            path = variables.get("PATH") or self._environ.get("PATH") or os.defpath
            variables.update(_activated(definition["tool"], directory, path))
            entry.update(ready, directory=directory, digest=os.path.basename(directory).rpartition("-")[2])
        return variables, entry

    def _locked(self, directory: str, definition: Definition, stop: Stop) -> Dict[str, Any]:
        """Return what `READY` has, once the environment is there and locked as in use."""
        name = definition["file"]
        with _as_failure(name, directory):
            while True:
                lock = _open_lock(directory)
                if lock is None:  # made by another user, who may remove it
                    return _ready(directory) or _make(directory, definition, self._environ, stop)
                _wait_for_lock(lock, fcntl.LOCK_SH, stop, name)
                ready = _ready(directory)
                if ready is not None:
                    self._locks.append(lock)
                    _note_use(directory)
                    return ready
                lock.close()
                _make(directory, definition, self._environ, stop)


def environments_directory(environ: Optional[Mapping[str, str]] = None) -> str:
    """Return the directory of all environments of a user, by default of this process. Raises AttemptFailed if there is no cache."""
    environ = os.environ if environ is None else environ
    base = user_cache(environ)
    if not base:
        raise AttemptFailed(
            ErrorKind.ENVIRONMENT,
            "there is no directory for software environments",
            "set HOME or XDG_CACHE_HOME",
        )
    return os.path.join(base, "environments")


def environment_directory(definition: Definition, environ: Mapping[str, str]) -> str:
    """Return where an environment is, or will be. Raises AttemptFailed if the user has no cache."""
    tool = definition["tool"]
    python = [sys.implementation.name, platform.python_version(), sys.prefix] if tool == "pip" else []
    parts = [tool, definition["file"], definition.get("text", ""), platform.machine(), *python]
    digest = hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()
    return os.path.join(environments_directory(environ), "%s-%s" % (tool, digest[:32]))


def last_use(directory: str) -> Optional[float]:
    """Return when an environment was used last; None: it is not whole."""
    try:
        return os.stat(os.path.join(directory, READY)).st_mtime
    except OSError:
        return None


def remove_environment(directory: str) -> bool:
    """Remove an environment, unless a process uses or makes it; return whether it has gone. Raises OSError."""
    with open(directory + ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            os.unlink(os.path.join(directory, READY))  # what is left after a kill is then not whole
        except FileNotFoundError:
            pass
        shutil.rmtree(directory)
    return True


def _ready(directory: str) -> Optional[Dict[str, Any]]:
    try:
        with open(os.path.join(directory, READY), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _activated(tool: str, directory: str, path: str) -> Dict[str, str]:
    prefix = _prefix(tool, directory)
    front = os.path.join(prefix, "bin")
    return {"PATH": front + os.pathsep + path, "VIRTUAL_ENV" if tool == "pip" else "CONDA_PREFIX": prefix}


def task_environ(variables: Mapping[str, str], own: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables of a task that runs in an environment: its own win, but what the environment has in PATH stays in front."""
    merged = dict(variables, **own)
    if "PATH" in own and "PATH" in variables:
        merged["PATH"] = variables["PATH"] + os.pathsep + own["PATH"]
    return merged


def _prefix(tool: str, directory: str) -> str:
    return (
        os.path.join(directory, ".pixi", "envs", "default")
        if tool == "pixi"
        else os.path.join(directory, "prefix")
    )


def _make(directory: str, definition: Definition, environ: Mapping[str, str], stop: Stop) -> Dict[str, Any]:
    """Make an environment, unless another process has made it meanwhile; return what `READY` has."""
    name = definition["file"]
    with _as_failure(name, directory):
        os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
        with open(directory + ".lock", "a") as lock:
            _wait_for_lock(lock, fcntl.LOCK_EX, stop, name)
            ready = _ready(directory)
            if ready is None:
                if os.path.lexists(directory):
                    shutil.rmtree(directory)
                os.mkdir(directory, 0o700)
                ready = _build(directory, definition, environ, stop, lock)
                _write(os.path.join(directory, READY), json.dumps(ready))
            return ready


def _open_lock(directory: str) -> Optional[IO[str]]:
    """Open the lock of an environment; None: nothing may be written there, but it is whole."""
    try:
        os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
        return open(directory + ".lock", "a")
    except PermissionError:
        if last_use(directory) is None:
            raise
        return None


def _wait_for_lock(lock: IO[str], how: int, stop: Stop, name: str) -> None:
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            _pause(stop, name)


def _note_use(directory: str) -> None:
    try:
        os.utime(os.path.join(directory, READY))
    except OSError:
        pass  # it looks older than it is


@contextmanager
def _as_failure(name: str, directory: str) -> Iterator[None]:
    """Report an error of the system as one of the environment."""
    try:
        yield
    except OSError as error:
        raise AttemptFailed(
            ErrorKind.ENVIRONMENT,
            "the software environment '%s' cannot be made in '%s': %s"
            % (name, directory, error.strerror or error),
            "make room there, or set XDG_CACHE_HOME to another directory",
        ) from error


def _build(
    directory: str, definition: Definition, environ: Mapping[str, str], stop: Stop, lock: IO[str]
) -> Dict[str, Any]:
    tool, name = definition["tool"], definition["file"]
    file = os.path.join(directory, name)
    _write(file, definition.get("text", ""))  # a plan leaves out what is empty
    environ = {key: value for key, value in environ.items() if key not in _NOT_FOR_BUILDERS}
    prefix = _prefix(tool, directory)
    lists = []  # type: List[str]
    for words in _builders(tool, file, prefix, environ):
        _run(words, directory, name, environ, stop, lock)
    python = os.path.join(prefix, "bin", "python")
    if os.path.exists(python):
        lists = _packages(python, directory, name, environ, stop, lock)
    return {
        "tool": tool,
        "file": name,
        "python": platform.python_version() if tool == "pip" else "",
        "packages": lists,
    }


def _builders(tool: str, file: str, prefix: str, environ: Mapping[str, str]) -> List[List[str]]:
    """Return the commands that make an environment. Raises AttemptFailed if none of their programs is there."""
    path = environ.get("PATH", os.defpath)
    if tool == "pip":
        uv = shutil.which("uv", path=path)
        python = os.path.join(prefix, "bin", "python")
        if uv:
            return [
                [uv, "venv", "--python", sys.executable, prefix],
                [uv, "pip", "install", "--python", python, "-r", file],
            ]
        install = [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r", file]
        return [[sys.executable, "-m", "venv", prefix], install]
    if tool == "pixi":
        pixi = shutil.which("pixi", path=path)
        if pixi:
            return [[pixi, "install", "--manifest-path", file]]
        raise _no_program(os.path.basename(file), "pixi")
    for program in ("micromamba", "mamba", "conda"):
        found = shutil.which(program, path=path)
        if found:
            create = ["create", "--yes"] if program == "micromamba" else ["env", "create"]
            return [[found, *create, "--prefix", prefix, "--file", file]]
    raise _no_program(os.path.basename(file), "micromamba, mamba or conda")


def _no_program(name: str, programs: str) -> AttemptFailed:
    return AttemptFailed(
        ErrorKind.ENVIRONMENT,
        "the software environment '%s' cannot be made: this machine has no %s" % (name, programs),
        "install it, and have it in PATH where markab runs",
    )


def _packages(
    python: str, directory: str, name: str, environ: Mapping[str, str], stop: Stop, lock: IO[str]
) -> List[str]:
    """Return the Python packages of an environment, as `name==version`."""
    code = (
        "import importlib.metadata as m\n"
        "print('\\n'.join(sorted({'%s==%s' % (d.metadata['Name'], d.version) for d in m.distributions()})))"
    )
    text = _run([python, "-c", code], directory, name, environ, stop, lock)
    return [line for line in text.splitlines() if "==" in line]


def _run(
    words: List[str], directory: str, name: str, environ: Mapping[str, str], stop: Stop, lock: IO[str]
) -> str:
    """Run a command to its end, and return what it printed; its output is kept in `build.log`. It has the lock too."""
    path = os.path.join(directory, "build.log")
    with open(path, "ab") as log:
        began = log.tell()
        child = subprocess.Popen(
            words,
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        try:
            while child.poll() is None:
                _pause(stop, name)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    with open(path, encoding="utf-8", errors="replace") as file:
        file.seek(began)
        text = file.read()
    if child.returncode:
        raise _failed(words, child.returncode, name, text)
    return text


def _failed(words: List[str], code: int, name: str, text: str) -> AttemptFailed:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    said = "; ".join(errors[-LINES_SHOWN:]) or "it printed nothing"
    hint = "correct the file, and plan again"
    if any(sign in text for sign in _OFFLINE):
        hint = "is the name right, and does this machine reach the package index? with pip, PIP_INDEX_URL names another one"
    elif "ensurepip" in text:
        hint = "install the package python3-venv, or uv"
    program = os.path.basename(words[0])
    message = "the software environment '%s' cannot be made: %s ended with exit code %d: %s"
    return AttemptFailed(ErrorKind.ENVIRONMENT, message % (name, program, code, said), hint)


def _pause(stop: Stop, name: str) -> None:
    if stop is None:
        time.sleep(LOOK_S)
    elif stop.wait(LOOK_S):
        raise AttemptFailed(
            ErrorKind.CANCELLED, "cancelled while the software environment '%s' was made" % name
        )


def _write(path: str, text: str) -> None:
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".part", path)
