"""What is read of a run from outside, beside its engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kit.made_run import began, compute, engine_alive, make_run
from markab.journal.progress import Progress, write_progress
from markab.journal.run_reader import RunReader

LOCKED_NS = 1_800_000_000_000_000_000


@pytest.mark.parametrize(("after_ns", "is_its_own"), [(-1, False), (0, True), (1, True)])
def test_the_status_file_of_an_earlier_engine_is_not_that_of_this_one(
    tmp_path: Path, after_ns: int, is_its_own: bool
) -> None:
    run = make_run(tmp_path, [compute("a")], [began()])
    write_progress(run / "status.json", Progress(workflow="words", uuid="7a3c", time=1.0, total=1))
    with engine_alive(run):
        for name, at_ns in (("lock", LOCKED_NS), ("status.json", LOCKED_NS + after_ns)):
            os.utime(run / name, ns=(at_ns, at_ns))
        reader = RunReader(run)
        reader.read()
        progress = reader.engine_progress()
        reader.close()

    assert (progress is not None) == is_its_own


def test_without_an_engine_or_a_status_file_there_is_no_progress(tmp_path: Path) -> None:
    run = make_run(tmp_path, [compute("a")], [began()])
    with engine_alive(run):
        reader = RunReader(run)
        reader.read()
        assert reader.engine_progress() is None
        reader.close()
    write_progress(run / "status.json", Progress(workflow="words", uuid="7a3c", time=1.0, total=1))
    reader = RunReader(run)
    reader.read()
    assert reader.engine_progress() is None
    reader.close()
