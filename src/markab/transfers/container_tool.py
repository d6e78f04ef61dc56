"""The programs that start containers: which one is used on this machine, and running their short commands."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from typing import IO, Any, Dict, List, Optional, Sequence, Tuple

from markab.errors import MarkabError, TransferRefused
from markab.transfers.base import Cancelled, Stop

DOCKER = "docker"
PODMAN = "podman"
APPTAINER = "apptainer"
SINGULARITY = "singularity"
SHIFTER = "shifter"

TOOLS = {
    DOCKER: (DOCKER, PODMAN),
    SINGULARITY: (APPTAINER, SINGULARITY),
    SHIFTER: (SHIFTER,),
}
"""Type of a container → the programs that can start it, the first that is found is used."""

_INSTALL = {
    DOCKER: "install docker or podman there (Debian: apt-get install podman), or add its directory to PATH",
    SINGULARITY: "install apptainer there, or add its directory to PATH",
    SHIFTER: "run the job at a site that has shifter, or add its directory to PATH",
}
_LONGEST_PAUSE_S = 0.05
_TEXT_BYTES = 65536
_ANSWER_S = 10.0

_found: Dict[Tuple[str, str, str], "ContainerTool"] = {}
_lock = threading.Lock()


class ToolFailed(MarkabError):
    """A command of a program for containers failed; `text` is what it printed as its error."""

    def __init__(self, command: str, status: int, text: str) -> None:
        self.text = text
        self.status = status
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        why = lines[-1] if lines else "it printed no error"
        MarkabError.__init__(self, "`%s` ended with exit code %d: %s" % (command, status, why))


class ContainerTool(object):
    """A program that starts containers: its path, and what it is."""

    __slots__ = ("name", "path")

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        """One of the programs in `TOOLS`: a `docker` that is a wrapper of podman is podman."""

    def run(
        self,
        words: Sequence[str],
        stop: Stop = None,
        stdout: Optional[IO[Any]] = None,
        pass_fds: Sequence[int] = (),
    ) -> str:
        """Run a command of it, such as `load`; return what it printed.

        Args:
            stdout: a file that gets what it prints; then "" is returned.
            pass_fds: descriptors that it gets too, such as one with a lock that holds as long as it runs.

        Raises:
            ToolFailed: its exit code is not 0.
            Cancelled: `stop` was set.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            status = _run([self.path, *words], stdout or out, err, stop, pass_fds)
            if status:
                raise ToolFailed("%s %s" % (self.name, words[0]), status, _text(err))
            return "" if stdout else _text(out)


def find_tool(type_: str, wanted: str = "") -> ContainerTool:
    """Return the program that starts containers of a type on this machine; it is looked for once.

    Docker's client is left alone if its daemon does not answer and podman is there.

    Args:
        wanted: the name of the one to use.

    Raises:
        TransferRefused: there is none.
    """
    key = type_, wanted, os.environ.get("PATH", "")
    with _lock:
        if key not in _found:
            _found[key] = _find(type_, wanted)
        return _found[key]


def _find(type_: str, wanted: str) -> ContainerTool:
    paths = [path for path in map(shutil.which, [wanted] if wanted else TOOLS[type_]) if path]
    if not paths:
        names = wanted or " or ".join(TOOLS[type_])
        raise TransferRefused("no program %s is on PATH, which starts containers" % names, _INSTALL[type_])
    tools = [ContainerTool(path, os.path.basename(path)) for path in paths]
    for tool in tools:
        if tool.name == DOCKER and "podman" in _answer(tool, "--version"):
            tool.name = PODMAN
    if len(tools) > 1 and tools[0].name == DOCKER and not _answer(tools[0], "info", "--format", "{{.ID}}"):
        return tools[1]
    return tools[0]


def _answer(tool: ContainerTool, *words: str) -> str:
    """Return what a command prints; "" if it fails, or does not end soon."""
    stop = threading.Event()
    timer = threading.Timer(_ANSWER_S, stop.set)
    timer.start()
    try:
        return tool.run(words, stop).strip()
    except (MarkabError, OSError):
        return ""
    finally:
        timer.cancel()


def _run(argv: List[str], out: IO[Any], err: IO[Any], stop: Stop, pass_fds: Sequence[int]) -> int:
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    pause_s = 0.001
    while child.poll() is None:
        if stop is not None and stop.is_set():
            _end(child)
            raise Cancelled("`%s` was cancelled" % " ".join(argv[:2]))
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return child.returncode


def _end(child: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended
    child.wait()


def _text(file: IO[Any]) -> str:
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, size_bytes - _TEXT_BYTES))
    data: bytes = file.read()
    return data.decode("utf-8", "replace")
