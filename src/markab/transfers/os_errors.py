"""The error and the hint for a failed system call on a file that is transferred."""

import errno
import os

from markab.errors import MarkabError, StorageError, TransferRefused, TransferUnavailable, quoted

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FOR_GOOD = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENXIO,
    errno.EFBIG,
    errno.ENOTEMPTY,
    errno.EXDEV,
    errno.EMLINK,
    errno.EINVAL,
)


def reading_failed(error: OSError, source: str, destination: str) -> MarkabError:
    """Return the error for a source that cannot be opened or read."""
    ends = "'%s' (wanted at '%s')" % (source, destination)
    if error.errno == errno.ENOENT:
        if os.path.islink(source):
            return TransferRefused(
                "%s is a dangling symbolic link to '%s'" % (ends, os.readlink(source)),
                "restore '%s', or register another replica" % os.path.realpath(source),
            )
        return TransferRefused(
            "%s does not exist" % ends, "ls -l %s" % quoted(os.path.dirname(source) or ".")
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return TransferRefused("%s may not be read" % ends, "chmod u+r %s" % quoted(source))
    if error.errno == errno.EISDIR:
        return TransferRefused(
            "%s is a directory, not a file" % ends, "pack it into an archive, or name the files in it"
        )
    kind = TransferRefused if error.errno in _FOR_GOOD else TransferUnavailable
    return kind("%s cannot be read: %s" % (ends, error.strerror), "ls -l %s" % quoted(source))


def move_away(directory: str) -> str:
    """Return the hint for a directory that stands where a file must go."""
    directory = directory.rstrip("/")
    return "move it away: mv %s %s" % (quoted(directory), quoted("%s.old" % directory))


def writing_failed(error: OSError, source: str, destination: str) -> MarkabError:
    """Return the error for a destination that cannot be written."""
    ends = "cannot write '%s' (from '%s')" % (destination, source)
    folder = os.path.dirname(destination) or "."
    if error.errno in _FULL:
        return StorageError("%s: %s" % (ends, error.strerror), "df -h %s" % quoted(folder))
    if error.errno == errno.EROFS:
        return TransferRefused("%s: its file system is read-only" % ends, "name another directory")
    if error.errno in (errno.EACCES, errno.EPERM):
        return TransferRefused("%s: permission denied" % ends, "ls -ld %s" % quoted(folder))
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
        return TransferRefused("%s: there is a directory of that name" % ends, move_away(destination))
    if error.errno == errno.ENOTDIR:
        return TransferRefused("%s: a part of the path is a file" % ends, "ls -ld %s" % quoted(folder))
    kind = TransferRefused if error.errno in _FOR_GOOD else TransferUnavailable
    return kind("%s: %s" % (ends, error.strerror), "ls -ld %s" % quoted(folder))
