"""The statistics of a run with its sub-workflows: what adds up is of the whole tree, the rest of the run's own jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce

import msgspec
from sqlalchemy import text

from markab.formatting import count
from markab.journal.lock import holder
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import runs_below
from markab.plan.submit_dir import SubmitDir, find_submit_dir
from markab.provenance.results import IntegrityCount, WallTimes, added_summaries
from markab.provenance.run_database import Database, open_database
from markab.reports.statistics.run_statistics import (
    Integrity,
    MemberStatistics,
    Statistics,
    statistics_of,
)
from markab.reports.status import missing_journal
from markab.spec.gc_pause import without_garbage_collection


def read_statistics(
    submit_dir: str | os.PathLike[str] | None,
    sections: Collection[str] = (),
    *,
    clock: Callable[[], float] = time.time,
) -> Statistics:
    """Return the statistics of a run and its sub-workflows. Raises as `run_statistics.read_statistics`."""
    directory = find_submit_dir(submit_dir)
    # The lock is checked before the journal is read: an engine that ends in between has written its last record.
    is_running = holder(directory.lock) is not None
    with open_database(directory.path) as database, without_garbage_collection():
        if note := missing_journal(directory):
            database.notes.append(note)
        found = statistics_of(database, sections, is_running=is_running, clock=clock)
        tree = [(found, found.workflow)]
        for below in runs_below(directory.path):
            if (inner := _database_of(database, SubmitDir(below.path))) is not None:
                is_running = holder(SubmitDir(below.path).lock) is not None
                one = statistics_of(inner, sections, is_running=is_running, clock=clock)
                tree.append((one, below.name))
        if len(tree) > 1:
            _add_up(found, tree)
        return found


def _add_up(found: Statistics, tree: Sequence[tuple[Statistics, str]]) -> None:
    """Add to the statistics of a run, the first of `tree`, those of the others."""
    members = [one for one, _ in tree]
    found.members = [_member(one, name) for one, name in tree]
    found.summary = reduce(added_summaries, (one.summary for one in members))
    found.wall_times = _added_times(one.wall_times for one in members)
    found.integrity = _added_integrity([one.integrity for one in members])
    if found.jobs is not None:
        found.jobs = [row for one in members for row in one.jobs or ()]
    found.notes.append(
        f"with {count(len(members) - 1, 'sub-workflow')}: counts, wall times, checksums and jobs are of all, "
        "the rest is of the workflow's own jobs"
    )


def _database_of(database: Database, place: SubmitDir) -> Database | None:
    """Return the database as that of a sub-workflow; None: it is not in it, as it was planned by itself."""
    uuid = read_braindump(place.braindump).get("wf_uuid") or ""
    number = database.connection.execute(
        text("SELECT wf_id FROM workflow WHERE wf_uuid = :uuid"), {"uuid": uuid}
    ).scalar()
    if number is None:
        return None
    return replace(
        database, wf_id=int(number), uuid=uuid, submit_dir=place.path, notes=[], _stack=ExitStack()
    )


def _member(one: Statistics, name: str) -> MemberStatistics:
    return MemberStatistics(
        uuid=one.uuid,
        name=name,
        restarts=one.run.restarts,
        summary=one.summary,
        jobs=one.jobs or [],
        breakdown=one.breakdown or [],
        integrity=one.integrity.counts,
    )


def _added_times(times: Iterable[WallTimes]) -> WallTimes:
    rows = zip(*(msgspec.structs.astuple(one) for one in times), strict=True)
    return WallTimes(*(sum(row) for row in rows))


def _added_integrity(found: Collection[Integrity]) -> Integrity:
    by_kind: dict[tuple[str, str], IntegrityCount] = {}
    for one in (row for each in found for row in each.counts):
        key = (one.type, one.file_type)
        before = by_kind.get(key)
        by_kind[key] = (
            one
            if before is None
            else msgspec.structs.replace(
                one, count=one.count + before.count, duration_s=one.duration_s + before.duration_s
            )
        )
    errors, failed = (sum(getattr(one, name) for one in found) for name in ("errors", "failed_jobs"))
    return Integrity(list(by_kind.values()), errors, failed)
