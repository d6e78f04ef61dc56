"""Where the files of a run are that DAGMan runs, in its submit directory.

    <workflow>-0.dag   the DAG; what DAGMan writes stands beside it: .dag.dagman.out, .dag.nodes.log, .dag.rescueNNN, …
    dagman/
      config           settings of this DAG
      N.sub            what jobs ask for; the jobs with equal requests share one
      watch.sub        the process that follows the run (`watcher.py`)
      step             the program by which nodes call Markab (`step_program.py`)
      worker.zip       the packed worker
      node_start.py    what starts it on a node of the pool
      turn             locked by the step that reads and writes the journal
      call             the id that DAGMan has as a job of HTCondor, as `CLUSTER.PROC`
      ending           the FINAL node waits for the watcher to end
      errors.log       why steps failed, if any did
      POSITION/        the sandbox of a job, from its PRE script until its end is recorded

These files have the path of the submit directory in them: it cannot be moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markab.plan.submit_dir import DAGMAN

RECORD = "record.json"
EVENTS = "events.log"
"""In a sandbox: the worker's record of a job on the submit host, and HTCondor's events of the job."""


@dataclass(frozen=True, slots=True)
class DagLayout:
    """Paths; does not access the disk."""

    submit_dir: Path
    """Absolute."""

    @property
    def directory(self) -> Path:
        """All files but the DAG itself."""
        return self.submit_dir / DAGMAN

    @property
    def config(self) -> Path:
        """Settings of this DAG."""
        return self.directory / "config"

    @property
    def watch(self) -> Path:
        """The submit file of the process that follows the run."""
        return self.directory / "watch.sub"

    @property
    def step(self) -> Path:
        """The program by which nodes call Markab."""
        return self.directory / "step"

    @property
    def worker(self) -> Path:
        """The packed worker."""
        return self.directory / "worker.zip"

    @property
    def start(self) -> Path:
        """What starts it on a node of the pool."""
        return self.directory / "node_start.py"

    @property
    def turn(self) -> Path:
        """Locked by the step that reads and writes the journal."""
        return self.directory / "turn"

    @property
    def call(self) -> Path:
        """Which DAGMan runs it."""
        return self.directory / "call"

    @property
    def ending(self) -> Path:
        """Whether the `FINAL` node waits for the watcher to end."""
        return self.directory / "ending"

    @property
    def errors(self) -> Path:
        """Why steps failed."""
        return self.directory / "errors.log"

    def submit_file(self, number: int) -> Path:
        """Return a submit file; they count from 1."""
        return self.directory / f"{number}.sub"

    def sandbox(self, job: int) -> Path:
        """Return the directory of a job, by its position in the plan."""
        return self.directory / str(job)
