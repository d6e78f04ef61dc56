"""The key of a request: what is said to the planner, but for the files that it reads."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping

from markab import __version__
from markab.planner.options import OPTIONS, PlanOptions, UsedBy
from markab.spec.properties import property_variables

FORMAT = 1
"""To be changed with what planning reads, or with what is noted of that."""
_PLACES = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "PATH", "XDG_STATE_HOME", "XDG_CACHE_HOME")
"""Variables that say where files and programs of the user are."""
_OF_ONE_RUN = ("force", "relative_dir", "relative_submit_dir", "random_dir")
"""Options with which a new run is wanted, or a directory of its own for it."""
_NOT_NOTED = ("input_dirs", "transformations_dir", "output_map", "reuse")
"""Options with which the planner reads what is not noted: directories, and files in the environment of the process."""


def is_repeatable(options: PlanOptions) -> bool:
    """Return whether a request with these options may be answered by an earlier run."""
    return not any(getattr(options, name) for name in (*_OF_ONE_RUN, *_NOT_NOTED))


def request_key(options: PlanOptions, environment: Mapping[str, str] = os.environ) -> str:
    """Return the sha256 of a request: equal if the same documents would be read in the same way."""
    given = {row.name: repr(getattr(options, row.name)) for row in OPTIONS if row.used_by is UsedBy.PLANNER}
    said = {
        "format": FORMAT,
        "markab": [__version__, sys.version, sys.prefix],
        "user": os.geteuid(),
        "directory": os.path.abspath(options.directory),
        "called in": os.getcwd(),
        "workflow": os.path.abspath(options.directory / options.workflow),
        "options": given,
        "places": {name: environment.get(name) for name in _PLACES},
        "properties": property_variables(environment),
    }
    return hashlib.sha256(repr(said).encode()).hexdigest()


def variables_digest(key: str, names: Iterable[str], environment: Mapping[str, str] = os.environ) -> str:
    """Return a digest of the values of variables; of each it counts too whether it is set."""
    values = [(name, environment.get(name)) for name in names]
    return hashlib.sha256(repr((key, values)).encode()).hexdigest()
