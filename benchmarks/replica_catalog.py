"""How fast a large replica catalog in SQLite answers what planning asks of it.

    python benchmarks/replica_catalog.py [ENTRIES] [--names N] [--directory DIR]

Fills a catalog with files of one place and one checksum each, then reads N of them, anywhere in it, as planning a
workflow that names these files does. `cold` has the file put out of the memory of the operating system before. In
brackets: processor time, which alone means something on a busy machine.

The reference is the plain way: a table whose primary key is the name, asked for one name at a time.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common import peak_mb

from markab.catalogs.jdbcrc_reader import read_replica_tables
from markab.catalogs.replica_database import DatabaseAddress
from markab.worker.replica_registration import TABLES

BATCH = 100_000


def name_of(number: int) -> str:
    return f"run{number % 997:03d}/image_{number:09d}.fits"


def place_of(number: int) -> str:
    return f"file:///data/survey/{number % 997:03d}/image_{number:09d}.fits"


def fill(path: Path, entries: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    for table in TABLES:
        connection.execute(table)
    connection.execute("BEGIN")
    for numbers in batches(entries):
        connection.executemany("INSERT INTO rc_lfn VALUES (?, ?)", ((n, name_of(n)) for n in numbers))
        connection.executemany(
            "INSERT INTO rc_pfn VALUES (?, ?, ?, 'local')", ((n, n, place_of(n)) for n in numbers)
        )
        connection.executemany(
            "INSERT INTO rc_meta VALUES (?, 'checksum.value', ?)", ((n, f"{n:064x}") for n in numbers)
        )
    connection.execute("COMMIT")
    connection.close()


def batches(entries: int) -> Iterator[range]:
    # rc_lfn is filled in the order of ids, its index of names is not: that is what takes the time.
    return (range(first, min(first + BATCH, entries + 1)) for first in range(1, entries + 1, BATCH))


def ask(path: Path, names: Sequence[str]) -> str:
    address = DatabaseAddress("sqlite", str(path))
    return timed(lambda: check(len(read_replica_tables(address, names).replicas), len(names)))


def check(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} of {wanted} were found")


def ask_plain(path: Path, entries: int, names: Sequence[str]) -> str:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    connection.execute("CREATE TABLE place (lfn TEXT PRIMARY KEY, pfn TEXT, sha256 TEXT) WITHOUT ROWID")
    connection.execute("BEGIN")
    for numbers in batches(entries):
        rows = ((name_of(n), place_of(n), f"{n:064x}") for n in numbers)
        connection.executemany("INSERT INTO place VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")

    def select() -> None:
        for name in names:
            connection.execute("SELECT pfn, sha256 FROM place WHERE lfn = ?", (name,)).fetchone()

    taken = timed(select)
    connection.close()
    return taken


def timed(work: Callable[[], object]) -> str:
    start_s, start_processor_s = time.perf_counter(), time.process_time()
    work()
    return f"{time.perf_counter() - start_s:.2f} s ({time.process_time() - start_processor_s:.2f})"


def make_cold(path: Path) -> None:
    """Put a file out of the memory of the operating system."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("entries", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument(
        "--directory", type=Path, help="where the file is made; a temporary directory by default"
    )
    parser.add_argument("--no-reference", action="store_true")
    options = parser.parse_args()
    number = min(options.names, options.entries - 1)
    names = [name_of(n) for n in random.Random(1).sample(range(1, options.entries + 1), number)]
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        path = Path(folder) / "rc.db"
        taken = timed(lambda: fill(path, options.entries))
        print(
            f"{options.entries:,} entries, {path.stat().st_size / 2**20:,.0f} MB, made in {taken}", flush=True
        )
        before = peak_mb()
        make_cold(path)
        cold, warm = ask(path, names), ask(path, names)
        print(f"{number:,} look-ups: {warm}; cold: {cold}; {peak_mb() - before:.0f} MB of memory", flush=True)
        if not options.no_reference:
            print(f"plain: {ask_plain(Path(folder) / 'plain.db', options.entries, names)}")


if __name__ == "__main__":
    main()
