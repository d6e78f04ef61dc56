"""One pass over everything that is made of a run's journal: log, database, list of all runs."""

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
from markab.provenance.projection import Projector

PATIENCE_S = 10.0


class Pass(NamedTuple):
    """What came of one pass."""

    trouble: str
    """Why the database of the run is not current; empty when it is. Jobs wait for that."""
    warnings: list[str]
    """What else could not be written; nothing waits for that."""


class Keeper:
    """Keeps what is derived from the journal of one run current."""

    def __init__(self, submit_dir: Path) -> None:
        """Begin with a run.

        Raises:
            NotARun, CorruptPlan: no run there.
        """
        self._directory = SubmitDir(submit_dir)
        self._braindump = read_braindump(self._directory.braindump)
        plan = PlanFile(self._directory.plan)
        local_sites = plan.header.local_sites
        plan.close()
        self._log = JobstateLog(submit_dir, local_sites)
        self._projector: Projector | None = None
        self._entered: list[master_database.State] | None = None

    def probe(self) -> str:
        """Open the database and close it; return why that is not possible, in words, or nothing."""
        try:
            if self._with_database:
                target = target_of(self._directory, self._braindump)
                with locked(target.file, PATIENCE_S):
                    if target.file is None or target.file.exists():
                        with connected(target, patience_s=PATIENCE_S) as connection:
                            has_tables(connection)
        except MarkabError as error:
            return _told(error)
        return ""

    def keep(self) -> Pass:
        """Bring all of it up to date. Each is tried, whatever the others do."""
        warnings, trouble = [], ""
        try:
            self._log.update()
        except MarkabError as error:
            warnings.append(
                f"jobstate.log is not kept current, the run goes on and its journal has everything: {error}"
            )
        try:
            if self._projector or self._with_database:
                warnings += self._project()
        except MarkabError as error:
            self._let_go()
            trouble = _told(error)
        return Pass(trouble, warnings)

    @property
    def _with_database(self) -> bool:
        return has_database(run_properties(self._directory, self._braindump))

    def _project(self) -> list[str]:
        """Bring the database up to date, then the list of all runs; return what is wrong with the latter."""
        projector = self._projector = self._projector or Projector(self._directory.path)
        projector.update(patience_s=PATIENCE_S)
        with connected(projector.target, read_only=True, patience_s=PATIENCE_S) as connection:
            states = master_database.states_of(connection, projector.find(connection))
        if states == self._entered:
            return []
        if problem := master_database.enter(
            projector.directory, projector.braindump, projector.target, states
        ):
            return [problem]
        self._entered = states
        return []

    def _let_go(self) -> None:
        """Begin anew the next time: whoever mends the database may have changed where it is."""
        if self._projector is not None:
            self._projector.close()
        self._projector = None


def _told(error: MarkabError) -> str:
    hint = f" ({error.hint})" if error.hint else ""
    return f"the database of the run cannot be kept current: {error}{hint}"
