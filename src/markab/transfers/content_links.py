"""Keeping the bytes of a file: a second name for it, which is its sha256, in a directory of contents.

The contents lie in `<directory>/<first 2 digits>/<other 62 digits>`. They are hard links: keeping copies
nothing, is done at once or not at all, and needs no more space while another name of the file exists.
"""

import os
import re
import stat
from typing import Optional

from markab.transfers.beneath import Beneath

_SHA256 = re.compile("[0-9a-f]{64}")


def content_path(directory: str, sha256: str) -> str:
    """Return the path of a content; `sha256` is in lower case. Raises ValueError if it is no sha256."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a sha256: %r" % sha256)
    return os.path.join(directory, sha256[:2], sha256[2:])


def keep_content(directory: str, sha256: str, path: str, beneath: Optional[Beneath] = None) -> bool:
    """Link a file into a directory of contents; return whether it has a content of this name and size now.

    False: another file system, no permission, a full disk, too many links, not a regular file. None of these is
    an error, because nothing is lost. The bytes are not read here: whoever uses a content compares its checksum.

    Args:
        directory: where contents are kept; it is made.
        sha256: of the file, in lower case.
        path: the file; never followed if it is a link.
        beneath: `path` is a name below this directory, and reached without following any link.
    """
    kept = content_path(directory, sha256)
    try:
        folder = _folder_of(beneath, path)
        try:
            name = os.path.basename(path) if beneath else path
            return _link(name, folder, kept)
        finally:
            if folder is not None:
                os.close(folder)
    except OSError:
        return False


def _folder_of(beneath: Optional[Beneath], path: str) -> Optional[int]:
    return beneath.open_directory(os.path.dirname(path)) if beneath is not None else None


def _link(name: str, folder: Optional[int], kept: str) -> bool:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return False
    try:
        os.link(name, kept, src_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(kept), 0o700, exist_ok=True)
        os.link(name, kept, src_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        there = os.lstat(kept)
        if stat.S_ISREG(there.st_mode) and there.st_size == status.st_size:
            return True
        os.unlink(kept)
        os.link(name, kept, src_dir_fd=folder, follow_symlinks=False)
    return _is_sound(kept, status)


def _is_sound(kept: str, status: os.stat_result) -> bool:
    """Return whether the file that was linked is the one that was looked at; else remove the link."""
    linked = os.lstat(kept)
    if (linked.st_dev, linked.st_ino) == (status.st_dev, status.st_ino):
        return True
    os.unlink(kept)
    return False
