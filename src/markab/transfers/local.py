"""Files on this machine: copied, linked, moved, removed."""

from typing import Optional

from markab.transfers.base import Moved, Scheme, Stop, path_of
from markab.transfers.checksum import Verified
from markab.transfers.local_copy import checksum_of, copy, is_same, lacks_x, status_of
from markab.transfers.local_directory import make_directory, remove
from markab.transfers.local_link import move, symlink

__all__ = ["Local", "copy", "make_directory", "move", "place", "remove", "symlink"]


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
) -> Moved:
    """Make the file `source` available at `destination`, by the cheapest way that is allowed.

    Args:
        link: a symbolic link will do.
        digest: return the checksum. Without it, and without `sha256`, nothing is checked.
        verified: knows checksums already computed, and learns new ones.

    Raises as `copy` does.
    """
    if link:
        status = status_of(source, destination)
        if not lacks_x(status, executable) and not is_same(status, destination):
            known = checksum_of(source, sha256, stop, verified) if (sha256 or digest) else None
            done = symlink(source, destination, durable)
            done.sha256 = known
            return done
    return copy(source, destination, stop, sha256, executable, durable, digest, verified)


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

    def put(self, path: str, url: str, stop: Stop = None, site: str = "") -> Moved:
        """Copy a file, or link to it, or move it, as the scheme of `url` asks."""
        way = url.partition(":")[0].lower()
        if way == "symlink":
            return symlink(path, path_of(url))
        return (move if way == "moveto" else copy)(path, path_of(url), stop)

    def remove(self, url: str, recursive: bool = False, stop: Stop = None, site: str = "") -> int:
        """Remove a file, or a directory with all in it."""
        return remove(path_of(url), recursive, stop)

    def mkdir(self, url: str, stop: Stop = None, site: str = "") -> None:
        """Make a directory and its parents."""
        make_directory(path_of(url))
