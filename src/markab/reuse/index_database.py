"""The SQLite file of the index of results: its tables, and transactions in it whose errors are warnings.

The file may be deleted at any time, when no program uses it: earlier results are then not found, and nothing else is
lost. It has a rollback journal and no write-ahead log, which would need memory that all its readers share: home
directories are often on NFS, and several hosts write at once. A program that is killed while it writes leaves the
journal; the next one that opens the file undoes the unfinished transaction.

Contents and keys are found by the first 8 of their 32 bytes, as a signed number, big-endian. That makes the index
several times smaller. The other bytes are always compared too: of a key in its row, of a content by its checksum.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec

from markab.errors import Problem, quoted

if TYPE_CHECKING:
    import sqlite3

FORMAT = 1
"""`PRAGMA user_version` of the file. A file with a larger one is left alone."""
APPLICATION = 0x6D61726B
"""`PRAGMA application_id` of the file: "mark"."""
PATIENCE_S = 20.0
"""How long to wait for another process that writes."""
_CACHE_KB = 131072
"""So that a transaction of 100,000 rows is written once, at its end: until then others may read."""

_TABLES = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY,             -- newer runs have larger ones
    uuid TEXT NOT NULL UNIQUE,
    submit_dir BLOB NOT NULL,
    workflow TEXT NOT NULL,
    planned_s REAL NOT NULL,            -- seconds since the epoch
    used_s REAL NOT NULL,               -- when it was made, or a plan last found one of its results
    mark INTEGER NOT NULL DEFAULT 0,    -- bytes of its journal that were read
    is_over INTEGER NOT NULL DEFAULT 0, -- its end is recorded
    places BLOB NOT NULL DEFAULT x''    -- the topmost directories of its results, each after a NUL
);
CREATE INDEX run_of_workflow ON run (workflow, planned_s);
CREATE TABLE entry (                    -- in the order of recording: what belongs to one run is together
    id INTEGER PRIMARY KEY,
    prefix INTEGER NOT NULL UNIQUE,     -- of the key
    key BLOB NOT NULL,
    run INTEGER NOT NULL,
    job TEXT NOT NULL,
    files INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    made BLOB NOT NULL                  -- MessagePack: an array of arrays of lfn, sha256 (32 bytes), size
);
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE
);
CREATE TABLE place (
    content INTEGER NOT NULL,           -- prefix of the sha256
    directory INTEGER NOT NULL,
    name BLOB NOT NULL,
    run INTEGER NOT NULL,               -- the last that put it there
    PRIMARY KEY (content, directory, name)
) WITHOUT ROWID;
CREATE TABLE checksum (                 -- of files as they were when they were read
    inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    read_s INTEGER NOT NULL,
    PRIMARY KEY (inode, device)
) WITHOUT ROWID;
CREATE TABLE content_use (              -- contents of the store that a plan relied on
    sha256 BLOB PRIMARY KEY,
    used_s INTEGER NOT NULL
) WITHOUT ROWID;
"""

T = TypeVar("T")


