"""Writing documents about a run: web pages, exports to other tools, directories for debugging a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import quote as url_quote

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


def write_page(
    run: Run = None, output: Path | None = None, *, recursive: bool = False
) -> tuple[Path, Status]:
    """Make one web page of a run, by default `report.html` in its submit directory; return it and the status shown.

    With `recursive`, each of its sub-workflows gets one too, `report.html` in its own submit directory or, with
    `output`, beside that; they link to each other.

    The page of a run that is over says so if results are missing.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: the run cannot be read.
        StorageError: the page cannot be written.
    """
    from markab.plan.child_directory import runs_below
    from markab.reports.html import page

    submit_dir = find_run(run)
    target = output or submit_dir / "report.html"
    if output is None and not os.access(submit_dir, os.W_OK):
        raise StorageError(
            f"cannot write {str(target)!r}: you may not write in that directory",
            hint=f"put the page elsewhere: `markab report {quote(str(run or submit_dir))} -o report.html`",
        )
    pages = [("", submit_dir, target)]
    if recursive:
        for below in runs_below(submit_dir):
            named = target.with_name(f"{target.stem}.{below.name.replace('/', '.')}{target.suffix}")
            pages.append((below.name, below.path, named if output else below.path / "report.html"))
    warnings = read_status(submit_dir, check_results=True).warnings
    status = page.write_page(submit_dir, target, warnings, links=_links(pages, "", target)).status
    for name, directory, file in pages[1:]:
        page.write_page(directory, file, links=_links(pages, name, file))
    return target, status


def _links(pages: Sequence[tuple[str, Path, Path]], name: str, file: Path) -> dict[str, str]:
    """Return where the pages of the sub-workflows of one are, and that of the run above, as seen from its own."""
    prefix = f"{name}/" if name else ""
    found = {
        one.removeprefix(prefix): url_quote(os.path.relpath(other, file.parent))
        for one, _, other in pages
        if one.startswith(prefix) and one != name
    }
    if name:
        over = name.rpartition("/")[0]
        found[".."] = next(url_quote(os.path.relpath(p, file.parent)) for one, _, p in pages if one == over)
    return found


def export(
    run: Run, format: str, path: Path, *, license: str | None = None, recursive: bool = False
) -> list[str]:
    """Write a run to `path` in a format of other tools; return, as sentences, what is missing in the export.

    With `recursive`, the runs of its sub-workflows are in it too.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: the run cannot be read.
        MarkabError: there is no such format, or it cannot express anything of the run.
        StorageError: `path` cannot be written, or is of the wrong kind.
    """
    from markab.executors.file_limit import raise_file_limit
    from markab.reports.exports.formats import export_run

    if recursive:
        raise_file_limit()  # one for each run of the tree
    return export_run(find_run(run), format, path, license=license, recursive=recursive)
