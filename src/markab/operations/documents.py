"""Writing documents about a run: web pages, exports to other tools, directories for debugging a job."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from markab.errors import StorageError
from markab.operations.run_names import Run, find_run
from markab.operations.status import read_status

if TYPE_CHECKING:
    from markab.reports.debug_job import DebugDirectory
    from markab.reports.status import Status


def make_debug_directory(
    run: Run, job: str, directory: Path | None = None, executable: str | None = None
) -> DebugDirectory:
    """Make a directory (default: `debug-JOB` in the current one) to run one compute job by hand.

    `executable` runs in place of the program of the job's first task.

    Raises:
        NotARun: there is no such run.
        MarkabError: there is no such job, or it has no command.
        StorageError: the directory exists and is not empty, or cannot be written.
    """
    from markab.reports import debug_job

    return debug_job.make_debug_directory(find_run(run), job, directory, executable)


def write_page(run: Run = None, output: Path | None = None) -> tuple[Path, Status]:
    """Make one web page of a run, by default `report.html` in its submit directory; return it and the status shown.

    The page of a run that is over says so if results are missing.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: the run cannot be read.
        StorageError: the page cannot be written.
    """
    from markab.reports.html import page

    submit_dir = find_run(run)
    target = output or submit_dir / "report.html"
    if output is None and not os.access(submit_dir, os.W_OK):
        raise StorageError(
            f"cannot write {str(target)!r}: you may not write in that directory",
            hint=f"put the page elsewhere: `markab report {quote(str(run or submit_dir))} -o report.html`",
        )
    warnings = read_status(submit_dir, check_results=True).warnings
    return target, page.write_page(submit_dir, target, warnings).status


def export(run: Run, format: str, path: Path, *, license: str | None = None) -> list[str]:
    """Write a run to `path` in a format of other tools; return, as sentences, what is missing in the export.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: the run cannot be read.
        MarkabError: there is no such format, or it cannot express anything of the run.
        StorageError: `path` cannot be written, or is of the wrong kind.
    """
    from markab.reports.exports.formats import export_run

    return export_run(find_run(run), format, path, license=license)
