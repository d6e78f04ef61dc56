"""Two files by which a worker and the executor that sent it agree on an attempt, although neither reaches the other.

Each is made by whoever comes first, and no other can make it: `open` with O_EXCL, which is atomic on NFS too.

    claim    made by the worker before it begins: an attempt that was sent twice runs once. Its time is set anew
             every now and then while the worker lives. Made by the executor: the attempt never begins.
    fence    made by the worker before it puts outputs in place. Made by the executor: no output is put in place
             any more, so an attempt that is given up as lost is without effect, even if it still runs somewhere.
"""

import os

REVOKED = "revoked\n"
"""What is in a file that the executor made."""


def take(path: str, text: str) -> bool:
    """Make a file, unless it is there; return whether this call made it. Raises OSError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o644)
    except FileExistsError:
        return False
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
    return True


def is_revoked(path: str) -> bool:
    """Return whether the executor made this file; False if there is none, or it cannot be read now."""
    try:
        with open(path) as file:
            return file.read(len(REVOKED)) == REVOKED
    except OSError:
        return False
