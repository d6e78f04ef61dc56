"""Checks of containers: images, mounts, and arguments for the program that starts them. Pure.

Allowed as the source of a mount: every absolute path, but for `_NEVER` and what is below it; `_READ_ONLY` and what is
below it only with `:ro`. Allowed as its destination: every absolute path, but for the root directory, the
file systems of the kernel, and the directory of the job. Arguments may not mount anything else, and may not change what
makes a container end with its task, carry its name, and run as the user.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from markab.spec.lfn import lfn_fault
from markab.spec.model import Container

SHIFTER = "shifter"
REGISTRIES = {
    "docker": ("docker",),
    "singularity": ("docker", "library", "shub", "oras"),
    SHIFTER: ("docker", SHIFTER),
}
"""Type of a container → schemes by which its image is named in a registry."""

JOB_DIRECTORIES = ("/scratch", "/srv")
"""Where the directory of a job is in a container: of Docker, and of the others."""

Fault = tuple[str, str]
"""What is wrong, and a hint."""

_LFN = "lfn://"
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*\Z")
_REGISTRY_URL = re.compile(r"(docker|library|shub|oras|shifter)://(.*)\Z", re.DOTALL)
_NEVER = ("/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/var/lib/docker", "/var/lib/containers")
_READ_ONLY = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64")
_KERNEL = ("/proc", "/sys", "/dev")
_MOUNT_OPTIONS = ("ro", "rw")
_MOUNTING = {"docker": ("-v", "--volume"), "singularity": ("-B", "--bind"), SHIFTER: ("-V", "--volume")}
"""Options whose value is a mount."""
_REFUSED = {
    "docker": frozenset(
        [
            "--name",
            "--rm",
            "--rmi",
            "--replace",
            "--detach",
            "-d",
            "--detach-keys",
            "--attach",
            "-a",
            "--tty",
            "-t",
            "--interactive",
            "-i",
            "--sig-proxy",
            "--cidfile",
            "--pidfile",
            "--conmon-pidfile",
            "--pod",
            "--pod-id-file",
            "--entrypoint",
            "--restart",
            "--rootfs",
            "--workdir",
            "-w",
            "--user",
            "-u",
            "--userns",
            "--group-add",
            "--privileged",
            "--cap-add",
            "--security-opt",
            "--device-cgroup-rule",
            "--pid",
            "--ipc",
            "--uts",
            "--cgroupns",
            "--mount",
            "--volumes-from",
            "--label-file",
            "--env-file",
            "--init-path",
            "--log-driver",
            "--log-opt",
            "--pull",
            "--uidmap",
            "--gidmap",
            "--subuidname",
            "--subgidname",
            "--hostuser",
            "--chrootdirs",
            "--preserve-fds",
            "--use-api-socket",
            "--help",
            "--env-host",
        ]
    ),
    "singularity": frozenset(
        [
            "--pwd",
            "--workdir",
            "-W",
            "--home",
            "-H",
            "--scratch",
            "-S",
            "--mount",
            "--overlay",
            "-o",
            "--writable",
            "-w",
            "--security",
            "--add-caps",
            "--allow-setuid",
            "--fakeroot",
            "-f",
            "--keep-privs",
            "--env-file",
            "--cwd",
            "--fusemount",
            "--pid-file",
            "--docker-login",
            "--passphrase",
            "--oci",
            "--help",
            "-h",
            "--app",
        ]
    ),
    SHIFTER: frozenset(["--image", "-i", "--workdir", "-w", "--entrypoint", "--user", "-u", "--help", "-h"]),
}
"""What would contradict the command line that is made, or give power over the machine."""
_FLAGS = {
    "docker": frozenset(
        [
            "--init",
            "--read-only",
            "--no-healthcheck",
            "--oom-kill-disable",
            "--publish-all",
            "-P",
            "--quiet",
            "-q",
            "--no-hosts",
            "--no-hostname",
            "--http-proxy",
            "--tls-verify",
            "--unsetenv-all",
            "--disable-content-trust",
            "--passwd",
            "--read-only-tmpfs",
        ]
    ),
    "singularity": frozenset(
        [
            "--nv",
            "--nvccli",
            "--rocm",
            "--contain",
            "-c",
            "--containall",
            "-C",
            "--cleanenv",
            "-e",
            "--no-home",
            "--no-init",
            "--no-privs",
            "--no-umask",
            "--net",
            "-n",
            "--ipc",
            "-i",
            "--pid",
            "-p",
            "--uts",
            "-u",
            "--userns",
            "-U",
            "--writable-tmpfs",
            "--compat",
            "--no-eval",
            "--sharens",
            "--underlay",
            "--unsquash",
            "--no-https",
            "--disable-cache",
            "--oom-kill-disable",
        ]
    ),
    SHIFTER: frozenset(["--clearenv", "-e", "--verbose", "-v"]),
}
"""Options without a value."""
_OPTION = re.compile(r"-[A-Za-z]\Z|--[A-Za-z][A-Za-z0-9-]*(?:=.*)?\Z", re.DOTALL)

_LIKE_OPTION = re.compile(r"-(?![0-9])")


def registry_reference(image: str) -> tuple[str, str] | None:
    """Return the scheme and the reference of an image that is in a registry; None: it is a file."""
    if (found := _REGISTRY_URL.match(image)) is None:
        return None
    return found[1], found[2].lstrip("/")


def image_lfn(image: str) -> str | None:
    """Return the lfn of an image that is a file of the workflow, `lfn://NAME`; None: it is elsewhere."""
    return image.removeprefix(_LFN).lstrip("/") if image.startswith(_LFN) else None


def container_faults(container: Container) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a container: the kind of the problem, what, and a hint."""
    title = f"container {container.name!r}"
    if fault := _image_fault(container):
        yield "bad-image", f"the image {container.image!r} of {title} {fault[0]}", fault[1]
    for mount in container.mounts:
        if fault := mount_fault(mount):
            yield "bad-mount", f"mount {mount!r} of {title} {fault[0]}", fault[1]


