"""`markab remove` and `pegasus-remove`."""

from __future__ import annotations

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    check_dagid,
    json_option,
    pegasus_command,
    pegasus_dagid_option,
    pegasus_run_argument,
    run_argument,
    verbose_option,
    verbosity,
)
from markab.cli.output import echo, echo_json
from markab.formatting import shown_path

CONTINUED = "\n  its files are kept; `markab run {run}` continues it"
TEXTS = {
    "removed": "removed {run}" + CONTINUED,
    "removing": "removing {run}; not all of its jobs have ended yet" + CONTINUED,
    "marked": "removed {run}: no engine was running it, and it is marked as removed",
    "not started": "nothing to remove: {run} was never started; `markab clean {run}` deletes its directory",
    "succeeded": "nothing to remove: {run} has succeeded, and its files are kept",
}
"""Progress of the removal → text."""


@command()
@run_argument
@json_option()
@verbosity
def remove(run: str | None, as_json: bool, verbose: int, quiet: int) -> None:
    """End a run and its running jobs now.

    Results are kept, no file is deleted, and `markab run RUN` continues it.
    """
    _remove(run, quiet, as_json=as_json)


@pegasus_command("pegasus-remove")
@pegasus_run_argument
@pegasus_dagid_option
@verbose_option
def pegasus_remove(run: str | None, dagid: str | None, verbose: int) -> None:
    """End a run and its running jobs now."""
    check_dagid(run, dagid)
    _remove(run)


def _remove(run: str | None, quiet: int = 0, *, as_json: bool = False) -> None:
    submit_dir = operations.find_run(run)
    progress = operations.remove(run)
    if as_json:
        echo_json({"submit_dir": str(submit_dir), "progress": progress})
    elif not quiet:
        echo(TEXTS[progress].replace("{run}", shown_path(submit_dir)))
