"""The index of results: what the jobs of earlier runs made, by the key of what made it, and where its bytes were put."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from markab.errors import Problem
from markab.reuse.index_database import IndexDatabase, NotAnIndex, prefix_of
from markab.reuse.top_directories import packed_directories, top_directories, unpacked_directories

if TYPE_CHECKING:
    import sqlite3

PLACES_READ = 64
"""Of one content, such as the empty one: there may be as many as files, and the newest will do."""
_MOST_SURPLUS = 10_000
"""Places that are read and not returned before one statement is ended, and another asks for the other contents."""
_AT_ONCE = 900
"""Values in one statement; older versions of SQLite take 999."""


class Made(msgspec.Struct, frozen=True, gc=False):
    """One file that a job made."""

    lfn: str
    sha256: str
    """64 hex digits in lower case, as all checksums and keys here."""
    size_bytes: int


class ResultEntry(msgspec.Struct, frozen=True, gc=False):
    """What one job of one run made."""

    key: str
    """The sha256 of all that made it."""
    run: str
    """UUID."""
    job: str
    made: tuple[Made, ...]


class ResultIndex:
    """The index of results of a user. It closes at the end of a `with` block.

    Nothing here raises for a file that is missing, damaged, locked, of a newer format or on a full disk: what is read
    is then empty, what is written is lost, and `problems` says why. Each method is one transaction.
    """

    def __init__(self, database: IndexDatabase) -> None:
        self.database = database
        self._found_runs: set[int] = set()

    def __enter__(self) -> ResultIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is an index that can be used."""
        return self.database.is_open

    @property
    def problems(self) -> Sequence[Problem]:
        """What was wrong with the file so far, each with a remedy."""
        return self.database.problems

    @property
    def warnings(self) -> list[str]:
        """The problems as text."""
        return [f"{problem}; {problem.hint}" for problem in self.problems]

    def close(self) -> None:
        """Close the file. May be called twice."""
        self.database.close()

    def add_run(self, uuid: str, submit_dir: str, workflow: str, planned_s: float) -> None:
        """Enter a run that starts or goes on. May be called again, such as after its directory was moved."""

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO run (uuid, submit_dir, workflow, planned_s, used_s) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (uuid) DO UPDATE SET submit_dir = excluded.submit_dir, is_over = 0",
                (uuid, os.fsencode(submit_dir), workflow, planned_s, time.time()),
            )

        self.database.write(add, None)

    def record(
        self,
        uuid: str,
        entries: Iterable[ResultEntry],
        places: Iterable[tuple[str, str]],
        mark: int,
        *,
        is_over: bool = True,
    ) -> bool:
        """Record what a run made, all or nothing; return whether that is on disk now.

        May be called again with the same: nothing is recorded twice. Of one key, the newest run counts. A run that
        was not entered, or was pruned, is not recorded: call `add_run` before.

        Args:
            uuid: the run.
            entries: what its jobs made.
            places: (sha256, absolute local path).
            mark: how far its journal was read, in bytes.
            is_over: the run has ended; if not, it stays in `unrecorded`.
        """

        def add(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT id, CAST(places AS BLOB) FROM run WHERE uuid = ?", (uuid,)
            ).fetchone()
            if row is None:
                return False
            run, recorded = row
            connection.executemany(_ADD_ENTRY, (_entry_row(run, entry) for entry in entries))
            tops = _add_places(connection, run, places, recorded)
            connection.execute(
                "UPDATE run SET mark = max(mark, ?), is_over = ?, used_s = ?, places = ? WHERE id = ?",
                (mark, is_over, time.time(), tops, run),
            )
            return True

        return self.database.write(add, False)

    def unrecorded(self) -> list[tuple[str, str, int]]:
        """Return the runs whose end is not recorded: UUID, submit directory, and how far the journal was read."""

        def select(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
            rows = connection.execute(
                "SELECT CAST(uuid AS TEXT), CAST(submit_dir AS BLOB), CAST(mark AS INTEGER) FROM run WHERE NOT is_over ORDER BY id"
            )
            return [(uuid, os.fsdecode(submit_dir), mark) for uuid, submit_dir, mark in rows]

        return self.database.read(select, [])

    def find(self, keys: Sequence[str]) -> dict[str, ResultEntry]:
        """Return what was made for each of these keys that is known, by the newest run."""

        def select(connection: sqlite3.Connection) -> dict[str, ResultEntry]:
            wanted = {bytes.fromhex(key): key for key in keys}
            runs: dict[int, str] = {}
            found = {}
            for key, run, job, made in _selected(connection, _FIND, sorted(map(prefix_of, wanted))):
                if name := wanted.get(key):
                    uuid = runs.get(run) or runs.setdefault(run, _uuid_of(connection, run))
                    found[name] = entry_of(name, uuid, job, made)
            self._found_runs.update(runs)
            return found

        return self.database.read(select, {})

    def places(self, sha256s: Iterable[str]) -> dict[str, list[str]]:
        """Return the paths at which these contents were, newest directories first; nothing says that they still are.

        Rarely, a path of another content is among them.
        """

        def select(connection: sqlite3.Connection) -> dict[str, list[str]]:
            prefixes = {sha256: prefix_of(bytes.fromhex(sha256)) for sha256 in sha256s}
            found = _places_of(connection, sorted({*prefixes.values()}))
            return {sha256: [*found[prefix]] for sha256, prefix in prefixes.items() if prefix in found}

        return self.database.read(select, {})

    def forget_places(self, lost: Iterable[tuple[str, str]]) -> None:
        """Forget places (sha256, path) that do not have these contents any more."""

        def delete(connection: sqlite3.Connection) -> None:
            for sha256, path in lost:
                directory, name = os.path.split(os.fsencode(path))
                connection.execute(_FORGET, (prefix_of(bytes.fromhex(sha256)), directory, name))

        self.database.write(delete, None)

    def last_run(self, workflow: str, *, before: float | None = None) -> str | None:
        """Return the submit directory of the newest run of a workflow, or of the newest planned before then."""
        return next(iter(self.last_runs(workflow, before=before, most=1)), None)

    def last_runs(self, workflow: str, *, before: float | None = None, most: int = 20) -> list[str]:
        """Return the submit directories of the runs of a workflow, newest first, planned before then if given."""

        def select(connection: sqlite3.Connection) -> list[str]:
            end = float("inf") if before is None else before
            rows = connection.execute(_LAST_RUNS, (workflow, end, most))
            return [os.fsdecode(submit_dir) for (submit_dir,) in rows]

        return self.database.read(select, [])

    def origin_of(self, uuid: str) -> tuple[str, float] | None:
        """Return the submit directory of a run, and when it was planned; None if it is not known."""

        def select(connection: sqlite3.Connection) -> tuple[str, float] | None:
            row = connection.execute(
                "SELECT CAST(submit_dir AS BLOB), CAST(planned_s AS REAL) FROM run WHERE uuid = ?", (uuid,)
            ).fetchone()
            return None if row is None else (os.fsdecode(row[0]), row[1])

        return self.database.read(select, None)

    def save_use(self, contents: Iterable[str] = ()) -> None:
        """Note that a plan relies on what `find` returned so far, and on these contents of the store."""
        now = time.time()

        def update(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE run SET used_s = ? WHERE id = ?", [(now, run) for run in sorted(self._found_runs)]
            )
            connection.executemany(
                "INSERT OR REPLACE INTO content_use VALUES (?, ?)",
                ((bytes.fromhex(sha256), int(now)) for sha256 in contents),
            )

        self.database.write(update, None)

    def content_uses(self) -> dict[str, float]:
        """Return when plans last relied on contents of the store, by sha256."""

        def select(connection: sqlite3.Connection) -> dict[str, float]:
            rows = connection.execute("SELECT CAST(sha256 AS BLOB), CAST(used_s AS INTEGER) FROM content_use")
            return {sha256.hex(): float(used_s) for sha256, used_s in rows}

        return self.database.read(select, {})

    def checksums(self, inodes: Iterable[int]) -> list[tuple[int, int, int, int, str]]:
        """Return what is remembered of files: inode, size in bytes, mtime and ctime in ns, and sha256."""

        def select(connection: sqlite3.Connection) -> list[tuple[int, int, int, int, str]]:
            rows = _selected(connection, _CHECKSUMS, sorted({_signed(inode) for inode in inodes}))
            return [(inode % 2**64, *rest, sha256.hex()) for inode, *rest, sha256 in rows]

        return self.database.read(select, [])

    def remember_checksums(self, files: Iterable[tuple[os.stat_result, str]]) -> None:
        """Remember the checksums of files as they were with these statuses."""
        now = int(time.time())

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_checksum_row(status, sha256, now) for status, sha256 in files),
            )

        self.database.write(insert, None)


