"""`Client`: the methods of `Workflow` for a run that is known by its submit directory only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.api.errors import PegasusClientError, WorkflowInstanceError
from markab.api.workflow import Workflow

if TYPE_CHECKING:
    import os


class Client:
    """Plans, runs and watches workflows. Every method raises PegasusClientError as the same one of `Workflow` does."""

    def __init__(self, pegasus_home: str | os.PathLike[str] | None = None) -> None:
        """Make a client; `pegasus_home` has no effect, as this Markab is used."""

    def plan(
        self, abstract_workflow: str | os.PathLike[str] | None = None, **options: Any
    ) -> PlannedWorkflow:
        """Plan a document (default: `workflow.yml`); options are the keywords of `Workflow.plan`.

        Unlike there, nothing is cleaned up unless `cleanup` says how: so does the client of Pegasus.
        """
        workflow = Workflow("planned")
        workflow._path = Path(abstract_workflow or Workflow._DEFAULT_FILENAME).absolute()
        workflow.plan(**{"cleanup": "none", **options})
        return PlannedWorkflow(workflow.submit_dir, self)

    def run(
        self, submit_dir: str | os.PathLike[str], verbose: int = 0, grid: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Start the run in the background, or continue it; return its braindump, with its process id.

        Options are those of `Workflow.run`.
        """
        return _planned(submit_dir).run(verbose=verbose, grid=grid, **options).run_output

    def status(self, submit_dir: str | os.PathLike[str], long: bool = False, verbose: int = 0) -> None:
        """Print the progress of the run."""
        _planned(submit_dir).status(long=long, verbose=verbose)

    def get_status(self, root_wf_name: str, submit_dir: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the progress of the run as a dict with `totals` and `dags`."""
        return _planned(submit_dir).get_status()

    def wait(self, root_wf_name: str, submit_dir: str | os.PathLike[str], delay: float = 5) -> None:
        """Wait for the end of the run with a progress bar."""
        _planned(submit_dir).wait(delay)

    def halt(self, submit_dir: str | os.PathLike[str]) -> None:
        """Start no more jobs of the run; running jobs end normally."""
        _planned(submit_dir).halt()

    def remove(self, submit_dir: str | os.PathLike[str], verbose: int = 0) -> None:
        """End the run and its running jobs."""
        _planned(submit_dir).remove(verbose=verbose)

    def analyzer(
        self,
        submit_dir: str | os.PathLike[str],
        verbose: int = 0,
        json_mode: bool = False,
        traverse_all: bool = False,
    ) -> None:
        """Print the failures of the run."""
        _planned(submit_dir).analyze(verbose=verbose, json_mode=json_mode, traverse_all=traverse_all)

    def logs(self, submit_dir: str | os.PathLike[str], job: str, **options: Any) -> None:
        """Print what a job of the run has written; options are those of `Workflow.logs`."""
        _planned(submit_dir).logs(job, **options)

    def statistics(self, submit_dir: str | os.PathLike[str], verbose: int = 0) -> None:
        """Print the statistics of the run."""
        _planned(submit_dir).statistics(verbose=verbose)

    def graph(self, workflow_file: str | os.PathLike[str], *options: Any, **keywords: Any) -> None:
        """Draw a document; options are those of `Workflow.graph`."""
        workflow = Workflow("drawn")
        workflow._path = Path(workflow_file).absolute()
        workflow.graph(*options, **keywords)


class PlannedWorkflow:
    """A submit directory, its braindump, and the client that processes it."""

    def __init__(self, submit_dir: str | os.PathLike[str], client: Client | None = None) -> None:
        """Read the braindump.

        Raises:
            WorkflowInstanceError: the directory has none, or it cannot be read.
        """
        self._submit_dir = Path(submit_dir)
        self.client = client or from_env()
        try:
            self.braindump = _planned(submit_dir).braindump
        except PegasusClientError as error:
            raise WorkflowInstanceError(error.message) from error

    def run(self, verbose: int = 0, grid: bool = False, **options: Any) -> dict[str, Any]:
        """See `Client.run`."""
        return self.client.run(self._submit_dir, verbose, grid, **options)

    def status(self, long: bool = False, verbose: int = 0) -> None:
        """See `Client.status`."""
        self.client.status(self._submit_dir, long, verbose)

    def remove(self, verbose: int = 0) -> None:
        """See `Client.remove`."""
        self.client.remove(self._submit_dir, verbose)

    def analyze(self, verbose: int = 0, json_mode: bool = False, traverse_all: bool = False) -> None:
        """See `Client.analyzer`."""
        self.client.analyzer(self._submit_dir, verbose, json_mode, traverse_all)

    def logs(self, job: str, **options: Any) -> None:
        """See `Client.logs`."""
        self.client.logs(self._submit_dir, job, **options)

    def statistics(self, verbose: int = 0) -> None:
        """See `Client.statistics`."""
        self.client.statistics(self._submit_dir, verbose)


class StatusReader:
    """The progress of runs, printed or as data."""

    def fetch_status(
        self,
        submit_dir: str | os.PathLike[str],
        json: bool = False,
        long: bool = False,
        dirs: bool = False,
        legend: bool = False,
        noqueue: bool = False,
        debug: bool = False,
    ) -> dict[str, Any] | None:
        """Return the progress as a dict with `totals` and `dags` (`json`), or print it."""
        run = _planned(submit_dir)
        if json:
            return run.get_status()
        run.status(long=long, dirs=dirs, legend=legend, noqueue=noqueue, debug=debug)
        return None

    def get_progress(self, submit_dir: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the progress as a dict with `totals` and `dags`."""
        return _planned(submit_dir).get_status()


def from_env(pegasus_home: str | os.PathLike[str] | None = None) -> Client:
    """Return a client of this Markab, wherever `pegasus_home` is."""
    return Client(pegasus_home)


def get_planner_args(**keywords: Any) -> list[str]:
    """Return the words of a planner's command line that mean the same as these keywords of `Workflow.plan`."""
    return list(_words(keywords))


def _words(keywords: dict[str, Any]) -> Iterator[str]:
    from markab.planner.options import accepted, to_words

    return to_words(accepted(keywords))


def _planned(submit_dir: str | os.PathLike[str]) -> Workflow:
    """Return a Workflow that knows of its run only, whose methods process it."""
    workflow = Workflow("run")
    workflow.use_run(Path(submit_dir).absolute())
    return workflow
