"""`archive.tar.gz`: a submit directory packed into one file, in that directory, as `pegasus-submitdir` does it.

Beside it stay the braindump, the merged properties, the database and what says that it is complete,
so that the run is still known, and the lock. The archive names its run, so that another file of that name
is never taken for it, and nothing is removed or replaced that differs from what is in it. Whether a directory is packed is decided by `plan.jsonl`:
without it there is nothing to run. It is the first file that is removed when a run is packed, and the
last one that is made when it is unpacked. A kill at any moment leaves one of both states, and the same
call again completes it.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from markab.errors import CorruptPlan, StorageError
from markab.plan.atomic_file import flush_directory, replacing
from markab.plan.submit_dir import ARCHIVE, PLAN, SubmitDir
from markab.transfers.beneath import Beneath, open_regular

KEPT = ("braindump.yml", "lock", "monitord.*", "pegasus.*.properties", "*.stampede.db*", f"*{ARCHIVE}*")
"""What is not packed, directly in the directory."""
_RUN = "markab.run"
"""The key of an archive for the uuid of the run."""
_PARTIAL = ".extracted.tmp"
"""A file while it is unpacked."""


def is_packed(directory: SubmitDir) -> bool:
    """Return whether a directory is packed, or a kill interrupted the removal of what was packed."""
    return directory.archive.exists() and not directory.plan.exists()


def check_archive(directory: SubmitDir, uuid: str) -> None:
    """Raise StorageError if there is a file with the name of the archive that was not made of this run.

    One that `pegasus-submitdir` of Pegasus made does not name its run: it counts if the plan is in it, and nowhere else.
    """
    if not os.path.lexists(directory.archive):
        return
    try:
        with (
            open(directory.archive, "rb", opener=open_regular) as file,
            tarfile.open(fileobj=file, mode="r:gz") as archive,
        ):
            made_of = archive.pax_headers.get(_RUN)
            if made_of is None and is_packed(directory) and any(member.name == PLAN for member in archive):
                made_of = uuid
    except (OSError, tarfile.TarError, EOFError, zlib.error):
        made_of = None
    if made_of is None or made_of != uuid:
        raise StorageError(
            f"{str(directory.archive)!r} is no archive that Markab made of this run, and is left as it is",
            hint="move it out of the submit directory, or restore the archive from a backup if it is damaged",
        )


def pack(directory: SubmitDir, uuid: str) -> bool:
    """Pack a submit directory; return whether anything was left to do. The caller holds its lock.

    Raises:
        StorageError: a file cannot be read, written or removed, is neither a file nor a directory nor a link, or
            differs from what is in an archive that is complete.
        CorruptPlan: an archive that is complete cannot be read.
    """
    check_archive(directory, uuid)
    _remove_temporary(directory)
    if not is_packed(directory):
        _write(directory, uuid)
    with _reported(directory):
        left = list(_still_there(directory))
        # From then on no engine runs it, and what is in the archive is all there is of the run.
        for name in sorted(left, key=lambda name: (name != PLAN, -name.count("/"))):
            _remove(directory.path / name)
            if name == PLAN:
                flush_directory(directory.path)
    return bool(left)


def unpack(directory: SubmitDir, uuid: str) -> None:
    """Unpack a submit directory, and remove the archive. The caller holds its lock.

    Raises:
        CorruptPlan: the archive is damaged; it is kept.
        StorageError: a file cannot be written, differs from the one in the archive, or the archive is that of another run.
    """
    check_archive(directory, uuid)
    _remove_temporary(directory)
    if is_packed(directory):
        with _reported(directory):
            list(_still_there(directory))
        beneath = Beneath(str(directory.path))
        try:
            with _reported(directory), tarfile.open(directory.archive, "r:gz") as archive:
                for member in archive:
                    _make(directory, beneath, archive, member)
                _read_to_end(archive)
                plan = archive.extractfile(PLAN)
                assert plan is not None
                with replacing(directory.plan) as file:
                    while block := plan.read(1 << 20):
                        file.write(block)
        finally:
            beneath.close()
    with _reported(directory):
        directory.archive.unlink()


@contextmanager
def _reported(directory: SubmitDir) -> Iterator[None]:
    """Raise errors of the disk and of the archive as ours."""
    archive = str(directory.archive)
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, KeyError) as error:
        raise CorruptPlan(
            f"{archive!r} is damaged: {error or 'it ends too early'}",
            hint="restore it from a backup; what could be read of it is beside it",
        ) from error
    except OSError as error:
        raise StorageError(
            f"{error.filename or archive!r}: {error.strerror or error}",
            hint="correct that, and give the same command again",
        ) from error


def _remove_temporary(directory: SubmitDir) -> None:
    """Remove what a kill has left of an archive or a plan that was being written."""
    with _reported(directory):
        for name in (ARCHIVE, PLAN):
            for path in directory.path.glob(f".{name}.*.tmp"):
                path.unlink()


def _still_there(directory: SubmitDir) -> Iterator[str]:
    """Yield the members of the archive that are in the directory too. Raises StorageError for one that differs."""
    with tarfile.open(directory.archive, "r:gz") as archive:
        for member in archive:
            name = _checked(member)
            if _is_kept(name) or not os.path.lexists(directory.path / name):
                continue
            if not _is_same(directory.path / name, archive, member):
                raise StorageError(
                    f"{str(directory.path / name)!r} differs from the one in {ARCHIVE}, and is left as it is",
                    hint="move it out of the submit directory, and give the same command again",
                )
            yield name
        _read_to_end(archive)


def _is_same(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    mode = path.lstat().st_mode
    if member.isdir():
        return stat.S_ISDIR(mode)
    if member.issym():
        return stat.S_ISLNK(mode) and os.readlink(path) == member.linkname
    content = archive.extractfile(member)
    if not stat.S_ISREG(mode) or content is None or path.lstat().st_size != member.size:
        return False
    with open(path, "rb", opener=open_regular) as file:
        while block := file.read(1 << 20):
            if block != content.read(len(block)):
                return False
    return True


def _write(directory: SubmitDir, uuid: str) -> None:
    """Write the archive, complete and flushed, or not at all."""
    with _reported(directory):
        entries = list(_entries(directory.path))
        with replacing(directory.archive) as file:
            os.fchmod(file.fileno(), 0o600)  # a file in it may be as secret as that
            with tarfile.open(
                fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={_RUN: uuid}
            ) as archive:
                for name, status in entries:
                    _add(archive, directory.path / name, name, status)


def _entries(top: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield name and status of everything that is packed, directories before what is in them."""
    with os.scandir(top / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{below}{entry.name}"
        if _is_kept(name):
            continue
        status = entry.stat(follow_symlinks=False)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            raise StorageError(
                f"{entry.path!r} is neither a file nor a directory nor a link, and cannot be packed",
                hint="remove it",
            )
        yield name, status
        if stat.S_ISDIR(status.st_mode):
            yield from _entries(top, f"{name}/")


def _is_kept(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in KEPT)


def _add(archive: tarfile.TarFile, path: Path, name: str, status: os.stat_result) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = stat.S_IMODE(status.st_mode), status.st_mtime
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
        archive.addfile(member)
    else:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            member.size = os.fstat(file.fileno()).st_size
            archive.addfile(member, file)


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last member, so that the checksum of the whole is verified."""
    assert archive.fileobj is not None
    while archive.fileobj.read(1 << 20):
        pass


def _checked(member: tarfile.TarInfo) -> str:
    """Return the name of a member, which is inside of the directory."""
    parts = member.name.split("/")
    if member.name.startswith("/") or not all(parts) or {".", ".."} & set(parts):
        raise tarfile.ReadError(f"the name {member.name!r} leads out of the directory")
    if not (member.isreg() or member.isdir() or member.issym()):
        raise tarfile.ReadError(f"{member.name!r} is neither a file nor a directory nor a link")
    return member.name


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except IsADirectoryError:
        try:
            path.rmdir()
        except OSError:
            if not os.listdir(path):
                raise
            # something was put into it since it was packed


def _make(directory: SubmitDir, beneath: Beneath, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Make one file, directory or link; not the plan, nor what is there already, which is the same."""
    name = _checked(member)
    if name == PLAN or _is_kept(name):
        return
    if member.isdir():
        beneath.make_directory(name)
        return
    if os.path.lexists(directory.path / name):
        return
    if member.issym():
        beneath.symlink(member.linkname, name)
        return
    content = archive.extractfile(member)
    assert content is not None
    partial = f"{os.path.dirname(name)}/{_PARTIAL}".lstrip("/")
    try:
        beneath.unlink(partial)
    except FileNotFoundError:
        pass
    descriptor = beneath.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        while block := content.read(1 << 20):
            file.write(block)
        os.fchmod(descriptor, member.mode & 0o777)
        os.utime(descriptor, (member.mtime, member.mtime))
        file.flush()
        os.fsync(descriptor)
    beneath.move(partial, beneath, name)
