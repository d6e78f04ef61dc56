"""The progress of a run with its sub-workflows, read again and again while an engine runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from markab.journal.run_reader import RunReader
from markab.plan.child_directory import child_runs
from markab.plan.model import SUB_WORKFLOWS
from markab.plan.submit_dir import SubmitDir
from markab.reports.status import Status, current_status, quick_status


class TreeStatus:
    """The status of a run, and below it those of its sub-workflows; each call costs only what happened since the last."""

    def __init__(self, submit_dir: Path, *, why: bool) -> None:
        """Open a run; with `why`, also why its own jobs wait. Raises as `RunReader`."""
        self._reader = RunReader(submit_dir)
        self._read: Callable[[RunReader], Status] = (
            (lambda run: current_status(run, why=True)) if why else quick_status
        )
        self._over: dict[Path, tuple[int, Status]] = {}
        """Sub-workflow that nothing runs → bytes of its journal, and its status then."""

    def __call__(self) -> Status:
        """Return the present status. Raises CorruptJournal, CorruptPlan."""
        status = self._read(self._reader)
        if SUB_WORKFLOWS not in self._reader.plan.header.sites:
            return status
        return replace(status, inner=tuple(self._below(self._reader, "")))

    def _below(self, run: RunReader, above: str) -> Iterator[tuple[str, Status]]:
        for child in child_runs(run.place.path, run.plan):
            name = f"{above}{child.job}"
            with closing(RunReader(child.path)) as inner:
                yield name, self._status_of(inner)
                yield from self._below(inner, f"{name}/")

    def _status_of(self, run: RunReader) -> Status:
        path = run.place.path
        size_bytes = _size_bytes(run.place)
        known = self._over.get(path)
        if known is not None and known[0] == size_bytes and not run.look_for_engine():
            return known[1]
        status = quick_status(run)
        if status.is_over:
            self._over[path] = size_bytes, status
        return status


def _size_bytes(place: SubmitDir) -> int:
    try:
        return place.journal.stat().st_size
    except FileNotFoundError:
        return 0