def open_index(path: str | None, *, create: bool) -> ResultIndex:
    """Open the index of results in a file; see `locations.index_path`.

    Args:
        path: the file. None: there is no place for one.
        create: make a file that is missing. If not, a missing one is an empty index, without a warning.
    """
    return ResultIndex(IndexDatabase(path, create=create))


# SQLite stores values of any type in any column. The casts make a wrong one, in a damaged file, a value that is not found.

_ADD_ENTRY = """
INSERT INTO entry (prefix, key, run, job, files, size_bytes, made) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (prefix) DO UPDATE SET key = excluded.key, run = excluded.run, job = excluded.job,
    files = excluded.files, size_bytes = excluded.size_bytes, made = excluded.made
WHERE excluded.run >= run
"""
_FIND = "SELECT key, run, CAST(job AS TEXT), CAST(made AS BLOB) FROM entry WHERE prefix IN"
_PLACES = "SELECT content, directory, CAST(name AS BLOB) FROM place WHERE content IN"
_NEWEST_PLACES_FIRST = "ORDER BY content DESC, directory DESC"
"""This is the order of the table, read backwards: nothing is sorted."""
_FORGET = """
DELETE FROM place WHERE content = ? AND directory = (SELECT id FROM directory WHERE path = ?) AND name = ?
"""
_LAST_RUNS = """
SELECT CAST(submit_dir AS BLOB) FROM run WHERE workflow = ? AND planned_s < ? ORDER BY planned_s DESC, id DESC LIMIT ?
"""
_CHECKSUMS = """
SELECT inode, size_bytes, mtime_ns, ctime_ns, CAST(sha256 AS BLOB) FROM checksum WHERE inode IN
"""

