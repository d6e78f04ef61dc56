"""Taking files anew that were edited after a run had taken them: which jobs run again, as one record.

The record is written before anything else happens, and the plan is not changed. From then on only the new content
of each file is taken: a file that is edited once more is noticed where it is verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from markab.engine.affected_jobs import affected_jobs, checkpoints_of, checksums_of_catalog
from markab.engine.edited_inputs import EditedInput, TakenFile, read_again, read_taken_files
from markab.errors import ChecksumMismatch, PlanningError, Problem, RunBusy
from markab.formatting import count, shown_path
from markab.journal.history import History
from markab.journal.records import Refresh, RefreshedFile
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.plan.reused_tasks import read_reused_tasks
from markab.plan.submit_dir import SubmitDir

NAMES_SHOWN = 3
NOTHING_EDITED = (
    "no file that this run has taken from outside was edited since: no job runs again because of one"
)


class Refreshed(NamedTuple):
    """What to record, and what to say."""

    record: Refresh | None
    """None: nothing was edited."""
    warnings: list[str]


def make_refresh(
    plan: PlanFile, history: History, journal: Path, now: float, given: Mapping[str, str] = {}
) -> Refreshed:
    """Find the files that were edited and the jobs to run again; changes nothing.

    Args:
        given: checksums that files of the run above have now; its plan has what they were when it was made.

    Raises:
        StorageError: a file cannot be read.
        ChecksumMismatch: the replica catalog has a checksum of an edited file, which is then wrong.
        PlanningError: results of earlier runs are used in place of tasks.
        RunBusy: a job that uses an edited file may still run at a remote site.
    """
    if reused := next(read_reused_tasks(SubmitDir(plan.path.parent).reused), None):
        raise PlanningError(
            Problem(
                f"the plan leaves out tasks, such as {reused.task!r}, whose results were made earlier: "
                "what was edited of theirs is not noticed here",
                REUSED_HINT,
                kind="refresh",
            )
        )
    edited, gone = read_again(read_taken_files(journal, plan.header))
    warnings = [_gone_text(gone)] if gone else []
    if not edited:
        return Refreshed(None, [*warnings, NOTHING_EDITED])
    if wrong := with_catalog_checksum(plan, [file for file in edited if given.get(file.lfn) != file.new]):
        raise ChecksumMismatch(catalog_text(wrong), hint=CATALOG_HINT)
    affected = affected_jobs(plan.jobs(), [file.lfn for file in edited])
    _refuse_under_way(plan, history, affected)
    done = history.succeeded
    record = Refresh(
        now,
        [RefreshedFile(file.lfn, file.path, file.new, file.old) for file in edited],
        [position for position in affected if done[position]],
        [position for position in affected if not done[position]],
        checkpoints_of(map(plan.job, affected)),
    )
    return Refreshed(record, [*warnings, refreshed_text(plan, edited, record.jobs)])


REUSED_HINT = "plan again: what is still right is reused"
CATALOG_HINT = "put the file back as it was; or correct its checksum in the replica catalog, and plan again"


def with_catalog_checksum(plan: PlanFile, edited: Iterable[EditedInput]) -> dict[str, EditedInput]:
    """Return the edited files of which the replica catalog gave a checksum when planning, by that checksum."""
    by_lfn = {file.lfn: file for file in edited}
    return {sha256: by_lfn[lfn] for lfn, sha256 in checksums_of_catalog(plan.jobs()) if lfn in by_lfn}


def catalog_text(wrong: Mapping[str, EditedInput]) -> str:
    """Return what is said of edited files whose checksum the replica catalog has."""
    one = "; ".join(
        f"{file.path!r} was edited, and the replica catalog has the sha256 {sha256} of {file.lfn!r}"
        for sha256, file in list(wrong.items())[:NAMES_SHOWN]
    )
    more = len(wrong) - NAMES_SHOWN
    return one + (f"; and {count(more, 'more file')} likewise" if more > 0 else "")


def refreshed_text(plan: PlanFile, edited: Iterable[EditedInput], again: list[int]) -> str:
    """Return which jobs run again because of which files."""
    paths = [repr(file.path) for file in edited]
    were = "were edited" if len(paths) > 1 else "was edited"
    return f"{_named(paths)} {were}: {again_text(plan, again)}"


def again_text(plan: PlanFile, again: list[int]) -> str:
    """Return which jobs that have succeeded run again."""
    if not again:
        return "no job that has succeeded uses it"
    outline = plan.outline
    first = sorted(again, key=lambda position: (outline[position].kind is not Kind.COMPUTE, position))
    return f"{_named([outline[position].id for position in first])} run{'s' * (len(again) == 1)} again"


def _gone_text(gone: list[TakenFile]) -> str:
    paths = [repr(file.path) for file in gone]
    return f"{_named(paths)} {'are' if len(paths) > 1 else 'is'} gone: the run goes on with what it has of it"


def _named(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _refuse_under_way(plan: PlanFile, history: History, affected: Iterable[int]) -> None:
    """Refuse while a job elsewhere may read the old file: its attempt would count for the new one."""
    remote = plan.header.remote_sites
    for position in affected:
        attempt = history.under_way.get(position)
        if attempt is not None and attempt.site in remote:
            raise RunBusy(
                f"job {plan.job(position).id!r}, which uses an edited file, may still run at site {attempt.site!r}",
                hint=f"end it first: markab remove {shown_path(plan.path.parent)}",
            )
