"""Making `jobstate.log` and the database of a run from its plan and journal, on request."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from markab.errors import StorageError
from markab.operations.run_names import find_run

if TYPE_CHECKING:
    from markab.provenance.jobstate_log import JobstateLog


def record_again(
    run: Path,
    *,
    replay: bool = False,
    with_database: bool = True,
    url: str | None = None,
    log: Path | None = None,
) -> list[str]:
    """Bring `jobstate.log` and the database of a run up to date; return warnings.

    Args:
        replay: make both again from the start, after the run; the old log is renamed to jobstate.log.000, ….
        with_database: False: only the log.
        url: another database than that of the run.
        log: another file than `jobstate.log`.

    Raises:
        NotARun: there is no such run.
        RunBusy: `replay`, and an engine runs it.
        StorageError, CorruptPlan, CorruptJournal: something cannot be read or written.
    """
    from markab.journal.lock import RunLock
    from markab.operations.databases import database_target
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.jobstate_log import JobstateLog
    from markab.provenance.projection import Projector
    from markab.provenance.update import RunUpdater

    directory = SubmitDir(find_run(run))
    target = database_target(url) if url is not None else None
    with ExitStack() as stack:
        if replay:
            stack.enter_context(RunLock(directory.lock))
        with closing(PlanFile(directory.plan)) as plan:
            lines = JobstateLog(directory.path, plan.header.local_sites)
        lines.path = log or lines.path
        if replay and lines.path.exists():
            _set_aside(lines)
        lines.update()
        if not with_database:
            return []
        with closing(Projector(directory.path, target)) as projector:
            if replay:
                projector.erase()
            projector.update()
        return [] if target is not None else RunUpdater(directory.path).update().warnings


def _set_aside(lines: JobstateLog) -> None:
    try:
        lines.set_aside()
    except OSError as error:
        raise StorageError(f"cannot rename {str(lines.path)!r}: {error.strerror}") from error
