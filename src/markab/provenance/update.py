"""One pass over all that is derived from a run's journal: log, database, its state for Pegasus' tools, list of all runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError
from markab.plan.braindump import read_braindump
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.provenance import master_database
from markab.provenance.database import connected, has_tables
from markab.provenance.database_file import locked
from markab.provenance.database_location import has_database, run_properties, target_of
from markab.provenance.jobstate_log import JobstateLog
from markab.provenance.monitord_files import write_monitord_files
from markab.provenance.projection import Projector
from markab.provenance.started_runs import forget_started

PATIENCE_S = 10.0


class Pass(NamedTuple):
    """The outcome of one pass."""

    error: str
    """Why the database of the run is not current; empty if it is. Jobs wait while it is not."""
    warnings: list[str]
    """What else could not be written; nothing waits for that."""


class RunUpdater:
    """Updates what is derived from the journal of one run."""

    def __init__(self, submit_dir: Path) -> None:
        """Open a run.

        Raises:
            NotARun, CorruptPlan: there is none.
        """
        self._directory = SubmitDir(submit_dir)
        self._braindump = read_braindump(self._directory.braindump)
        plan = PlanFile(self._directory.plan)
        local_sites = plan.header.local_sites
        plan.close()
        self._log = JobstateLog(submit_dir, local_sites)
        self._projector: Projector | None = None
        self._logs: dict[Path, JobstateLog] = {}
        """Of sub-workflows."""
        self._entered: list[master_database.State] | None = None

    def probe(self) -> str:
        """Open the database and close it; return the error message if that is not possible, or nothing."""
        try:
            if self._with_database:
                target = target_of(self._directory, self._braindump)
                with locked(target.file, PATIENCE_S):
                    if target.file is None or target.file.exists():
                        with connected(target, patience_s=PATIENCE_S) as connection:
                            has_tables(connection)
        except MarkabError as error:
            return _message(error)
        return ""

    def update(self) -> Pass:
        """Update all of it. Each part is tried, even if another one fails."""
        warnings, message = [], ""
        try:
            self._log.update()
        except MarkabError as error:
            warnings.append(
                f"jobstate.log cannot be written; the run continues, and its journal is complete: {error}"
            )
        try:
            if self._projector or self._with_database:
                warnings += self._project()
        except MarkabError as error:
            self._close()
            message = _message(error)
        return Pass(message, warnings)

    @property
    def _with_database(self) -> bool:
        return has_database(run_properties(self._directory, self._braindump))

    def _project(self) -> list[str]:
        """Update the database, then what shows the state of the run elsewhere; return the errors of the latter."""
        projector = self._projector = self._projector or Projector(self._directory.path)
        projector.update(patience_s=PATIENCE_S)
        self._log_sub_workflows(projector)
        with connected(projector.target, read_only=True, patience_s=PATIENCE_S) as connection:
            states = master_database.states_of(connection, projector.find(connection))
        if states == self._entered:
            return []
        warnings = []
        try:
            write_monitord_files(projector.directory.path, states)
        except MarkabError as error:
            warnings.append(str(error))
        if problem := master_database.record_run(
            projector.directory, projector.braindump, projector.target, states
        ):
            warnings.append(problem)
        else:
            forget_started(projector.directory.path)
        if not warnings:
            self._entered = states
        return warnings

    def _log_sub_workflows(self, projector: Projector) -> None:
        for child in projector.descendants():
            path = child.directory.path
            if path not in self._logs:
                self._logs[path] = JobstateLog(path, child.plan.header.local_sites)
            self._logs[path].update()

    def _close(self) -> None:
        """Open the database again the next time: a repair may have moved it."""
        if self._projector is not None:
            self._projector.close()
        self._projector = None


def _message(error: MarkabError) -> str:
    hint = f" ({error.hint})" if error.hint else ""
    return f"the database of the run cannot be updated: {error}{hint}"
