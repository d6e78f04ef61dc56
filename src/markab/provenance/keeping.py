"""One pass over everything that is made of a run's journal: log, database, list of all runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from markab.errors import MarkabError
from markab.plan.braindump import read_braindump
from markab.plan.file import PlanFile
from markab.plan.layout import SubmitDir
from markab.provenance import master
from markab.provenance.database import connected
from markab.provenance.jobstate_log import JobstateLog
from markab.provenance.projection import Projector
from markab.provenance.target import run_properties

PATIENCE_S = 10.0
EVENTS = "pegasus.monitord.events"
"""Property: with "false" there is no database before somebody asks for it."""


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
        executors = {name: site.executor for name, site in plan.header.sites.items()}
        plan.close()
        self._log = JobstateLog(submit_dir, executors)
        properties = run_properties(self._directory, self._braindump)
        self._with_database = properties.get(EVENTS, "").strip().lower() not in ("false", "no", "0", "off")
        self._projector: Projector | None = None
        self._entered: list[master.State] | None = None

    def keep(self) -> list[str]:
        """Bring all of it up to date; return what could not be, in words. Each is tried, whatever the others do."""
        return [*self._tried("jobstate.log", self._log.update), *self._tried("the database", self._project)]

    def _tried(self, what: str, step: Callable[[], str | None]) -> list[str]:
        try:
            trouble = step()
        except MarkabError as error:
            return [f"{what} is not kept current, the run goes on and its journal has everything: {error}"]
        return [trouble] if trouble else []

    def _project(self) -> str:
        if not self._with_database:
            return ""
        projector = self._projector = self._projector or Projector(self._directory.path)
        projector.update(patience_s=PATIENCE_S)
        with connected(projector.target, read_only=True) as connection:
            states = master.states_of(connection, projector.find(connection))
        if states == self._entered:
            return ""
        trouble = master.enter(projector.directory, projector.braindump, projector.target, states)
        if not trouble:
            self._entered = states
        return trouble
