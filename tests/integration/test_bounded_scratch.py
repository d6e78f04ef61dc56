"""The scratch directory of a real run never has more bytes than its bound."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.tools import markab, script
from markab.transfers.reserved_names import MARKER

pytestmark = pytest.mark.integration

SIZE = 200_000
BOUND = 700_000
PAIRS = 12

COPY = """#!/bin/sh
# Writes a file of so many bytes: copy.sh NAME BYTES
head -c "$2" /dev/zero > "$1"
"""


def write_documents(directory: Path) -> None:
    """Pairs of a job that makes a large file and one that makes a small one of it, then one that reads the small ones."""
    jobs = []
    for number in range(PAIRS):
        big = {"lfn": f"big{number}", "size": SIZE}
        small = {"lfn": f"small{number}", "size": 100}
        no = {"type": "output", "stageOut": False, "registerReplica": False}
        jobs.append(("make", number, [f"big{number}", str(SIZE)], [{**big, **no}]))
        uses = [{"lfn": f"big{number}", "type": "input"}, {**small, **no}]
        jobs.append(("cut", number, [f"small{number}", "100"], uses))
    last = [{"lfn": f"small{number}", "type": "input"} for number in range(PAIRS)]
    jobs.append(("join", 0, ["total", "10"], [*last, {"lfn": "total", "type": "output", "size": 10}]))
    program = str(script(directory / "copy.sh", COPY))
    document = {
        "pegasus": "5.0.4",
        "name": "bounded",
        "jobs": [
            {"type": "job", "name": "copy", "id": f"{name}{number}", "arguments": arguments, "uses": uses}
            for name, number, arguments, uses in jobs
        ],
        "transformationCatalog": {
            "transformations": [
                {"name": "copy", "sites": [{"name": "local", "type": "installed", "pfn": program}]}
            ]
        },
    }
    (directory / "workflow.yml").write_text(json.dumps(document))


def sizes(directory: str) -> Iterator[tuple[int, int]]:
    try:
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                yield from sizes(entry.path)
            elif entry.name != MARKER:
                status = entry.stat(follow_symlinks=False)
                yield status.st_ino, status.st_size
    except FileNotFoundError:
        return


def test_scratch_is_never_fuller_than_its_bound(tmp_path: Path) -> None:
    write_documents(tmp_path)
    bound = f"-Dpegasus.file.cleanup.constraint.maxspace={BOUND}"
    markab(
        *("plan", "-s", "local", "--cleanup", "constraint", bound, "--output-dir", "out"),
        *("--relative-dir", "run", "workflow.yml"),
        cwd=tmp_path,
    )
    peak, is_over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.002):
            peak = max(peak, sum(dict(sizes(str(tmp_path / "wf-scratch"))).values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        markab("run", "-q", "run", cwd=tmp_path)
    finally:
        is_over.set()
        watcher.join()

    assert (tmp_path / "out" / "total").stat().st_size == 10
    assert SIZE <= peak <= BOUND < PAIRS * SIZE
