"""A directory packed into one file, which is a tar archive, and unpacked again.

The archive depends on names, permission bits, contents and links alone, not on times or owners: the same tree gives the same
bytes, so the sha256 of the archive is that of the tree. Links may lead to other parts of the tree only; what is
no file, directory or such a link is refused. No link is followed while packing or unpacking.
"""

import hashlib
import os
import stat
import tarfile
from typing import Any, BinaryIO, List, Tuple

from markab.errors import TransferRefused, TransferUnavailable, quoted
from markab.transfers.base import Stop, check_stop
from markab.transfers.beneath import Beneath

_CHUNK = 1 << 20
_ENCODING = ("utf-8", "surrogateescape")


class Packed(object):
    """What was packed: the size of the archive, and its sha256."""

    __slots__ = ("sha256", "size_bytes")

    def __init__(self, size_bytes: int, sha256: str) -> None:
        self.size_bytes = size_bytes
        self.sha256 = sha256


class _Sink(object):
    """Writes to a descriptor, and hashes what is written."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size_bytes = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size_bytes += len(data)
        if self.fd >= 0:
            view = memoryview(data)
            while view:
                view = view[os.write(self.fd, view) :]
        return len(data)

    def add(self, entry: tarfile.TarInfo) -> None:
        """Write the header of an entry."""
        self.write(entry.tobuf(tarfile.PAX_FORMAT, *_ENCODING))

    def fill(self, blocks: int = 0) -> None:
        """Write zeros up to the end of a block, and so many blocks."""
        self.write(bytes(-self.size_bytes % tarfile.BLOCKSIZE + blocks * tarfile.BLOCKSIZE))


class _Source(object):
    """Reads one open file, and can be stopped."""

    def __init__(self, fd: int, stop: Stop) -> None:
        self.fd = fd
        self.stop = stop

    def read(self, size: int = -1) -> bytes:
        check_stop(self.stop)
        return os.read(self.fd, min(size, _CHUNK) if size >= 0 else _CHUNK)


def pack(top: Beneath, name: str, target: int, shown: str, stop: Stop = None) -> Packed:
    """Pack the directory `name` below `top` ("" is `top` itself) into the open file `target`; -1: only compute its checksum.

    Args:
        shown: what messages call the directory.

    Raises:
        TransferRefused: a link leads out of it, or something in it is no file, directory or link.
        TransferUnavailable: it changed meanwhile.
        OSError: it cannot be read, or the archive cannot be written.
        Cancelled: `stop` was set.
    """
    sink = _Sink(target)
    root = Beneath.of(top.open_directory(name))
    try:
        entry = tarfile.TarInfo(".")
        entry.type, entry.mode = tarfile.DIRTYPE, stat.S_IMODE(os.fstat(root.fd).st_mode) & 0o777
        sink.add(entry)
        pending = [""]
        while pending:
            check_stop(stop)
            folder = pending.pop()
            fd = root.open_directory(folder)
            try:
                below = [_add(sink, fd, folder, one, shown, stop) for one in sorted(os.listdir(fd))]
            finally:
                os.close(fd)
            pending += [one for one in reversed(below) if one]
    finally:
        root.close()
    sink.fill(blocks=2)
    return Packed(sink.size_bytes, sink.digest.hexdigest())


def _add(sink: _Sink, fd: int, folder: str, last: str, shown: str, stop: Stop) -> str:
    """Add one entry of the open directory `fd`; return its name if it is a directory, else nothing."""
    name = folder + "/" + last if folder else last
    status = os.stat(last, dir_fd=fd, follow_symlinks=False)
    entry = tarfile.TarInfo(name)
    entry.mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISDIR(status.st_mode):
        entry.type = tarfile.DIRTYPE
        sink.add(entry)
        return name
    if stat.S_ISLNK(status.st_mode):
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, os.readlink(last, dir_fd=fd)
        if leads_out(name, entry.linkname):
            raise TransferRefused(
                "the directory '%s' has a symbolic link out of it: '%s' leads to '%s'"
                % (shown, name, entry.linkname),
                "put the file itself there, or make the link relative; '..' may stand only at its beginning",
            )
        sink.add(entry)
        return ""
    if not stat.S_ISREG(status.st_mode):
        raise TransferRefused(
            "the directory '%s' has something that is no file: '%s'" % (shown, name),
            "ls -l %s" % quoted(os.path.join(shown, name)),
        )
    _add_file(sink, entry, fd, last, shown, stop)
    return ""


def _add_file(sink: _Sink, entry: tarfile.TarInfo, folder: int, last: str, shown: str, stop: Stop) -> None:
    fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        before = os.fstat(fd)
        entry.size = before.st_size
        sink.add(entry)
        left = entry.size
        while left:
            check_stop(stop)
            data = os.read(fd, min(left, _CHUNK))
            if not data:
                break
            left -= len(data)
            sink.write(data)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if left or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise TransferUnavailable("'%s' in '%s' changed while it was read" % (entry.name, shown), "")
    sink.fill()


def leads_out(name: str, target: str) -> bool:
    """Return whether a symbolic link with this name in a tree might lead out of it.

    `..` counts only at the beginning, where it means the real directories above the link: behind another link
    it means what is above that one's target.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    above = 0
    while above < len(parts) and parts[above] == "..":
        above += 1
    return not target or target.startswith("/") or above > name.count("/") or ".." in parts[above:]


def unpack(source: int, top: Beneath, durable: bool = False, stop: Stop = None) -> None:
    """Unpack the open archive `source` into the empty directory `top`.

    A directory gets its permission bits when all that is below it is complete.

    Raises:
        TransferRefused: it is no archive of `pack`.
        OSError: it cannot be read, or a file cannot be written.
        Cancelled: `stop` was set.
    """
    os.lseek(source, 0, os.SEEK_SET)
    folders: List[Tuple[str, int]] = []
    reader: Any = _Source(source, stop)
    try:
        with tarfile.open(fileobj=reader, mode="r|", encoding=_ENCODING[0], errors=_ENCODING[1]) as archive:
            for entry in archive:
                _check_name(entry)
                if entry.isdir():
                    name = "" if entry.name == "." else entry.name
                    if name:
                        top.make_directory(name)
                    folders.append((name, entry.mode & 0o777))
                elif entry.issym():
                    top.symlink(entry.linkname, entry.name)
                else:
                    content = archive.extractfile(entry)
                    assert content is not None, "it is a regular file"
                    _write(content, top, entry, durable)  # type: ignore[arg-type]
    except tarfile.TarError as error:
        raise TransferRefused("what should be a packed directory is none: %s" % error, "") from error
    for name, mode in reversed(folders):  # those below a directory come before it
        _finish_directory(top, name, mode, durable)


def _check_name(entry: tarfile.TarInfo) -> None:
    is_known = entry.isdir() or entry.isreg() or (entry.issym() and not leads_out(entry.name, entry.linkname))
    if not is_known or entry.name.startswith("/") or ".." in entry.name.split("/"):
        raise TransferRefused("a packed directory has an entry that is not allowed: '%s'" % entry.name, "")


def _write(content: BinaryIO, top: Beneath, entry: tarfile.TarInfo, durable: bool) -> None:
    fd = top.open(entry.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        sink = _Sink(fd)
        while True:
            data = content.read(_CHUNK)
            if not data:
                break
            sink.write(data)
        os.fchmod(fd, entry.mode & 0o777)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def _finish_directory(top: Beneath, name: str, mode: int, durable: bool) -> None:
    fd = top.open_directory(name)
    try:
        os.fchmod(fd, mode)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
