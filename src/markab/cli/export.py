"""`markab export`."""

from __future__ import annotations

from pathlib import Path

import click

from markab.cli.command import command

FORMATS = ("prov", "ro-crate", "wfformat", "csv", "parquet", "pegasus")


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.option("-f", "--format", "format_", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="Where to: a file; for ro-crate and pegasus a directory.",
)
@click.option(
    "--license", metavar="TEXT|URL", help="License of the data, for ro-crate: its URL, or words that say it."
)
@click.option("-q", "--quiet", is_flag=True, help="Do not say what the export can't tell.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def export(
    submit_dir: str, format_: str, output: Path, license: str | None, quiet: bool, verbose: int
) -> None:
    """Write a run in a format that others read.

    \b
    prov      W3C PROV-JSON: which attempt made each file, out of what
    ro-crate  Workflow Run RO-Crate: a directory to publish
    wfformat  WfFormat 1.5 of WfCommons
    csv       a table, one row an invocation
    parquet   the same for data frames; needs markab[parquet]
    pegasus   the files that tools look for in a submit directory of Pegasus

    Works for a run in progress too, and says what is missing. Environment
    variables, passwords in URLs and what tasks printed are never exported.
    """
    from markab.reports.exports.formats import export_run

    if license is not None and format_ != "ro-crate":
        raise click.UsageError("--license is for --format ro-crate only")
    for sentence in export_run(submit_dir or None, format_, output, license=license):
        if not quiet:
            click.echo(f"note: {sentence}", err=True)
