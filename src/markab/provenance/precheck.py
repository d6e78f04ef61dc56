"""A check of a run's database within a millisecond, without importing any database code."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from markab.errors import MarkabError
from markab.plan.braindump import read_braindump
from markab.plan.submit_dir import SubmitDir
from markab.provenance.database_location import (
    WORKFLOW_KEYS,
    default_database_file,
    has_database,
    run_properties,
)

VERSION = 14
"""Version of the stampede schema."""


def looks_usable(submit_dir: Path) -> bool:
    """Return whether jobs may start before the database of their run was opened once.

    They may if it is at its default place and looks valid. A server, or a file
    elsewhere, has to be opened first.
    """
    directory = SubmitDir(submit_dir)
    try:
        braindump = read_braindump(directory.braindump)
    except MarkabError:  # there is no run, which the engine reports
        return True
    properties = run_properties(directory, braindump)
    if not has_database(properties):
        return True
    if any(properties.get(key, "").strip() for key in WORKFLOW_KEYS):
        return False
    file = default_database_file(directory, braindump)
    if not os.path.lexists(file):
        return os.access(directory.path, os.W_OK | os.X_OK)
    return file.is_file() and os.access(file, os.W_OK) and _has_our_version(file)


def _has_our_version(file: Path) -> bool:
    try:
        import sqlite3
    except ImportError:  # a Python without SQLite, which opening the database reports
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=0)) as connection:
            row = connection.execute("SELECT max(version_number) FROM dbversion").fetchone()
    except sqlite3.Error:
        return False
    return bool(row[0] == VERSION)
