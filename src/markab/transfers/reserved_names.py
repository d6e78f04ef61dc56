"""The names that Markab gives to files of its own in directories of a run; no file of a workflow may have one.

In the scratch directory stand, beside the files of the workflow, the marker, its temporary file and the
directory of attempts; beside any file that is written, also at an output site, its temporary file.
"""

import re

MARKER = ".markab"
"""File in a run's scratch that names its owner: uuid, submit directory and host of the run, a line each.

Only such a directory is ever removed as a whole, and no other run works in it.
"""

WORK = ".work"
"""Directory in a run's scratch, with the directories of attempts, unless the site has another place for them."""

BATCHES = ".batches"
"""Directory in a run's scratch, with the batch jobs that were submitted for it."""

CHILDREN = ".sub"
"""Directory in a run's scratch, with those of its sub-workflows."""

PART = ".part-"
"""What the name of a temporary file has between `.`, the final name, and a number (`partial_file.py`)."""

_RESERVED = re.compile(
    r"(?:%s|%s|%s|%s)(?:/|\Z)|(?:.*/)?\.[^/]*%s[^/]*\Z"
    % (
        re.escape(MARKER) + r"(?:\.part)?",
        re.escape(WORK),
        re.escape(BATCHES),
        re.escape(CHILDREN),
        re.escape(PART),
    ),
    re.DOTALL,
)


def is_reserved(name: str) -> bool:
    """Return whether the relative name of a file is one of Markab's own, or below one."""
    return _RESERVED.match(name) is not None
