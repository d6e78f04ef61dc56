"""Which jobs do what they can when jobs before them failed, and which can do nothing then. Pure."""

from __future__ import annotations

from markab.plan.model import Kind

_SERVING = frozenset({Kind.STAGE_INTER, Kind.STAGE_OUT, Kind.REGISTER, Kind.CLEANUP})


def is_divisible(kind: Kind, removes_scratch: bool) -> bool:
    """Return whether a job serves several others, file by file: when one of these failed, the files of the rest are done.

    A cleanup of a whole scratch directory does not.
    """
    return kind in _SERVING and not removes_scratch


def has_nothing_to_do(makers: int, failed: int, *, lacks_directory: bool) -> bool:
    """Return whether jobs that failed leave nothing that a job can do.

    Any other than a divisible job needs all its parents. A divisible one needs the directories, and one of its makers.

    Args:
        makers: of a divisible job, how many parents it has that make no directory; of another, 0.
        failed: how many parents failed without bringing what the job needs of them.
        lacks_directory: one of these was to make a directory.
    """
    if not makers:
        return failed > 0
    return lacks_directory or failed == makers
