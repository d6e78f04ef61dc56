"""`markab metadata` and `pegasus-metadata`."""

from __future__ import annotations

from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    json_option,
    options,
    pegasus_command,
    pegasus_json_option,
    pegasus_run_argument,
    run_argument,
    verbose_option,
)
from markab.cli.output import echo, echo_json

FLAGS = options(
    click.option("-r", "--recursive", is_flag=True, help="With workflow: of its sub-workflows, too."),
    click.option(
        "-i", "--task-id", "--task-name", "task", metavar="ID", help="With task: its id in the workflow."
    ),
    click.option("-n", "--file-name", "lfn", metavar="NAME", help="With file: its logical name."),
    click.option(
        "-l", "--list", "all_files", is_flag=True, help="With file: all files; the default without -n."
    ),
    click.option(
        "-t", "--trace", is_flag=True, help="With file: also of the workflow, and of the task that makes it."
    ),
    verbose_option,
)


WHAT = click.argument("what", type=click.Choice(["workflow", "task", "file"]))


@command()
@WHAT
@run_argument
@FLAGS
@json_option("Print a list of objects.")
def metadata(**flags: Any) -> None:
    """Show what is known of a workflow, a task or a file: what its user wrote of it, and size and checksum of files."""
    _show(**flags)


@pegasus_command("pegasus-metadata")
@WHAT
@pegasus_run_argument
@FLAGS
@pegasus_json_option("Print a list of objects.")
@click.option("-c", "--conf", metavar="FILE", help="Accepted; the submit directory has the properties.")
def pegasus_metadata(conf: str | None, **flags: Any) -> None:
    """Show what is known of a workflow, a task or a file: what its user wrote of it, and size and checksum of files."""
    _show(**flags)


def _show(
    what: str,
    run: str | None,
    task: str | None,
    lfn: str | None,
    all_files: bool,
    trace: bool,
    as_json: bool,
    **_: object,
) -> None:
    if what == "task" and task is None:
        raise click.UsageError("`task` needs -i ID, its id in the workflow")
    found = operations.read_metadata(
        run,
        task=task if what == "task" else None,
        file=lfn if what == "file" else None,
        files=what == "file" and (all_files or lfn is None),
        trace=trace,
    )
    if as_json:
        import msgspec

        echo_json(msgspec.to_builtins(found))
    else:
        echo("".join(known.text() for known in found), nl=False)
