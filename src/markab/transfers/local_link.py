"""Link or move a file on this machine."""

import errno
import os
from typing import Callable, List, Optional

from markab.transfers.base import Moved, Stop, check_stop
from markab.transfers.checksum import Verified
from markab.transfers.group_commit import GroupCommit
from markab.transfers.local_copy import checksum_of, copy, file_status, is_same, lacks_x
from markab.transfers.os_errors import writing_failed
from markab.transfers.partial_file import make_parent, part_stem, sync_directory


def symlink(
    source: str, destination: str, durable: bool = True, group: Optional[GroupCommit] = None
) -> Moved:
    """Make `destination` a symbolic link to the absolute path of `source`. Raises as `copy` does.

    Args:
        group: the link is durable when this is committed; `durable` does not matter then.
    """
    status = file_status(source, destination)
    target = os.path.abspath(source)
    changed = _replace_by_link(lambda name: os.symlink(target, name), source, destination)
    if group is not None:
        group.add_link(destination, changed)
    elif durable:
        try:
            for folder in changed:
                sync_directory(folder)
        except OSError as error:
            raise writing_failed(error, source, destination) from error
    return Moved(status.st_size, link="symlink")


def move(
    source: str,
    destination: str,
    stop: Stop = None,
    sha256: Optional[str] = None,
    executable: bool = False,
    durable: bool = True,
    digest: bool = True,
    verified: Optional[Verified] = None,
) -> Moved:
    """Move a file; between file systems, copy it and then remove `source`. Raises as `copy` does."""
    check_stop(stop)
    status = file_status(source, destination)
    if not is_same(status, destination) and not os.path.islink(source) and not lacks_x(status, executable):
        known = checksum_of(source, sha256, stop, verified) if (sha256 or digest) else None
        try:
            changed = [os.path.dirname(destination), *make_parent(destination)]
            if durable:
                _sync_file(source)
            os.rename(source, destination)
            if durable:
                for folder in changed:
                    sync_directory(folder)
            return Moved(status.st_size, known, "move")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise writing_failed(error, source, destination) from error
    done = copy(source, destination, stop, sha256, executable, durable, digest, verified)
    if os.path.abspath(source) != os.path.abspath(destination) and done.link != "same":
        os.unlink(source)
    return done


def _replace_by_link(make: Callable[[str], None], source: str, destination: str) -> List[str]:
    """Let `make` create a link under a temporary name, and rename it to `destination`; return the directories that got names.

    Another process that links the same file at the same time may rename our temporary link.
    Both links are the same, so it is enough to try again.
    """
    if is_same(os.stat(source), destination):
        return []
    name = part_stem(destination) + "link"
    changed = [os.path.dirname(destination)]
    try:
        for last in (False, False, True):
            try:
                make(name)
            except FileExistsError:
                os.unlink(name)
                make(name)
            except FileNotFoundError:
                changed += make_parent(destination)
                make(name)
            try:
                os.rename(name, destination)
                break
            except FileNotFoundError:
                if last:
                    raise
            except OSError:
                os.unlink(name)
                raise
    except OSError as error:
        raise writing_failed(error, source, destination) from error
    return changed


def _sync_file(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
