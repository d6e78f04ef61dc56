"""How many files this process may have open at once, and how many tasks that allows."""

from __future__ import annotations

import resource

_FILES_OF_AN_ATTEMPT = 4
"""Its directory, its two streams, and one that it needs for a moment."""
_OTHER_FILES = 200
_SOFT_AT_START = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_file_limit() -> int:
    """Raise the soft limit of this process to the hard one; return what it was when the process began."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _SOFT_AT_START


def attempts_at_once() -> int:
    """Return how many attempts may be under way on this machine: as many as the hard limit allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return 1 << 20
    return max(1, (hard - _OTHER_FILES) // _FILES_OF_AN_ATTEMPT)
