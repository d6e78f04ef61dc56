"""`markab report`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, run_argument, verbose_option
from markab.cli.output import echo, echo_bytes, echo_json
from markab.formatting import shown_path


@command()
@run_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The page; report.html in the submit directory by default; - for standard output.",
)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Also a page for each sub-workflow, in its submit directory or beside FILE.",
)
@json_option("Print an object with its path.")
@verbose_option
def report(run: str | None, output: str | None, recursive: bool, as_json: bool, verbose: int) -> None:
    """Make one web page of a run, by default of the one that the current directory is in.

    The page is one file that needs no network: use of time, failures and their causes, resources, files.
    It can be made during the run, and shows its present state.
    """
    if output == "-":
        if recursive:
            raise click.UsageError("-o -: --recursive makes several pages; name a file")
        if as_json:
            raise click.UsageError("-o -: --json prints there; name a file")
        with tempfile.TemporaryDirectory(prefix="markab-") as folder:
            page, _ = operations.write_page(run, Path(folder, "report.html"))
            echo_bytes(page.read_bytes())
        return
    target, status = operations.write_page(run, Path(output) if output else None, recursive=recursive)
    if as_json:
        echo_json(
            {
                "report": str(target.absolute()),
                "state": status.state,
                "jobs": status.total,
                "failed": status.failed,
            }
        )
    elif target.is_file():
        echo(f"{shown_path(target)}  (open it in a browser)")
