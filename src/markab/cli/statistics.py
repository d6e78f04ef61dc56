"""`markab statistics` and `pegasus-statistics`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    AI,
    json_option,
    options,
    pegasus_ai_options,
    pegasus_command,
    pegasus_json_option,
    verbose_option,
)
from markab.cli.completion_values import runs, words
from markab.cli.output import echo, echo_json

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
"""Value of `-s` → section; `all` and `summary` are values too."""

FILE_TITLES = (
    ("summary", "Summary"),
    ("workflow", "Workflow execution statistics"),
    ("jobs", "Job instance statistics"),
    ("breakdown", "Transformation statistics"),
    ("integrity", "Integrity statistics"),
    ("time", "Time statistics"),
)
"""File → its title in Pegasus, in the same order."""


def _sections(_: click.Context, parameter: click.Parameter, values: Iterable[str]) -> tuple[str, ...]:
    """Return the sections of the words of an option, each once."""
    wanted: dict[str, None] = {}
    for word in (word for value in values for word in value.lower().split(",")):
        if word == "all":
            wanted.update(dict.fromkeys(LEVELS.values()))
        elif word in LEVELS:
            wanted[LEVELS[word]] = None
        elif word not in ("summary", ""):
            names = ", ".join(["all", "summary", *LEVELS])
            raise click.BadParameter(f"{word!r} is not a section; use {names}", param=parameter)
    return tuple(wanted)


FLAGS = options(
    click.option(
        "-s",
        "--statistics-level",
        "sections",
        multiple=True,
        callback=_sections,
        metavar="SECTION",
        shell_complete=words("all", *LEVELS, has_commas=True),
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
        help="Period of the section time; day by default.",
    ),
    verbose_option,
)


@command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=runs)
@FLAGS
@json_option()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write files into DIR as well."
)
def statistics(runs: Sequence[str], output: Path | None, **flags: Any) -> int:
    """Show the statistics of a run, by default of the one that the current directory is in. Of several, also the sum.

    Tasks and jobs by outcome, wall times, checksums, bytes moved, time by state,
    parallelism reached and possible, and the critical path. Works during a run, too.
    """
    named: Sequence[str | None] = runs or [None]
    read = [operations.read_statistics(run, flags["sections"]) for run in named]
    if output is not None:
        for one in read:
            directory = output if len(read) == 1 else output / one.uuid
            operations.write_statistics(
                one, flags["sections"], directory, flags["file_type"], flags["time_filter"]
            )
    if flags["as_json"]:
        _echo_json(read)
    else:
        echo("\n".join(_texts(read, flags)), nl=False)
    return 0


@pegasus_command("pegasus-statistics", AI)
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
@click.option("-i", "--ignore-db-inconsistency", is_flag=True, help="Accepted; has no effect.")
@click.option("-p", "--ispmc", is_flag=True, help="Accepted; has no effect.")
@click.option("-c", "--conf", metavar="FILE", help="Accepted; the submit directory has the properties.")
@click.option("-q", "--quiet", count=True, help="Do not list the files that were written.")
@pegasus_ai_options("the figures are printed without comments")
def pegasus_statistics(submit_dirs: Sequence[str], output: Path | None, **flags: Any) -> int:
    """Show the statistics of the run in SUBMIT_DIR, and write them into files. Of several runs, also the sum."""
    if flags["isuuid"] and not submit_dirs:
        raise click.UsageError("with `-u` name the UUIDs of the runs")
    places: Sequence[str | Path | None] = submit_dirs or [None]
    if flags["isuuid"]:
        places = [operations.find_uuid(uuid) for uuid in submit_dirs]
    runs = [operations.read_statistics(place, flags["sections"], for_pegasus=True) for place in places]
    texts = []
    for run in runs:
        own = output if output is None or len(runs) == 1 else output / run.uuid
        texts.append(operations.statistics_text(run))
        if files := _write_pegasus_files(run, own, flags):
            texts.append(files)
    if len(runs) > 1:
        texts.append(operations.total_statistics_text(runs))
    if flags["as_json"]:
        _echo_json(runs)
    else:
        echo("\n".join(texts), nl=False)
    return 0


def _echo_json(runs: Sequence[operations.Statistics]) -> None:
    echo_json(runs[0].to_json() if len(runs) == 1 else [run.to_json() for run in runs])


def _write_pegasus_files(run: operations.Statistics, output: Path | None, flags: dict[str, Any]) -> str:
    """Write the files of a run, and return their list; only a directory that was named has to be writable."""
    from markab.errors import StorageError

    try:
        files = operations.write_pegasus_statistics(
            run, flags["sections"], output, flags["file_type"], flags["time_filter"]
        )
    except StorageError as error:
        if output is not None:
            raise
        echo(f"note: no files were written: {error}", err=True)
        return ""
    if flags["quiet"]:
        return ""
    return "".join(f"{title:<30}: {files[name]}\n" for name, title in FILE_TITLES if name in files)


def _texts(runs: Sequence[operations.Statistics], flags: dict[str, Any]) -> list[str]:
    how = flags["sections"], flags["file_type"], flags["time_filter"]
    texts = [operations.statistics_text(run, *how) for run in runs]
    if len(runs) > 1 and flags["file_type"] == "text":
        texts.append(operations.total_statistics_text(runs))
    return texts