_Packed = list[tuple[str, bytes, int]]
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Packed).decode


def _entry_row(run: int, entry: ResultEntry) -> tuple[object, ...]:
    key = bytes.fromhex(entry.key)
    packed = _pack([(one.lfn, bytes.fromhex(one.sha256), one.size_bytes) for one in entry.made])
    size_bytes = sum(one.size_bytes for one in entry.made)
    return prefix_of(key), key, run, entry.job, len(entry.made), size_bytes, packed


def entry_of(key: str, uuid: str, job: str, packed: bytes) -> ResultEntry:
    """Return an entry as it is stored."""
    made = [Made(lfn, sha256.hex(), size_bytes) for lfn, sha256, size_bytes in _unpack(packed)]
    return ResultEntry(key, uuid, job, tuple(made))


def _uuid_of(connection: sqlite3.Connection, run: int) -> str:
    row = connection.execute("SELECT CAST(uuid AS TEXT) FROM run WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise NotAnIndex(f"an entry belongs to run {run}, which is missing")
    uuid: str = row[0]
    return uuid


def _selected(
    connection: sqlite3.Connection, select: str, values: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a select for many values; in the order of the values, pages are read once."""
    for start in range(0, len(values), _AT_ONCE):
        yield from _rows(connection, select, values[start : start + _AT_ONCE])


def _rows(
    connection: sqlite3.Connection, select: str, values: Sequence[int], order: str = ""
) -> Iterator[tuple[Any, ...]]:
    return connection.execute(f"{select} ({','.join('?' * len(values))}) {order}", values)


def _places_of(connection: sqlite3.Connection, prefixes: list[int]) -> dict[int, list[str]]:
    """Return the places of these contents, of which there are some, by prefix. Empties `prefixes`, which ascend."""
    found: dict[int, list[str]] = {}
    folders: dict[int, str | None] = {}
    while prefixes:
        part = prefixes[-_AT_ONCE:]
        del prefixes[-_AT_ONCE:]
        surplus = 0
        for content, directory, name in _rows(connection, _PLACES, part, _NEWEST_PLACES_FIRST):
            if directory not in folders:
                folders[directory] = _folder_of(connection, directory)
            folder, paths = folders[directory], found.setdefault(content, [])
            if len(paths) < PLACES_READ and folder is not None:
                paths.append(folder + os.fsdecode(name))
            elif (surplus := surplus + 1) == _MOST_SURPLUS:
                prefixes += part[: bisect_left(part, content)]
                break
    return {content: paths for content, paths in found.items() if paths}


def _folder_of(connection: sqlite3.Connection, directory: int) -> str | None:
    """Return the path of a directory, with a slash at its end; None if it is missing in a damaged file."""
    row = connection.execute("SELECT CAST(path AS BLOB) FROM directory WHERE id = ?", (directory,)).fetchone()
    return None if row is None else os.path.join(os.fsdecode(row[0]), "")


def _add_places(
    connection: sqlite3.Connection, run: int, places: Iterable[tuple[str, str]], recorded: bytes
) -> bytes:
    """Add the places; return the topmost directories of these and of `recorded`, as they are stored."""
    directories: dict[bytes, int] = {}

    def row(sha256: str, path: str) -> tuple[object, ...]:
        folder, name = os.path.split(os.fsencode(path))
        if folder not in directories:
            directories[folder] = _directory_id(connection, folder)
        return prefix_of(bytes.fromhex(sha256)), directories[folder], name, run

    rows = [row(*place) for place in places]
    connection.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", sorted(rows))
    return packed_directories(top_directories([*unpacked_directories(recorded), *directories]))


def _directory_id(connection: sqlite3.Connection, path: bytes) -> int:
    connection.execute("INSERT OR IGNORE INTO directory (path) VALUES (?)", (path,))
    (found,) = connection.execute("SELECT id FROM directory WHERE path = ?", (path,)).fetchone()
    return int(found)


def _checksum_row(status: os.stat_result, sha256: str, now: int) -> tuple[object, ...]:
    return (
        _signed(status.st_ino),
        _signed(status.st_dev),
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        bytes.fromhex(sha256),
        now,
    )


def _signed(number: int) -> int:
    """Return a number of 64 bits as SQLite stores it."""
    return number - 2**64 if number >= 2**63 else number
