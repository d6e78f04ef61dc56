"""What can be read of a run: of one of Markab, and of one that Pegasus made.

`open_run` decides which of them a directory holds; nothing else asks. What needs the record
that only Markab keeps calls `find_run`, which refuses a directory of Pegasus.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from markab.errors import StorageError
from markab.operations.run_names import Run, find_directory, find_run

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from markab.diagnosis.undelivered import Undelivered
    from markab.reports.failure_report import FailureReport
    from markab.reports.graph.drawing import JobGraph
    from markab.reports.statistics.run_statistics import Statistics
    from markab.reports.status import Status


class ReadableRun(Protocol):
    """A run, whoever made it. Its methods raise as the functions of `status.py`."""

    @property
    def path(self) -> Path:
        """The submit directory."""
        ...

    @property
    def is_writable(self) -> bool:
        """Reports may be written into the submit directory."""
        ...

    def follow_status(self, *, why: bool) -> Callable[[], Status]:
        """Return a function that returns the present progress; with `why`, also why jobs wait."""
        ...

    def missing_results(self) -> str:
        """Return the warning that results are missing where they were delivered, or nothing."""
        ...

    def undelivered(self) -> list[Undelivered]:
        """Return the results that were not delivered, as far as that is recorded."""
        ...

    def statistics(self, sections: Collection[str]) -> Statistics:
        """Return the statistics with these sections."""
        ...

    def failures(self) -> AbstractContextManager[FailureReport]:
        """Open the failures."""
        ...

    def graph(self, *, recursive: bool = False) -> JobGraph:
        """Return the graph of the executable workflow, with the states of its jobs; with `recursive`, of the whole tree."""
        ...

    def jobs(self) -> list[dict[str, Any]]:
        """Return id, label, kind, site, state and number of attempts of every job."""
        ...


def open_run(run: Run = None) -> ReadableRun:
    """Return the run that a name means, whoever made it.

    Raises:
        NotARun: there is none; the hint has similar names.
        StorageError: the directory may not be read.
    """
    from markab.provenance.pegasus_directory import find_pegasus_directory

    pegasus = find_pegasus_directory(find_directory(run))
    return MarkabRun(find_run(run)) if pegasus is None else PegasusRun(pegasus)


class MarkabRun:
    """A run of Markab: plan, journal, and the database made of them."""

    is_writable = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def follow_status(self, *, why: bool) -> Callable[[], Status]:
        """Each call reads only the records since the last."""
        from markab.reports.tree_status import TreeStatus

        return TreeStatus(self.path, why=why)

    def missing_results(self) -> str:
        """From the outputs of the plan."""
        from markab.engine.missing_results import read_missing_results

        return read_missing_results(self.path)

    def undelivered(self) -> list[Undelivered]:
        """From plan and journal."""
        from markab.diagnosis.failure_analysis import Analyzer

        analyzer = Analyzer(self.path)
        try:
            analyzer.read()
            return analyzer.undelivered()
        finally:
            analyzer.close()

    def statistics(self, sections: Collection[str]) -> Statistics:
        """From the database made of plan and journal."""
        from markab.reports.statistics.tree_statistics import read_statistics

        return read_statistics(self.path, sections)

    @contextmanager
    def failures(self) -> Iterator[FailureReport]:
        """From the journal."""
        from markab.engine.missing_results import read_missing_results
        from markab.executors.file_limit import raise_file_limit
        from markab.plan.child_directory import runs_below
        from markab.reports.analyzer import open_failures
        from markab.reports.tree_failures import TreeFailures

        raise_file_limit()  # two for each run of the tree
        with ExitStack() as stack:
            root = stack.enter_context(open_failures(self.path, read_missing_results))
            inner = [
                (below.name, stack.enter_context(open_failures(below.path, read_missing_results)))
                for below in runs_below(self.path)
            ]
            yield TreeFailures(root, inner) if inner else root

    def graph(self, *, recursive: bool = False) -> JobGraph:
        """From plan and journal."""
        from markab.reports.graph.sources import run_graph
        from markab.reports.graph.trees import tree_graph

        return tree_graph(self.path) if recursive else run_graph(self.path)

    def jobs(self) -> list[dict[str, Any]]:
        """From plan and journal."""
        from markab.reports.job_report import read_jobs

        return read_jobs(self.path)


@contextmanager
def _values_checked(path: Path) -> Iterator[None]:
    """Report values in a damaged database that cannot be calculated with, such as a text in place of a number."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        raise StorageError(
            f"the record of Pegasus in {str(path)!r} has a value that cannot be: {error}",
            hint="its database is damaged: `pegasus-monitord --replay` of Pegasus makes it again",
        ) from error


class PegasusRun:
    """A run that Pegasus made: its files and its database. Nothing is written into its directory."""

    is_writable = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def follow_status(self, *, why: bool) -> Callable[[], Status]:
        """Each call reads the files anew; why jobs wait is not recorded."""
        from markab.reports.pegasus_runs.status import read_pegasus_status

        def read() -> Status:
            with _values_checked(self.path):
                return read_pegasus_status(self.path)

        return read

    def missing_results(self) -> str:
        """Where results were delivered is not recorded."""
        return ""

    def undelivered(self) -> list[Undelivered]:
        """Not recorded."""
        return []

    def statistics(self, sections: Collection[str]) -> Statistics:
        """From the database of Pegasus."""
        from markab.reports.pegasus_runs.statistics import read_pegasus_statistics

        with _values_checked(self.path):
            return read_pegasus_statistics(self.path, sections)

    @contextmanager
    def failures(self) -> Iterator[FailureReport]:
        """From the database of Pegasus, or its files."""
        from markab.reports.pegasus_runs.failures import open_pegasus_failures

        with _values_checked(self.path), open_pegasus_failures(self.path) as found:
            yield found

    def graph(self, *, recursive: bool = False) -> JobGraph:
        """From the database of Pegasus, or its files; that of its sub-workflows is not read."""
        from markab.reports.pegasus_runs.graph import pegasus_graph

        with _values_checked(self.path):
            graph = pegasus_graph(self.path)
            if not all(isinstance(name, str) for name in (*graph.ids, *graph.xforms)):
                raise ValueError("the name of a job is no text")
            return graph

    def jobs(self) -> list[dict[str, Any]]:
        """From the files of Pegasus, or its database."""
        from markab.reports.pegasus_runs.status import list_pegasus_jobs

        with _values_checked(self.path):
            return list_pegasus_jobs(self.path)
