"""Where other file systems, or other parts of the same one, are mounted inside of a directory.

The number of the device does not show it: a bind mount has that of the file system it shows.
"""

import errno
import os


def mount_of(fd: int) -> int:
    """Return the number of the mount that an open file was reached through, or of its device where there is no /proc.

    Source: proc_pid_fdinfo(5), `mnt_id`. Raises OSError.
    """
    try:
        info = os.open("/proc/self/fdinfo/%d" % fd, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.fstat(fd).st_dev
    try:
        fields = os.read(info, 4096).split()
    finally:
        os.close(info)
    return int(fields[fields.index(b"mnt_id:") + 1])


def check_same_mount(fd: int, mount: int, name: str) -> None:
    """Raise OSError (EBUSY) if what was opened as `name` is not in `mount`: something is mounted there."""
    if mount_of(fd) != mount:
        raise OSError(errno.EBUSY, "something is mounted there", name)
