"""What is known of a workflow, its tasks and its files, and how a file was made.

Each function raises as those of `status.py` when the run cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markab.operations.run_names import Run, find_run
from markab.operations.tree_jobs import in_first_run

if TYPE_CHECKING:
    from markab.reports.metadata import Metadata
    from markab.reports.trace import Trace


def read_metadata(
    run: Run = None,
    *,
    task: str | None = None,
    file: str | None = None,
    files: bool = False,
    trace: bool = False,
) -> list[Metadata]:
    """Return the metadata of a workflow, of one of its tasks, or of one or all of its files.

    With `trace`, of a file also those of the workflow and of the task that makes it.

    Raises:
        MarkabError: there is no such task or file.
        StorageError: the database of the run cannot be read.
    """
    from markab.errors import MarkabError
    from markab.provenance.run_database import open_database
    from markab.reports import metadata as report
    from markab.reports.reused_task import read_reused_task

    if task is not None and (reused := read_reused_task(find_run(run), task)) is not None:
        raise MarkabError(f"task {task!r} {reused.verdict()}", hint=reused.command("why"))
    with open_database(find_run(run)) as database:
        if task is not None:
            return [report.of_task(database, task)]
        if files:
            return list(report.of_files(database))
        if file is None:
            return [report.of_workflow(database)]
        return list(report.trace_of_file(database, file)) if trace else [report.of_file(database, file)]


def trace(run: Run, file: str) -> Trace:
    """Return how a file was made; it is named by its logical name, or by the path of a delivered copy.

    Raises:
        MarkabError: the run has no such file.
    """
    from markab.executors.file_limit import raise_file_limit
    from markab.reports.trace_reader import read_trace

    raise_file_limit()  # two for each run of the tree

    return in_first_run(find_run(run), lambda place: read_trace(place, file))
