"""`markab metadata` and `pegasus-metadata`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from markab.cli.command import command

if TYPE_CHECKING:
    from markab.provenance.run_database import Database
    from markab.reports.metadata import Known

FLAGS = (
    click.argument("what", type=click.Choice(["workflow", "task", "file"])),
    click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]"),
    click.option("-r", "--recursive", is_flag=True, help="With workflow: of its sub-workflows, too."),
    click.option(
        "-i", "--task-id", "--task-name", "task", metavar="ID", help="With task: its id in the workflow."
    ),
    click.option("-n", "--file-name", "lfn", metavar="NAME", help="With file: its logical name."),
    click.option("-l", "--list", "all_files", is_flag=True, help="With file: all of them; so without -n."),
    click.option(
        "-t", "--trace", is_flag=True, help="With file: also of the workflow, and of the task that makes it."
    ),
    click.option("-j", "-J", "--json", "as_json", is_flag=True, help="Print a list of objects."),
    click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong."),
)


def _flags(function: Any) -> Any:
    for flag in reversed(FLAGS):
        function = flag(function)
    return function


@command()
@_flags
def metadata(**flags: Any) -> int:
    """Say what is known of a workflow, a task or a file: what its user said, and size and checksum of files."""
    return _show(**flags)


@command(name="pegasus-metadata")
@_flags
@click.option("-c", "--conf", metavar="FILE", help="Accepted; a run knows where its database is.")
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda c, p, v: _version(c, v),
    help="Print the version of Pegasus that Markab speaks.",
)
def pegasus_metadata(conf: str | None, **flags: Any) -> int:
    """Say what is known of a workflow, a task or a file: what its user said, and size and checksum of files."""
    return _show(**flags)


def _version(context: click.Context, is_wanted: bool) -> None:
    if is_wanted:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        context.exit()


def _show(what: str, submit_dir: str, as_json: bool, verbose: int, **flags: Any) -> int:
    if what == "task" and not flags["task"]:
        raise click.UsageError("`task` needs -i ID, its id in the workflow")
    from markab.plan.submit_dir import find_submit_dir
    from markab.provenance.run_database import open_database

    with open_database(find_submit_dir(submit_dir or None).path) as database:
        found = list(_known(database, what, flags))
    if as_json:
        import msgspec

        from markab.cli.plan_output import echo_json

        echo_json(msgspec.to_builtins(found))
    else:
        click.echo("".join(known.text() for known in found), nl=False)
    return 0


def _known(database: Database, what: str, flags: dict[str, Any]) -> Iterable[Known]:
    from markab.reports import metadata as report

    if what == "workflow":
        return [report.of_workflow(database)]
    if what == "task":
        return [report.of_task(database, flags["task"])]
    if flags["lfn"] is None or flags["all_files"]:
        return report.of_files(database)
    if flags["trace"]:
        return report.trace_of_file(database, flags["lfn"])
    return [report.of_file(database, flags["lfn"])]
