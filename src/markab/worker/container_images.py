"""Images of containers on the machine where an attempt runs: loaded once a run, and unloaded at its end.

A staged image of Docker is a tar archive, as `docker save` writes it. It is loaded under a name of the run,
`localhost/markab-<uuid>-<number>:<sha256>`, and runs by that name alone. The names that the archive brings are put back:
to the images that had them before, or removed. So nothing of the user's changes, an image that several runs
loaded stays until the last of them unloads it, and one that the user has, or a container uses, stays as it is.

Before an archive is loaded, a note in the directory of attempts says what its names were; it is removed when they are put
back. Who finds one puts them back, since the process that wrote it was killed:

    image-<tag>.names    JSON: [name, id of the image that had it or "", id that the archive gives it or ""]
"""

import fcntl
import hashlib
import json
import os
import re
import tarfile
import threading
import time
from typing import Any, Dict, List, Tuple

from markab.errors import MarkabError
from markab.transfers.base import Cancelled, Stop
from markab.transfers.container_tool import DOCKER, ContainerTool, ToolFailed, find_tool
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.failure import AttemptFailed, transfer_error

_LOADED = re.compile(r"^Loaded image(?:\(s\))?(?: ID)?: *([^\s,]+)", re.MULTILINE)
_CONFIG = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?\Z")
"""The file of an archive that describes an image: its name is the id of that."""
_LOOK_S = 0.05
_FULL = re.compile(r"no space left|disk quota exceeded", re.IGNORECASE)

_ids: Dict[Tuple[str, str], str] = {}
"""(Path of a program, name) → id of the image, of those that are loaded."""
_lock = threading.Lock()
_locks: Dict[str, "threading.Lock"] = {}


class ReadyContainer(object):
    """A container whose image is on this machine."""

    __slots__ = ("container", "digest", "image", "image_id", "tool")

    def __init__(
        self, container: Dict[str, Any], tool: ContainerTool, image: str, digest: str = "", image_id: str = ""
    ) -> None:
        self.container = container
        self.tool = tool
        self.image = image
        """What the program calls it."""
        self.digest = digest
        """sha256 of the image's file; "": it is not a file."""
        self.image_id = image_id

    def entry(self) -> Dict[str, Any]:
        """Return what a record has of it."""
        entry = {"name": self.container["name"], "type": self.container["type"], "program": self.tool.name}
        entry["image"] = self.container["image"]
        if self.digest:
            entry["sha256"] = self.digest
        if self.image_id:
            entry["id"] = self.image_id
        return entry


def ready_containers(prepared: Prepared, stop: Stop) -> None:
    """Make the images of all containers of an attempt ready.

    Raises:
        AttemptFailed: one cannot be.
        Cancelled: `stop` was set.
    """
    for task in prepared.job.get("tasks") or ():
        container = task.get("container")
        if container and container["name"] not in prepared.containers:
            prepared.containers[container["name"]] = _ready(prepared, container, stop)


def _ready(prepared: Prepared, container: Dict[str, Any], stop: Stop) -> ReadyContainer:
    try:
        tool = find_tool(container["type"], container.get("program") or "")
    except MarkabError as error:
        raise AttemptFailed(ErrorKind.CONTAINER, error.message, error.hint) from error
    image = container["image"]
    if not container.get("is_staged", True):
        return ReadyContainer(container, tool, image)
    path, sha256 = prepared.images[image]
    if container["type"] != DOCKER:
        return ReadyContainer(container, tool, path, sha256)
    repository = repository_of(prepared.spec["uuid"], image)
    try:
        name = "%s:%s" % (repository, sha256[:32])
        note = os.path.join(prepared.spec["work"], "image-%s.names" % sha256[:32])
        image_id = load_image(tool, path, name, note, prepared.spec["attempt"] > 1, stop)
    except ToolFailed as error:
        raise _load_error(image, path, error) from error
    return ReadyContainer(container, tool, name, sha256, image_id)


def _load_error(image: str, path: str, error: ToolFailed) -> AttemptFailed:
    message = "image '%s' cannot be loaded from '%s': %s" % (image, path, error.message)
    if _FULL.search(error.text):
        return AttemptFailed(ErrorKind.STORAGE, message, "make room where images are kept")
    return AttemptFailed(
        ErrorKind.CONTAINER, message, "it must be a tar file as `docker save -o FILE IMAGE` writes it"
    )


def repository_of(uuid: str, image: str) -> str:
    """Return the name, without a tag, under which a run loads the image with this lfn."""
    return "localhost/markab-%s-%s" % (uuid, hashlib.sha256(image.encode()).hexdigest()[:12])


