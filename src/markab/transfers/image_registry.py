"""`docker://`, `library://`, `shub://` and `oras://`: images of containers, pulled from their registry into one file.

For Docker the file is the tar archive of `docker save`, and what was pulled for it is removed again, if it was not
there before; for Singularity (by the end of the file's name, or the scheme) it is what `apptainer pull` writes. Needs the
programs; a login is theirs too (`docker login`).
"""

import os
import re
import shutil
import tempfile
from typing import Optional

from markab.errors import MarkabError, StorageError, TransferRefused, TransferUnavailable
from markab.transfers.base import Moved, Scheme, Stop, check_stop
from markab.transfers.checksum import compare, sha256_of_open
from markab.transfers.container_tool import DOCKER, SINGULARITY, ContainerTool, ToolFailed, find_tool
from markab.transfers.os_errors import writing_failed
from markab.transfers.partial_file import PartialFile

SINGULARITY_SUFFIXES = (".sif", ".simg", ".img", ".sqsh")
"""How the names of images of Singularity end."""

_BLOCK_BYTES = 1 << 20
_LIMITED = re.compile(r"toomanyrequests|too many requests|rate limit|\b429\b", re.IGNORECASE)
_REFUSED = re.compile(
    r"unauthorized|denied|authentication required|not found|manifest unknown|name unknown|no such host"
    r"|invalid reference|\b40[134]\b|unable to parse",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|disk quota exceeded", re.IGNORECASE)


class ImageRegistry(Scheme):
    """Pulls images; nothing can be written to a registry."""

    name = DOCKER

    def get(
        self,
        url: str,
        path: str,
        stop: Stop = None,
        sha256: Optional[str] = None,
        executable: bool = False,
        durable: bool = True,
        site: str = "",
    ) -> Moved:
        """Pull an image; the file at `path` is complete or not there."""
        check_stop(stop)
        scheme, _, rest = url.partition("://")
        reference = rest.lstrip("/")
        is_singularity = scheme != DOCKER or path.endswith(SINGULARITY_SUFFIXES)
        tool = find_tool(SINGULARITY if is_singularity else DOCKER)
        try:
            part = PartialFile(path)
        except OSError as error:
            raise writing_failed(error, url, path) from error
        try:
            if is_singularity:
                _pull_singularity(tool, url, part, stop)
            else:
                _pull_docker(tool, qualified(reference), part, stop)
            actual = sha256_of_open(part.fd, stop)
            if sha256:
                compare(url, sha256, actual)
            return Moved(part.commit(0o644, durable).st_size, actual)
        except ToolFailed as error:
            raise pull_error(url, error) from error
        except OSError as error:
            raise writing_failed(error, url, path) from error
        finally:
            part.discard()


def qualified(reference: str) -> str:
    """Return a reference with the name of its registry, which is Docker's own if it names none."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return "docker.io/%s%s" % ("" if slash else "library/", reference)


def _pull_docker(tool: ContainerTool, reference: str, part: PartialFile, stop: Stop) -> None:
    was_there = _is_there(tool, reference, stop)
    tool.run(["pull", "--quiet", reference], stop)
    try:
        with os.fdopen(os.dup(part.fd), "r+b") as file:
            tool.run(["save", reference], stop, stdout=file)
    finally:
        if not was_there:
            try:
                tool.run(["rmi", reference])
            except ToolFailed:
                pass  # somebody uses it by now


def _is_there(tool: ContainerTool, reference: str, stop: Stop) -> bool:
    try:
        return bool(tool.run(["image", "inspect", "--format", "{{.Id}}", reference], stop))
    except ToolFailed:
        return False


def _pull_singularity(tool: ContainerTool, url: str, part: PartialFile, stop: Stop) -> None:
    scheme, _, rest = url.partition("://")
    with tempfile.TemporaryDirectory(prefix="markab-image-") as folder:
        file = os.path.join(folder, "image.sif")
        tool.run(["pull", "--force", file, "%s://%s" % (scheme, rest.lstrip("/"))], stop)
        with open(file, "rb") as image, os.fdopen(os.dup(part.fd), "r+b") as copy:
            shutil.copyfileobj(image, copy, _BLOCK_BYTES)


def pull_error(url: str, error: ToolFailed) -> MarkabError:
    """Return the error of a transfer for a pull that failed: whether to try again depends on what was printed."""
    message = "image '%s' was not pulled: %s" % (url, error.message)
    if _LIMITED.search(error.text):
        return TransferUnavailable(
            "the registry limits how often it is asked: %s" % message,
            "log in to it (docker login, podman login), wait, or put the image into a file: docker save -o FILE",
        )
    if _FULL.search(error.text):
        return StorageError(message, "make room where the program for containers keeps its images")
    if _REFUSED.search(error.text):
        return TransferRefused(
            message, "correct `image` in the transformation catalog, or log in to the registry"
        )
    return TransferUnavailable(message)
