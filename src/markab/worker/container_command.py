"""The command line that runs a task in a container. Pure.

The directory of the attempt is mounted at `/scratch` (Docker, Podman) or `/srv` (Apptainer, Singularity, Shifter), and is the
working directory. The task runs as the user of the attempt, whatever the image says, and its program takes the place
of the image's entry point. Each word stands for itself: no shell is started.

The container of Docker or Podman has a name that says whose it is, and is removed when it ends; one whose arguments bound its
memory only after it was asked whether that ran out. It gets only the
variables that the documents and the attempt declare; those of the others get the environment of the host too.
"""

import hashlib
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from markab.transfers.container_tool import APPTAINER, DOCKER, PODMAN, SHIFTER, ContainerTool
from markab.worker.attempt_spec import Spec

Container = Dict[str, Any]
"""A container as the plan has it: `plan/model.py:TaskContainer`."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARACTERS = 100
_MEMORY = re.compile(r"(--memory(?:-swap)?|-m)(?:=(.+)|\Z)|-m(\d.*)\Z")
_AMOUNT = re.compile(r"(\d+)([bkmgBKMG]?)[bB]?\Z")
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def directory_inside(container: Container) -> str:
    """Return where the directory of the attempt is in a container."""
    return "/scratch" if container["type"] == DOCKER else "/srv"


def container_name(spec: Spec, task_id: str) -> str:
    """Return the name of the container for a task of an attempt: another name for each."""
    job_id = spec["job"]["id"]
    plain = _NOT_IN_A_NAME.sub("-", job_id)[:_NAME_CHARACTERS]
    digest = hashlib.sha256(("%s/%s" % (job_id, task_id)).encode("utf-8", "surrogateescape")).hexdigest()
    return "markab-%s-%s-%d-%s" % (spec["uuid"], plain, spec["attempt"], digest[:12])


def container_names(spec: Spec) -> List[str]:
    """Return the names of all containers that an attempt may have made."""
    tasks = spec["job"].get("tasks") or ()
    return [container_name(spec, task["id"]) for task in tasks if is_removable(task)]


def is_removable(task: Dict[str, Any]) -> bool:
    """Return whether a task runs in a container that may outlive its command: of Docker or Podman."""
    container = task.get("container")
    return container is not None and container["type"] == DOCKER


def bounds_memory(container: Container) -> bool:
    """Return whether the arguments of a container of Docker or Podman say how much memory it gets."""
    return container["type"] == DOCKER and any(map(_MEMORY.match, container.get("arguments") or ()))


def with_memory(arguments: Sequence[str], memory_mb: int) -> List[str]:
    """Return arguments whose bounds on memory are at least so high: a retry for lack of memory asks for more."""
    words = []
    follows = False
    for word in arguments:
        match = None if follows else _MEMORY.match(word)
        if follows:
            word = _at_least(word, memory_mb)
        elif match is not None and match.group(3):
            word = "-m" + _at_least(match.group(3), memory_mb)
        elif match is not None and match.group(2):
            word = "%s=%s" % (match.group(1), _at_least(match.group(2), memory_mb))
        follows = match is not None and not match.group(2) and not match.group(3)
        words.append(word)
    return words


def _at_least(amount: str, memory_mb: int) -> str:
    match = _AMOUNT.match(amount)
    if match is None or int(match.group(1)) * _UNITS[match.group(2).lower()] >= memory_mb << 20:
        return amount
    return "%dm" % memory_mb


def environ_inside(container: Container, own: Mapping[str, str]) -> Dict[str, str]:
    """Return what a task gets in its container, of its variables outside: directories are those inside."""
    inside = directory_inside(container)
    return dict(own, PWD=inside, _PEGASUS_INITIAL_DIR=inside)


class ContainerRun(object):
    """What one task is run with, beside the container of the plan."""

    __slots__ = (
        "directory",
        "environ",
        "gid",
        "gpus",
        "has_stdin",
        "image",
        "key",
        "memory_mb",
        "name",
        "tool",
        "uid",
    )

    def __init__(
        self,
        tool: ContainerTool,
        image: str,
        directory: str,
        environ: Mapping[str, str],
        name: str = "",
        key: str = "",
        gpus: int = 0,
        has_stdin: bool = False,
        uid: int = 0,
        gid: int = 0,
        memory_mb: int = 0,
    ) -> None:
        self.tool = tool
        self.image = image
        """What the program calls it: a name, or a path."""
        self.directory = directory
        """That of the attempt, on this machine."""
        self.environ = environ
        """What the task gets."""
        self.name = name
        self.key = key
        """That of the attempt, for a label."""
        self.gpus = gpus
        self.has_stdin = has_stdin
        self.uid = uid
        self.gid = gid
        self.memory_mb = memory_mb
        """What the job asks for; 0: it does not say."""


def container_command(
    container: Container, run: ContainerRun, argv: Sequence[str]
) -> Tuple[List[str], Dict[str, str]]:
    """Return the command line that runs `argv` in a container, and the variables for it.

    Raises:
        ValueError: the path of the directory cannot stand in it; the text says why.
    """
    if container["type"] == DOCKER:
        return list(container.get("launcher") or ()) + _docker(container, run, argv), {}
    if any(letter in run.directory for letter in ":,"):
        raise ValueError("':' and ',' have a meaning in a mount, and the path '%s' has one" % run.directory)
    if container["type"] == SHIFTER:
        return list(container.get("launcher") or ()) + _shifter(container, run, argv), {}
    prefix = "APPTAINERENV_" if run.tool.name == APPTAINER else "SINGULARITYENV_"
    environ = {prefix + name: value for name, value in run.environ.items()}
    return list(container.get("launcher") or ()) + _singularity(container, run, argv), environ


def _docker(container: Container, run: ContainerRun, argv: Sequence[str]) -> List[str]:
    words = [run.tool.path, "run", *([] if bounds_memory(container) else ["--rm"])]
    words += ["--name", run.name, "--label", "markab.attempt=" + run.key]
    words += ["--pull", "never", "--log-driver", "none", "--user", "%d:%d" % (run.uid, run.gid)]
    if run.tool.name == PODMAN and run.uid:
        words += ["--userns", "keep-id"]
    if run.has_stdin:
        words.append("--interactive")
    inside = directory_inside(container)
    words += ["--mount", 'type=bind,"source=%s",target=%s' % (run.directory.replace('"', '""'), inside)]
    for mount in container.get("mounts") or ():
        words += ["--volume", mount]
    if run.gpus:
        words += ["--device", "nvidia.com/gpu=all"] if run.tool.name == PODMAN else ["--gpus", "all"]
    for name, value in sorted({"HOME": inside, **run.environ}.items()):
        words += ["--env", "%s=%s" % (name, value)]
    words += with_memory(container.get("arguments") or (), run.memory_mb)
    return [*words, "--workdir", inside, "--entrypoint", argv[0], run.image, *argv[1:]]


def _singularity(container: Container, run: ContainerRun, argv: Sequence[str]) -> List[str]:
    inside = directory_inside(container)
    words = [run.tool.path, "exec", "--no-home", "--bind", "%s:%s" % (run.directory, inside), "--pwd", inside]
    for mount in container.get("mounts") or ():
        words += ["--bind", mount]
    if run.gpus:
        words.append("--nv")
    return [*words, *(container.get("arguments") or ()), run.image, *argv]


def _shifter(container: Container, run: ContainerRun, argv: Sequence[str]) -> List[str]:
    inside = directory_inside(container)
    words = [run.tool.path, "--image=docker:" + run.image, "--volume=%s:%s" % (run.directory, inside)]
    words += ["--volume=" + mount for mount in container.get("mounts") or ()]
    words += ["--env=%s=%s" % (name, value) for name, value in sorted(run.environ.items())]
    return [*words, *(container.get("arguments") or ()), "--workdir=" + inside, "--", *argv]
