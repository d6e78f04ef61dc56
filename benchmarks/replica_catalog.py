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
from collections.abc import Callable, Sequence
from pathlib import Path

from common import peak_mb

from markab.catalogs.jdbcrc_reader import read_replica_tables
from markab.catalogs.replica_database import DatabaseAddress
from markab.worker.replica_registration import TABLES

RUNS = 997


def name_of(number: int) -> str:
    return f"run{number % RUNS:03d}/image_{number:09d}.fits"


def fill(path: Path, entries: int) -> None:
    """Fill a catalog in the order of names, which is the fastest."""
    connection = fast_connection(path)
    for table in TABLES:
        connection.execute(table)
    connection.execute("BEGIN")
    connection.execute(
        "WITH RECURSIVE run(r) AS (SELECT 0 UNION ALL SELECT r + 1 FROM run WHERE r + 1 < ?1),"
        " step(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM step WHERE (k + 1) * ?1 < ?2)"
        " INSERT INTO rc_lfn (lfn) SELECT printf('run%03d/image_%09d.fits', r, k * ?1 + r)"
        " FROM run CROSS JOIN step WHERE k * ?1 + r < ?2",
        (RUNS, entries),
    )
    connection.execute(
        "INSERT INTO rc_pfn SELECT lfn_id, lfn_id, 'file:///data/' || lfn, 'local' FROM rc_lfn"
    )
    connection.execute(
        "INSERT INTO rc_meta SELECT lfn_id, 'checksum.value', printf('%064d', lfn_id) FROM rc_lfn"
    )
    connection.execute("COMMIT")
    connection.close()


def fast_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF")
    return connection


def ask(path: Path, names: Sequence[str]) -> str:
    address = DatabaseAddress("sqlite", str(path))
    return timed(lambda: check(len(read_replica_tables(address, names).replicas), len(names)))


def check(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} of {wanted} were found")


def ask_plain(catalog: Path, path: Path, names: Sequence[str]) -> str:
    connection = fast_connection(path)
    connection.execute("CREATE TABLE place (lfn TEXT PRIMARY KEY, pfn TEXT, sha256 TEXT) WITHOUT ROWID")
    connection.execute("ATTACH ? AS catalog", (str(catalog),))
    connection.execute(
        "INSERT INTO place SELECT lfn, pfn, value FROM catalog.rc_lfn l CROSS JOIN catalog.rc_pfn USING (lfn_id)"
        " CROSS JOIN catalog.rc_meta USING (lfn_id) ORDER BY l.lfn_id"
    )

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
    names = [name_of(n) for n in random.Random(1).sample(range(options.entries), number)]
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
            print(f"plain: {ask_plain(path, Path(folder) / 'plain.db', names)}")


if __name__ == "__main__":
    main()
