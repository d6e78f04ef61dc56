"""`markab remove` and `pegasus-remove`."""

from __future__ import annotations

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    check_dagid,
    pegasus_command,
    pegasus_dagid_option,
    pegasus_run_argument,
    run_argument,
    verbose_option,
    verbosity,
)
from markab.cli.output import echo
from markab.formatting import shown_path

CONTINUED = "\n  its files are kept; `markab run {run}` continues it"
TEXTS = {
    "removed": "removed {run}" + CONTINUED,
    "removing": "removing {run}; not all of its jobs have ended yet" + CONTINUED,
    "marked": "removed {run}: no engine was running it, and it is marked as removed",
    "succeeded": "nothing to remove: {run} has succeeded, and its files are kept",
}
"""Progress of the removal → text."""


@command()
@run_argument
@verbosity
def remove(run: str | None, verbose: int, quiet: int) -> None:
    """End a run and its running jobs now.

    Results are kept, no file is deleted, and `markab run RUN` continues it.
    """
    _remove(run, quiet)


@pegasus_command("pegasus-remove")
@pegasus_run_argument
@pegasus_dagid_option
@verbose_option
def pegasus_remove(run: str | None, dagid: str | None, verbose: int) -> None:
    """End a run and its running jobs now."""
    check_dagid(run, dagid)
    _remove(run)


def _remove(run: str | None, quiet: int = 0) -> None:
    shown = shown_path(operations.find_run(run))
    text = TEXTS[operations.remove(run)].replace("{run}", shown)
    if not quiet:
        echo(text)
