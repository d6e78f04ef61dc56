"""How fast the index of results is filled and asked, when it is large.

    python benchmarks/result_index.py [ENTRIES] [--keys N] [--directory DIR]

Fills an index with runs of 100,000 jobs with one result each, at its place in a directory, as at the end of a run.
Then finds keys and places of one run, which is what planning it again does, and of as many jobs anywhere in the index.
`cold` has the file put out of the memory of the operating system before. In brackets: processor time, which alone
means something on a busy machine.

The reference is the plain way: a table whose primary key is the whole key, filled and asked in the same batches.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from common import peak_mb

from markab.reuse.result_index import Made, ResultEntry, ResultIndex, open_index

JOBS_A_RUN = 100_000


def key_of(number: int) -> str:
    return hashlib.sha256(b"key %d" % number).hexdigest()


def content_of(number: int) -> str:
    return hashlib.sha256(b"content %d" % number).hexdigest()


class Taken(NamedTuple):
    """Seconds that something took."""

    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:.2f} s ({self.processor_s:.2f})"


def fill(path: Path, entries: int) -> list[Taken]:
    """Record all runs; return what each took."""
    taken = []
    with open_index(str(path), create=True) as index:
        for run, first in enumerate(range(0, entries, JOBS_A_RUN)):
            numbers = range(first, min(first + JOBS_A_RUN, entries))
            uuid = f"00000000-0000-4000-8000-{run:012d}"
            made = [
                ResultEntry(key_of(n), uuid, f"fit_ID{n:07d}", (Made(f"fit_{n:07d}.dat", content_of(n), n),))
                for n in numbers
            ]
            places = [(content_of(n), f"/data/outputs/run{run:04d}/fit_{n:07d}.dat") for n in numbers]
            index.add_run(uuid, f"/data/runs/run{run:04d}", "sweep", float(run))
            taken.append(timed(partial(index.record, uuid, made, places, 1)))
    return taken


def ask(path: Path, numbers: Sequence[int]) -> tuple[Taken, Taken]:
    """Return what finding keys and places takes."""
    keys = [key_of(number) for number in numbers]
    contents = [content_of(number) for number in numbers]
    with open_index(str(path), create=False) as index:
        keys_s = timed(lambda: check(len(index.find(keys)), numbers, index))
        places_s = timed(lambda: check(len(index.places(contents)), numbers, index))
    return keys_s, places_s


def check(found: int, numbers: Sequence[int], index: ResultIndex) -> None:
    if found != len(numbers):
        raise SystemExit(f"{found} of {len(numbers)} were found: {index.warnings}")


def fill_plain(path: Path, entries: int) -> list[Taken]:
    """Fill the reference; return what each batch took."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE entry (key BLOB PRIMARY KEY, made TEXT) WITHOUT ROWID")
    taken = []
    for first in range(0, entries, JOBS_A_RUN):
        numbers = range(first, min(first + JOBS_A_RUN, entries))
        rows = [
            (bytes.fromhex(key_of(n)), f"fit_ID{n:07d} fit_{n:07d}.dat {content_of(n)} {n}") for n in numbers
        ]
        taken.append(timed(partial(insert, connection, rows)))
    connection.close()
    return taken


def insert(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, str]]) -> None:
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO entry VALUES (?, ?)", rows)
    connection.execute("COMMIT")


def ask_plain(path: Path, numbers: Sequence[int]) -> Taken:
    """Return what finding keys in the reference takes."""
    keys = [bytes.fromhex(key_of(number)) for number in numbers]
    connection = sqlite3.connect(path)

    def select() -> None:
        for key in keys:
            connection.execute("SELECT made FROM entry WHERE key = ?", (key,)).fetchone()

    taken = timed(select)
    connection.close()
    return taken


def timed(work: Callable[[], object]) -> Taken:
    start_s, start_processor_s = time.perf_counter(), time.process_time()
    work()
    return Taken(time.perf_counter() - start_s, time.process_time() - start_processor_s)


def total(taken: Sequence[Taken]) -> Taken:
    return Taken(sum(one.wall_s for one in taken), sum(one.processor_s for one in taken))


def make_cold(path: Path) -> None:
    """Put a file out of the memory of the operating system."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("entries", nargs="?", type=int, default=500_000)
    parser.add_argument("--keys", type=int, default=JOBS_A_RUN)
    parser.add_argument(
        "--directory", type=Path, help="where the file is made; a temporary directory by default"
    )
    parser.add_argument("--no-reference", action="store_true")
    options = parser.parse_args()
    keys = min(options.keys, options.entries, JOBS_A_RUN)
    one_run = range(options.entries - keys, options.entries)
    anywhere = random.Random(1).sample(range(options.entries), keys)
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        path, plain = Path(folder) / "results.db", Path(folder) / "plain.db"
        taken = fill(path, options.entries)
        print(f"{options.entries:,} entries: {total(taken)}, the last run {taken[-1]},", end=" ")
        print(f"{path.stat().st_size / 2**20:,.0f} MB, {peak_mb():.0f} MB of memory")
        for name, numbers in (("one run", one_run), ("anywhere", anywhere)):
            make_cold(path)
            cold, warm = ask(path, numbers), ask(path, numbers)
            print(
                f"{keys:,} look-ups, {name}: keys {warm[0]}, places {warm[1]}"
                f"; cold: keys {cold[0]}, places {cold[1]}"
            )
            sys.stdout.flush()
        if not options.no_reference:
            taken = fill_plain(plain, options.entries)
            print(f"plain: {total(taken)}, the last batch {taken[-1]},", end=" ")
            print(f"{plain.stat().st_size / 2**20:,.0f} MB; keys {ask_plain(plain, anywhere)}")


if __name__ == "__main__":
    main()
