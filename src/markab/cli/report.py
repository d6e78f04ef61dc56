"""`markab report`."""

from __future__ import annotations

from pathlib import Path

import click

from markab.cli.command import command


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.option(
    "-o", "--output", metavar="FILE", help="Write it here: report.html in the submit directory by default."
)
@click.option("-J", "--json", "as_json", is_flag=True, help="Print an object that says where it is.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def report(submit_dir: str, output: str | None, as_json: bool, verbose: int) -> None:
    """Make one web page of the run in SUBMIT_DIR, the current directory by default.

    The page is one file that needs no network: where time went, what failed and why, what was used and made.
    It can be made while the run goes on, and shows it as it is now.
    """
    import os

    from markab.cli.plan_output import echo_json, shown_path
    from markab.errors import StorageError
    from markab.plan.submit_dir import find_submit_dir
    from markab.reports.html.page import write_page

    place = find_submit_dir(submit_dir or None)
    target = Path(output) if output else place.path / "report.html"
    if not output and not os.access(place.path, os.W_OK):
        raise StorageError(
            f"cannot write {str(target)!r}: you may not write in that directory",
            hint=f"put the page elsewhere: `markab report {shown_path(place.path)} -o report.html`",
        )
    data = write_page(place.path, target)
    if as_json:
        echo_json(
            {
                "report": str(target.absolute()),
                "state": data.status.state,
                "jobs": data.status.total,
                "failed": data.status.failed,
            }
        )
    elif target.is_file():
        click.echo(f"{shown_path(target)}  (open it in a browser)")