class IndexDatabase:
    """The file, open; or nothing, if it cannot be used: then reading finds nothing and writing does nothing.

    No method raises for what is wrong with the file, its disk or another process: that is a warning, once.
    One transaction at a time; may be called from several threads.
    """

    def __init__(self, path: str | None, *, create: bool, patience_s: float = PATIENCE_S) -> None:
        """Open it; nothing is opened if there is none and it is not to be created."""
        self.path = path
        self.problems: list[Problem] = []
        """What was wrong with the file, each once, with a remedy."""
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        if path is None:
            self._warn("there is no index of results: no home directory", "set HOME, or markab.reuse.index")
            return
        try:
            self._connection = _opened(path, create, patience_s)
        except ImportError as error:
            self._warn(
                f"there is no index of results: this Python has no SQLite ({error})",
                "run Markab with a Python that has it",
            )
        except OSError as error:
            self._warn(
                f"the index of results {path!r} cannot be used: {error.strerror or error}",
                "name another file in markab.reuse.index",
            )
        except Exception as error:
            self._judge(error)
        if self._connection is not None:
            self._prepare(create)

    @property
    def is_open(self) -> bool:
        """Whether there is a file that can be used."""
        return self._connection is not None

    def close(self) -> None:
        """Close it. May be called twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Return the result of `work` on one state of the file; `otherwise` if it cannot be read."""
        return self._transaction("BEGIN", work, otherwise)

    def write(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Return the result of `work` when all that it changed is on disk; `otherwise` if nothing was changed."""
        return self._transaction("BEGIN IMMEDIATE", work, otherwise)

    def give_space_back(self) -> None:
        """Let the file become smaller, after much of it was deleted."""
        self.write(_free_pages, None)

    def _transaction(self, begin: str, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        with self._lock:
            if self._connection is None:
                return otherwise
            try:
                self._connection.execute(begin)
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except Exception as error:
                self._roll_back()
                self._judge(error)
                return otherwise
            except BaseException:
                self._roll_back()
                raise
            return result

    def _roll_back(self) -> None:
        import sqlite3

        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()

    def _prepare(self, create: bool) -> None:
        """Make the tables of a new file; close one that cannot be used."""
        version = self.read(_format, -1)
        if version == 0 and create:
            version = self.write(_create_tables, -1)
        if version > FORMAT:
            self._warn(
                f"the index of results {self.path!r} was written by a newer Markab, and is not used",
                "install that version, or name another file in markab.reuse.index",
            )
        if version != FORMAT:
            self.close()

    def _judge(self, error: Exception) -> None:
        """Make a warning of an error of SQLite or of a value that is not what was written; others are raised."""
        import sqlite3

        words = " ".join(str(error).split())
        what = f"the index of results {self.path!r}"
        if isinstance(error, (NotAnIndex, msgspec.DecodeError, UnicodeDecodeError)) or (
            isinstance(error, sqlite3.DatabaseError) and any(word in words for word in _DAMAGE)
        ):
            self._warn(
                f"{what} is damaged, and is not used: {words}",
                f"delete it: rm {quoted(self.path or '')}; only the memory of earlier results is lost",
            )
            self.close()
        elif not isinstance(error, sqlite3.Error):
            raise error
        elif "locked" in words or "busy" in words:
            self._warn(
                f"{what} is in use by another program; what it knows is not used now", "try again later"
            )
        elif "full" in words:
            self._warn(f"{what} cannot be written: its disk is full", "free some space")
        else:
            self._warn(
                f"{what} cannot be used: {words}",
                "check that the file and its directory can be read and written, or name another file in markab.reuse.index",
            )

    def _warn(self, text: str, hint: str) -> None:
        if (problem := Problem(text, hint, kind="result-index")) not in self.problems:
            self.problems.append(problem)


class NotAnIndex(Exception):
    """An SQLite file that is something else, or has values that were never written."""


_DAMAGE = ("malformed", "not a database", "no such", "datatype mismatch", "corrupt", "decode")
"""Words in errors of SQLite for a file that is not as it was written."""


def prefix_of(digest: bytes) -> int:
    """Return the number by which a key or content is found."""
    return int.from_bytes(digest[:8], "big", signed=True)


def _opened(path: str, create: bool, patience_s: float) -> sqlite3.Connection | None:
    import sqlite3

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # SQLite waits for the other end of a FIFO
            raise OSError(0, "it is not a file", path)
    except (FileNotFoundError, NotADirectoryError):
        if not create:
            return None
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw",  # which is read-only where the file is
        uri=True,
        timeout=patience_s,
        isolation_level=None,
        check_same_thread=False,
    )
    if os.stat(path).st_size == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that pruning can give space back
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _format(connection: sqlite3.Connection) -> int:
    """Return the format of the file; 0: it is new."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == APPLICATION:
        return int(version)
    if version == application == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return 0
    raise NotAnIndex("it is another database")


def _free_pages(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(pages):  # the driver lets each call free one
        connection.execute("PRAGMA incremental_vacuum")


def _create_tables(connection: sqlite3.Connection) -> int:
    """Make the tables, if another process was not faster; return the format of the file."""
    if _format(connection) == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    return _format(connection)
