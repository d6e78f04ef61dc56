"""Results of jobs that never ran, and an index and a store for them, for tests of reuse."""

from __future__ import annotations

import hashlib
from pathlib import Path

from markab.reuse.result_index import Made, ResultEntry, ResultIndex, open_index

RUN = "11111111-1111-4111-8111-111111111111"
OTHER_RUN = "22222222-2222-4222-8222-222222222222"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(name: str, text: str = "", run: str = RUN) -> ResultEntry:
    """Return what a job `name` made: one file, with this text or its own name in it."""
    text = text or name
    return ResultEntry(
        sha256(f"key of {name}"), run, f"job_{name}", (Made(f"{name}.txt", sha256(text), len(text)),)
    )


def opened(directory: Path) -> ResultIndex:
    """Open the index in a directory, with a run in it if it is new."""
    index = open_index(str(directory / "state" / "results.db"), create=True)
    index.add_run(RUN, str(directory / "run0001"), "fits", 100.0)
    return index


def put(path: Path, text: str) -> str:
    """Write a file, and return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return sha256(text)
