"""Files on this machine: copied, linked, moved, removed."""

import os
import stat
from typing import List, Optional, Sequence, Tuple

from markab.errors import MarkabError
from markab.transfers.base import Moved, Scheme, Stop, path_of, scheme_of
from markab.transfers.checksum import Verified
from markab.transfers.group_commit import GroupCommit
from markab.transfers.local_copy import checksum_of, copy, file_status, is_same, lacks_x
from markab.transfers.local_directory import clean, make_directory, remove
from markab.transfers.local_link import move, symlink


def place(
    source: str,
    destination: str,
    link: bool = False,
    stop: Stop = None,
    sha256: Optional[str] = None,
    executable: bool = False,
    durable: bool = True,
    digest: bool = True,
    verified: Optional[Verified] = None,
    group: Optional[GroupCommit] = None,
) -> Moved:
    """Make the file `source` available at `destination`, in the cheapest way that is allowed.

    Args:
        link: a symbolic link is enough.
        digest: return the checksum. Without it, and without `sha256`, nothing is checked.
        verified: has the checksums already computed, and gets the new ones.
        group: as in `copy`.

    Raises as `copy` does.
    """
    if link:
        status = file_status(source, destination)
        if not lacks_x(status, executable) and not is_same(status, destination):
            known = checksum_of(source, sha256, stop, verified) if (sha256 or digest) else None
            done = symlink(source, destination, durable, group)
            done.sha256 = known
            return done
    return copy(source, destination, stop, sha256, executable, durable, digest, verified, group)


class Local(Scheme):
    """Paths, `file://`, and as destinations `symlink://` and `moveto://`."""

    name = "file"

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
        """Copy a file."""
        return copy(path_of(url), path, stop, sha256, executable, durable)

    def put(
        self,
        path: str,
        url: str,
        stop: Stop = None,
        sha256: Optional[str] = None,
        durable: bool = True,
        site: str = "",
    ) -> Moved:
        """Copy a file, or link to it, or move it, as the scheme of `url` asks."""
        way = scheme_of(url)
        if way == "symlink":
            return symlink(path, path_of(url), durable)
        return (move if way == "moveto" else copy)(path, path_of(url), stop, sha256, durable=durable)

    def exists(
        self, url: str, size_bytes: Optional[int] = None, stop: Stop = None, site: str = ""
    ) -> Optional[bool]:
        """Check the disk."""
        try:
            status = os.stat(path_of(url))
        except OSError:
            return False
        return size_bytes is None or (stat.S_ISREG(status.st_mode) and status.st_size == size_bytes)

    def mkdir(self, url: str, stop: Stop = None, site: str = "") -> None:
        """Make a directory and its parents."""
        make_directory(path_of(url))

    def remove(
        self, url: str, recursive: bool = False, stop: Stop = None, site: str = "", last: str = ""
    ) -> int:
        """Remove a file, or a directory with all in it."""
        return remove(path_of(url), recursive, stop, last)

    def clean(
        self, url: str, names: Sequence[str], stop: Stop = None, site: str = ""
    ) -> Tuple[int, List[MarkabError]]:
        """Remove files below a directory, and the directories that they leave empty."""
        return clean(path_of(url), names, stop)