def _image_fault(container: Container) -> Fault | None:
    image, type_ = container.image, container.type
    if (schemes := REGISTRIES.get(type_)) is None:
        return None  # noted by the reader
    example = f"write {schemes[0]}://NAME:TAG for one of a registry, or file:///where/it/is"
    if not image.strip():
        return "is empty", example
    if found := registry_reference(image):
        scheme, reference = found
        if scheme not in schemes:
            named = " and ".join(f"{name}://" for name in schemes)
            return f"is not for the type {type_!r}", f"images of that type are named by {named}"
        if not _REFERENCE.match(reference):
            return "is not the name of an image", example
        return None
    if (lfn := image_lfn(image)) is not None and type_ != SHIFTER:
        fault = lfn_fault(lfn)
        return ("is no file of a workflow: its name " + fault[0], fault[1]) if fault else None
    if type_ == SHIFTER:
        return "is not in the registry of Shifter", "write shifter://NAME:TAG or docker://NAME:TAG"
    if not image.startswith("/") and ":/" not in image:
        return "is neither a URL nor an absolute path", example
    return None


def mount_fault(mount: str) -> Fault | None:
    """Return what is wrong with a mount `source:destination[:ro]`."""
    parts = mount.split(":")
    written = "write /on/the/host:/in/the/container, and :ro at the end for read-only"
    if len(parts) not in (2, 3) or any(ord(letter) < 32 or letter == "," for letter in mount):
        return "is wrong", written
    options = set(parts[2].split(",")) if len(parts) == 3 else set()
    if not options <= set(_MOUNT_OPTIONS) or len(options) > 1:
        return f"has the option {parts[2]!r}", "a mount can be :ro or :rw"
    for path, what in ((parts[0], "source"), (parts[1], "destination")):
        if not path.startswith("/") or ".." in path.split("/"):
            return f"has the {what} {path!r}, which is no absolute path without '..'", written
    return source_fault(parts[0], is_read_only="ro" in options) or _destination_fault(parts[1])


def source_fault(path: str, *, is_read_only: bool) -> Fault | None:
    """Return why a directory of the machine may not be mounted in a container."""
    path = posixpath.normpath("/" + path.lstrip("/"))
    if path == "/" or any(_is_within(path, other) or _is_within(other, path) for other in _NEVER):
        hint = "mount the directory that the program needs, and not one that has it"
        return f"has the source {path!r}, by which a program could change the machine", hint
    if not is_read_only and any(_is_within(path, other) for other in _READ_ONLY):
        return f"has the source {path!r}, which belongs to the system", "write :ro at the end of the mount"
    return None


def _destination_fault(path: str) -> Fault | None:
    path = posixpath.normpath("/" + path.lstrip("/"))
    if path == "/" or any(_is_within(path, other) for other in _KERNEL):
        return f"has the destination {path!r}, which every container has itself", "mount at another path"
    if any(_is_within(path, other) for other in JOB_DIRECTORIES):
        return f"has the destination {path!r}, where the directory of the job is", "mount at another path"
    return None


def _is_within(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def split_container_arguments(text: str, type_: str) -> list[str] | Fault:
    """Return the words of `container.arguments`, or what is wrong with them.

    Every word must be an option or the value of one: a further word would be taken for the image. A value that
    looks like an option is refused: of an option that has none, which is not known here, it would be the next one.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"cannot be split into words: {error}", "close the quote, or write \\ before it"
    rest = iter(words)
    for word in rest:
        if not _OPTION.match(word):
            return (
                f"have the word {word!r}, which is no option",
                "write options only, such as --shm-size=2g or -e A=b",
            )
        name, equals, value = word.partition("=")
        if name in _REFUSED[type_]:
            return (
                f"have the option {name!r}",
                "leave it out: Markab sets it, or it would give power over the machine",
            )
        if not equals and name not in _FLAGS[type_]:
            value = next(rest, "-")
            if _LIKE_OPTION.match(value):
                return (
                    f"have the option {name!r} without a value",
                    "write the value after it; as --option=VALUE if it begins with '-', and --option=true if there is none",
                )
        if name in _MOUNTING[type_] and (fault := _bound_fault(value)):
            return fault
    return words


def _bound_fault(text: str) -> Fault | None:
    """Return what is wrong with the value of an option that mounts: several, or one path for both ends."""
    for mount in text.split(","):
        if fault := mount_fault(mount if ":" in mount else f"{mount}:{mount}"):
            return f"have the mount {mount!r}, which {fault[0]}", fault[1]
    return None


Report = Callable[[object, str, str, str], None]


def check_containers(containers: Sequence[Container], problem: Report) -> None:
    """Report everything that is wrong with the containers of a catalog."""
    names: set[str] = set()
    for container in containers:
        if container.name in names:
            message = f"two containers are named {container.name!r}"
            problem(container, message, "give each a name of its own", "duplicate-container")
        names.add(container.name)
        for kind, message, hint in container_faults(container):
            problem(container, message, hint, kind)
