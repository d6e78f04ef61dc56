"""`pegasus-submitdir`: packing, moving, deleting and listing submit directories."""

from __future__ import annotations

from pathlib import Path

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import options, pegasus_group, verbose_option
from markab.cli.output import echo
from markab.formatting import shown_path

ARGUMENTS = options(click.argument("submit_dir", type=click.Path(path_type=Path)), verbose_option)


@command(name="archive")
@ARGUMENTS
def archive(submit_dir: Path, verbose: int) -> None:
    """Pack a submit directory into archive.tar.gz in it; beside that stay its braindump and its database."""
    _report("archived", *operations.archive_run(submit_dir))


@command(name="extract")
@ARGUMENTS
def extract(submit_dir: Path, verbose: int) -> None:
    """Unpack an archived submit directory."""
    _report("extracted", *operations.extract_run(submit_dir))


@command(name="move")
@click.argument("submit_dir", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@verbose_option
def move(submit_dir: Path, dest: Path, verbose: int) -> None:
    """Move a submit directory to DEST, or into DEST if that is a directory."""
    _report("moved to", *operations.move_run(submit_dir, dest))


@command(name="delete")
@ARGUMENTS
@click.option("--force", is_flag=True, help="Do not ask.")
def delete(submit_dir: Path, verbose: int, force: bool) -> None:
    """Delete a submit directory with all its files, and its entries in databases."""
    question = f"Delete {shown_path(submit_dir)} with all that is recorded of the run? This cannot be undone"
    if force or click.confirm(question, default=None):
        _report("deleted", operations.delete_run(submit_dir), "")


@command(name="attach")
@ARGUMENTS
def attach(submit_dir: Path, verbose: int) -> None:
    """Enter a run into the list of all your runs."""
    _report("attached", *operations.attach_run(submit_dir))


@command(name="detach")
@ARGUMENTS
@click.option(
    "-i", "--wf-uuid", metavar="UUID", help="Which run was there, if SUBMIT_DIR does not exist any more."
)
def detach(submit_dir: Path, verbose: int, wf_uuid: str | None) -> None:
    """Take a run out of the list of all your runs; its files stay."""
    was_there = operations.detach_run(submit_dir, wf_uuid)
    echo(f"{'detached' if was_there else 'not in the list of your runs:'} {shown_path(submit_dir)}")


pegasus_submitdir = pegasus_group(
    "pegasus-submitdir",
    "Manage submit directories. A run that is running is refused; what is in scratch and at output sites stays.",
    (archive, extract, move, delete, attach, detach),
    {"ar": "archive", "ex": "extract", "mv": "move", "rm": "delete", "at": "attach", "dt": "detach"},
)


def _report(what: str, submit_dir: Path, warning: str) -> None:
    echo(f"{what} {shown_path(submit_dir)}")
    if warning:
        echo(f"warning: {warning}", err=True)
