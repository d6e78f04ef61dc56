"""`markab export`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, run_argument, verbosity
from markab.cli.output import echo, echo_bytes, echo_json

FORMATS = ("prov", "ro-crate", "wfformat", "csv", "parquet", "pegasus")
DIRECTORIES = ("ro-crate", "pegasus")
"""Those that are more than one file."""


@command()
@run_argument
@click.option("-F", "--format", "format_", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="Where to: a file, `-` for stdout; for ro-crate and pegasus a directory.",
)
@click.option("--license", metavar="TEXT|URL", help="License of the data, for ro-crate: its URL or its text.")
@click.option("-r", "--recursive", is_flag=True, help="With the runs of its sub-workflows.")
@json_option("Print an object: the path, the format, and the notes.")
@verbosity
def export(
    run: str | None,
    format_: str,
    output: Path,
    license: str | None,
    recursive: bool,
    as_json: bool,
    quiet: int,
    verbose: int,
) -> None:
    """Write a run in a format of other tools.

    \b
    prov      W3C PROV-JSON: which attempt made each file, from which inputs
    ro-crate  Workflow Run RO-Crate: a directory to publish
    wfformat  WfFormat 1.5 of WfCommons
    csv       a table, one row an invocation
    parquet   the same for data frames; needs markab[parquet]
    pegasus   the files that tools expect in a submit directory of Pegasus

    Of a sub-workflow it has the job that it is, with the uuid of its run; `-r` adds that run: to the tasks or rows, as
    a bundle of PROV, or in a directory inside. Works for a run in progress too, and reports what is missing (not with -q). Environment
    variables, passwords in URLs and the output of tasks are never exported. In csv, a text that begins
    with one of = + - @ has an apostrophe before it, so that no spreadsheet calculates it.
    """
    if license is not None and format_ != "ro-crate":
        raise click.UsageError("--license is for --format ro-crate only")
    if str(output) == "-":
        notes = _to_stdout(run, format_, as_json, recursive)
    else:
        notes = operations.export(run, format_, output, license=license, recursive=recursive)
    if as_json:
        echo_json({"export": str(output.absolute()), "format": format_, "notes": notes})
        return
    for sentence in notes:
        if not quiet:
            echo(f"note: {sentence}", err=True)


def _to_stdout(run: str | None, format_: str, as_json: bool, recursive: bool) -> list[str]:
    if format_ in DIRECTORIES or as_json:
        what = f"{format_} is a directory" if format_ in DIRECTORIES else "--json prints there"
        raise click.UsageError(f"-o -: {what}; name a path")
    with tempfile.TemporaryDirectory(prefix="markab-") as folder:
        path = Path(folder, "export")
        notes = operations.export(run, format_, path, recursive=recursive)
        echo_bytes(path.read_bytes())
    return notes
