"""The statistics of a run: read, as text, as rows of a table, and as files.

What reads a run raises as the functions of `status.py`, and StorageError when the
database of the run cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markab.errors import MarkabError, StorageError
from markab.operations.readable_runs import open_run
from markab.operations.run_names import Run

if TYPE_CHECKING:
    from markab.reports.statistics.files import Format, Period, Row
    from markab.reports.statistics.run_statistics import Statistics


def read_statistics(
    run: Run = None, sections: Collection[str] = (), *, for_pegasus: bool = False
) -> Statistics:
    """Return the statistics of a run: times, bytes, checks, parallelism, and these sections.

    With `for_pegasus`, also what `write_pegasus_statistics` needs for these sections.
    """
    from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS

    more = PEGASUS_SECTIONS if for_pegasus else {}
    wanted = [*sections, *(more[section] for section in sections if section in more)]
    return open_run(run).statistics(wanted)


def statistics_text(
    found: Statistics, sections: Collection[str] = (), format: Format = "text", period: Period = "day"
) -> str:
    """Return the summary of a run and these sections, as text or as CSV."""
    from markab.reports.statistics.files import texts

    return "\n".join(texts(found, sections, format, period).values())


def total_statistics_text(runs: Sequence[Statistics]) -> str:
    """Return the sum of the statistics of several runs, as text."""
    from markab.reports.statistics.text import total_text

    return total_text(runs)


def statistics_rows(found: Statistics, section: str, period: Period = "day") -> list[Row]:
    """Return a section, `summary` or `wall-times` as rows of a table; the first has the names of the columns."""
    from markab.reports.statistics.files import section_rows

    return section_rows(found, section, period)


def write_statistics(
    found: Statistics,
    sections: Collection[str],
    directory: Path,
    format: Format = "text",
    period: Period = "day",
) -> list[Path]:
    """Write the summary of a run and these sections as tables into a directory; return the files.

    Raises:
        StorageError: they cannot be written.
    """
    from markab.reports.statistics.files import write_files

    return write_files(found, sections, directory, format, period)


def write_pegasus_statistics(
    found: Statistics,
    sections: Collection[str],
    directory: Path | None = None,
    format: Format = "text",
    period: Period = "day",
) -> dict[str, Path]:
    """Write the files of `pegasus-statistics`, by default into `statistics/` of the submit directory.

    `found` was read `for_pegasus`, with the same sections. Returns the files by name.

    Raises:
        StorageError: they cannot be written, or no directory is named and Pegasus made the run.
    """
    from markab.reports.statistics.pegasus import write_pegasus_files

    if directory is None and not open_run(found.submit_dir).is_writable:
        raise StorageError(
            f"nothing is written into {found.submit_dir!r}, which Pegasus made",
            hint="name a directory for the files with `-o`",
        )
    place = directory or Path(found.submit_dir) / "statistics"
    return {path.stem: path for path in write_pegasus_files(found, sections, place, format, period)}


def save_statistics(run: Run = None) -> Statistics:
    """Return the statistics of a run, and write those whose length does not grow with its jobs into `statistics/`.

    If that directory of the submit directory cannot be written, a note in the statistics reports it.
    """
    from markab.reports.statistics.run_statistics import SHORT_SECTIONS

    found = read_statistics(run, SHORT_SECTIONS, for_pegasus=True)
    try:
        write_pegasus_statistics(found, SHORT_SECTIONS)
    except MarkabError as error:
        found.notes.append(f"the files of these statistics were not written: {error}")
    return found