def load_image(tool: ContainerTool, path: str, name: str, note: str, again: bool, stop: Stop) -> str:
    """Load the image in a file under a name, unless it is there; return its id. It is loaded once, whoever asks meanwhile.

    Args:
        note: path of the note of what its names were.
        again: look whether it is still there, though it was loaded before.
    """
    key = tool.path, name
    if not again and key in _ids:
        return _ids[key]
    with _lock:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        if again or key not in _ids:
            found = "" if os.path.exists(note) else _id_of(tool, name, stop)
            _ids[key] = found or _load(tool, path, name, note, stop)
        return _ids[key]


def _load(tool: ContainerTool, path: str, name: str, note: str, stop: Stop) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Another process of the run may load it too, also one whose engine was killed.
        _lock_file(fd, stop)
        _put_back(tool, note, stop)
        found = _id_of(tool, name, stop)
        if found:
            return found
        names = _names_in(path)
        _write_note(note, [(one, _id_of(tool, one, stop), image_id) for one, image_id in names.items()])
        printed = tool.run(["load", "--quiet", "--input", path], stop, pass_fds=[fd])
        match = _LOADED.search(printed)
        if match is None:
            raise ToolFailed("%s load" % tool.name, 0, "it does not say which image it loaded")
        tool.run(["tag", match.group(1), name], stop)
        _put_back(tool, note, stop)
        return _id_of(tool, name, stop)
    finally:
        os.close(fd)


def _write_note(note: str, names: List[Tuple[str, str, str]]) -> None:
    os.makedirs(os.path.dirname(note), exist_ok=True)  # with `sharedfs` no attempt has a directory
    with open(note + ".part", "w", encoding="utf-8") as file:
        json.dump(names, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(note + ".part", note)


def _put_back(tool: ContainerTool, note: str, stop: Stop) -> None:
    """Give the names of a note to the images that had them, as far as they still have the one of the archive."""
    try:
        with open(note, encoding="utf-8") as file:
            names = json.load(file)
    except (FileNotFoundError, ValueError):
        return
    for name, before, loaded in names:
        if not _is_name(name) or before.startswith("-"):
            continue  # not what is written here
        now = _id_of(tool, name, stop)
        if now and now != before and (not loaded or now.endswith(loaded)):
            tool.run(["tag", before, name] if before else ["rmi", name], stop)
    os.unlink(note)


def _lock_file(fd: int, stop: Stop) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if stop is None:
                time.sleep(_LOOK_S)
            elif stop.wait(_LOOK_S):
                raise Cancelled("waiting for another process that loads the image was cancelled") from None
        except OSError:
            return  # a file system without locks: it is loaded twice at worst


def _id_of(tool: ContainerTool, name: str, stop: Stop) -> str:
    """Return the id of an image; "": there is none of that name."""
    try:
        return tool.run(["image", "inspect", "--format", "{{.Id}}", name], stop).strip()
    except ToolFailed:
        return ""


def _names_in(path: str) -> Dict[str, str]:
    """Return the names that the images in an archive of `docker save` have, with the id of each; {} if it does not say so."""
    try:
        with tarfile.open(path) as archive:
            manifest = archive.extractfile("manifest.json")
            images: Any = json.loads(manifest.read().decode()) if manifest else []
        found = {}
        for image in images:
            config = _CONFIG.match(image.get("Config") or "")
            for name in filter(_is_name, image.get("RepoTags") or ()):
                found[name] = config.group(1) if config else ""
        return found
    except (OSError, tarfile.TarError, KeyError, ValueError, AttributeError, TypeError):
        return {}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and re.match(r"[A-Za-z0-9][A-Za-z0-9._/:-]*\Z", name) is not None


def unload_images(uuid: str, unloads: Dict[str, str], stop: Stop) -> List[AttemptFailed]:
    """Take the names of a run from its images, which removes those that nothing else uses; return the errors.

    Args:
        unloads: lfns of the images → the program that loaded each; "": the one that is found here.
    """
    errors: List[AttemptFailed] = []
    for image, program in unloads.items():
        try:
            _unload(find_tool(DOCKER, program), repository_of(uuid, image), stop)
        except ToolFailed as error:
            errors.append(AttemptFailed(ErrorKind.CONTAINER, "image '%s' stays: %s" % (image, error.message)))
        except MarkabError as error:
            errors.append(transfer_error(error))
    return errors


def _unload(tool: ContainerTool, repository: str, stop: Stop) -> None:
    words = ["images", "--filter", "reference=" + repository, "--format", "{{.Repository}}:{{.Tag}}"]
    for name in sorted(set(tool.run(words, stop).split())):
        if not name.startswith(repository + ":"):
            continue
        _ids.pop((tool.path, name), None)
        try:
            tool.run(["rmi", name], stop)
        except ToolFailed as error:
            if "in use" not in error.text and "is being used" not in error.text:
                raise


def container_entries(prepared: Prepared) -> List[Dict[str, Any]]:
    """Return what a record has of the containers of an attempt."""
    return [ready.entry() for ready in prepared.containers.values()]
