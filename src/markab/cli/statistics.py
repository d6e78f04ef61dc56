"""`markab statistics` and `pegasus-statistics`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    json_option,
    options,
    pegasus_command,
    pegasus_json_option,
    verbose_option,
)
from markab.cli.output import echo_json

if TYPE_CHECKING:
    from markab.reports.statistics.run_statistics import Statistics

LEVELS = {
    "workflow": "workflow",
    "wf_stats": "workflow",
    "jobs": "jobs",
    "jb_stats": "jobs",
    "transformations": "transformations",
    "breakdown": "transformations",
    "tf_stats": "transformations",
    "time": "time",
    "ti_stats": "time",
    "integrity": "integrity",
    "int_stats": "integrity",
}
"""What `-s` understands → the section; `all` and `summary` besides."""

FILE_TITLES = (
    ("summary", "Summary"),
    ("workflow", "Workflow execution statistics"),
    ("jobs", "Job instance statistics"),
    ("breakdown", "Transformation statistics"),
    ("integrity", "Integrity statistics"),
    ("time", "Time statistics"),
)
"""File → what Pegasus calls it, in its order."""


def _sections(_: click.Context, parameter: click.Parameter, values: Iterable[str]) -> tuple[str, ...]:
    """Return the sections that are meant, each once."""
    wanted: dict[str, None] = {}
    for word in (word for value in values for word in value.lower().split(",")):
        if word == "all":
            wanted.update(dict.fromkeys(LEVELS.values()))
        elif word in LEVELS:
            wanted[LEVELS[word]] = None
        elif word not in ("summary", ""):
            names = ", ".join(["all", "summary", *LEVELS])
            raise click.BadParameter(f"{word!r} is no section; there are {names}", param=parameter)
    return tuple(wanted)


FLAGS = options(
    click.option(
        "-s",
        "--statistics-level",
        "sections",
        multiple=True,
        callback=_sections,
        metavar="SECTION",
        help="Also workflow, jobs, transformations, time, integrity, or all (wf_stats, jb_stats, tf_stats, "
        "ti_stats, int_stats are the same); several with commas.",
    ),
    click.option(
        "-f", "--file-type", type=click.Choice(["text", "csv"]), default="text", help="Text, or CSV."
    ),
    click.option(
        "-t",
        "--time-filter",
        type=click.Choice(["month", "week", "day", "hour"]),
        default="day",
        help="Add the section time up by day (as it is), or otherwise.",
    ),
    verbose_option,
)


@command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@FLAGS
@json_option()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write files into DIR as well."
)
def statistics(runs: Sequence[str], output: Path | None, **flags: Any) -> int:
    """Show what a run took, by default the one that the current directory is in. Of several, also their sum.

    How many tasks and jobs ended how, wall times, checksums, bytes moved, where the
    time went, how much ran at once and could have, and the critical path. Works
    while a run goes on, too.
    """
    named: Sequence[str | None] = runs or [None]
    read = [operations.statistics(run, flags["sections"]) for run in named]
    if output is not None:
        for one in read:
            _write(one, output if len(read) == 1 else output / one.uuid, flags)
    if flags["as_json"]:
        _echo_json(read)
    else:
        click.echo("\n".join(_texts(read, flags)), nl=False)
    return 0


@pegasus_command("pegasus-statistics")
@click.argument("submit_dirs", nargs=-1, metavar="[SUBMIT_DIR]...")
@FLAGS
@pegasus_json_option()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory for the files: statistics/ in the submit directory by default.",
)
@click.option("-m", "--multiple-wf", is_flag=True, help="Accepted; several directories are several runs.")
@click.option("-u", "--isuuid", is_flag=True, help="Runs are named by their UUID; they must be your own.")
@click.option("-i", "--ignore-db-inconsistency", is_flag=True, help="Accepted; there is none.")
@click.option("-p", "--ispmc", is_flag=True, help="Accepted; nothing is counted otherwise.")
@click.option("-c", "--conf", metavar="FILE", help="Accepted; a run knows where its database is.")
@click.option("-q", "--quiet", count=True, help="Do not say which files were written.")
def pegasus_statistics(submit_dirs: Sequence[str], output: Path | None, **flags: Any) -> int:
    """Show what the run in SUBMIT_DIR took, and write that into files. Of several runs, also their sum."""
    from markab.errors import StorageError
    from markab.reports.statistics.pegasus import write_pegasus_files
    from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS
    from markab.reports.statistics.text import summary_text, total_text

    places: Sequence[str | Path | None] = submit_dirs or [None]
    if flags["isuuid"]:
        from markab.reports.statistics.run_statistics import directory_of_uuid

        if not submit_dirs:
            raise click.UsageError("with `-u` name the UUIDs of the runs")
        places = [directory_of_uuid(uuid) for uuid in submit_dirs]
    sections = flags["sections"]
    besides = [more for section, more in PEGASUS_SECTIONS.items() if section in sections]
    runs = [operations.statistics(place, [*sections, *besides]) for place in places]
    texts = []
    for run in runs:
        own = output if output is None or len(runs) == 1 else output / run.uuid
        texts.append(summary_text(run))
        try:
            place = own or Path(run.submit_dir) / "statistics"
            files = write_pegasus_files(run, sections, place, flags["file_type"], flags["time_filter"])
        except StorageError as error:
            if output is not None:
                raise
            click.echo(f"note: no files were written: {error}", err=True)
            continue
        if not flags["quiet"]:
            named = {path.stem: path for path in files}
            texts.append(
                "".join(f"{title:<30}: {named[name]}\n" for name, title in FILE_TITLES if name in named)
            )
    if len(runs) > 1:
        texts.append(total_text(runs))
    if flags["as_json"]:
        _echo_json(runs)
    else:
        click.echo("\n".join(texts), nl=False)
    return 0


def _echo_json(runs: Sequence[Statistics]) -> None:
    echo_json(runs[0].to_json() if len(runs) == 1 else [run.to_json() for run in runs])


def _write(run: Statistics, directory: Path, flags: dict[str, Any]) -> list[Path]:
    from markab.reports.statistics.files import write_files

    return write_files(run, flags["sections"], directory, flags["file_type"], flags["time_filter"])


def _texts(runs: Sequence[Statistics], flags: dict[str, Any]) -> list[str]:
    from markab.reports.statistics.files import section_csv, section_text, summary_csv
    from markab.reports.statistics.text import summary_text, total_text

    is_csv = flags["file_type"] == "csv"
    texts = []
    for run in runs:
        texts.append(summary_csv(run) if is_csv else summary_text(run))
        to_text = section_csv if is_csv else section_text
        texts += [to_text(run, section, flags["time_filter"]) for section in flags["sections"]]
    if len(runs) > 1 and not is_csv:
        texts.append(total_text(runs))
    return texts
