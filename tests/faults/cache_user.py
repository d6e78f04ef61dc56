"""A process that fills and prunes the index and the store of a directory until it is killed; says what it has recorded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

from kit.results import put, sha256
from markab.reuse.available import AvailableContents
from markab.reuse.content_store import ContentStore
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.index_survey import forget_runs
from markab.reuse.result_index import Made, ResultEntry, open_index

ENTRIES = 20
BUDGET = 150_000


def entries_of(run: str) -> list[ResultEntry]:
    """Return what a run made: jobs with two files each."""
    made = [
        (
            Made(f"{number}.a", content(run, number), len(text(run, number))),
            Made(f"{number}.b", sha256(""), 0),
        )
        for number in range(ENTRIES)
    ]
    return [ResultEntry(sha256(f"{run} {n}"), run, f"job{n}", made[n]) for n in range(ENTRIES)]


def text(run: str, number: int) -> str:
    return f"{run} {number} " + "x" * 50


def content(run: str, number: int) -> str:
    return sha256(text(run, number))


def main(directory: Path, seed: int) -> None:
    chance = Random(seed)
    store = ContentStore(str(directory / "store"))
    for number in range(sys.maxsize):
        run = f"{seed}-{number}"
        with open_index(str(directory / "results.db"), create=True) as index:
            index.add_run(run, str(directory), "fits", float(number))
            paths = [directory / "scratch" / f"{run}.{n}" for n in range(ENTRIES)]
            for n, path in enumerate(paths):
                put(path, text(run, n))
                store.keep(str(path), content(run, n))
                if n % 2:
                    path.unlink()  # only the store has it now
            entries = entries_of(run)
            places = [(content(run, n), str(path)) for n, path in enumerate(paths)]
            if index.record(run, entries, places, number):
                os.write(1, f"{run}\n".encode())
            available = AvailableContents(index, FileChecksums(index), store)
            for entry in chance.sample(entries, 5):
                available.path(entry.made[0].sha256, entry.made[0].size_bytes)
            available.save()
            store.prune(BUDGET)
            forget_runs(index, 1.0)
            if index.warnings:
                os.write(1, f"warning {index.warnings}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
