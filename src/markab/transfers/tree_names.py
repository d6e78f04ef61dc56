"""The names of directories that are inputs or outputs: `results/` in documents, one packed file in a scratch directory.

A directory of a workflow is packed into one file where a job leaves it or it is staged in, so that it has one size and one
checksum, and is moved, kept, registered and removed like any other file (`packed_tree.py`). It is unpacked into the directory of a
job that reads it, and where it is delivered.
"""

SUFFIX = ".markab-tree"
"""Ends the name of a packed directory; no other file of a workflow may have such a name."""


def stored_name(lfn: str) -> str:
    """Return the name under which a file of a document stands in a scratch directory: `results/` → `results.markab-tree`."""
    return lfn[:-1] + SUFFIX if lfn.endswith("/") else lfn


def declared_name(lfn: str) -> str:
    """Return the name that documents have for it: the reverse of `stored_name`."""
    return lfn[: -len(SUFFIX)] + "/" if lfn.endswith(SUFFIX) else lfn


def is_tree(lfn: str) -> bool:
    """Return whether a stored name is that of a packed directory."""
    return lfn.endswith(SUFFIX)


def directory_name(lfn: str) -> str:
    """Return the path of what a stored name means where it is not packed: `results` for `results.markab-tree`."""
    return lfn[: -len(SUFFIX)] if lfn.endswith(SUFFIX) else lfn
