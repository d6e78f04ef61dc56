"""`markab halt` and `pegasus-halt`."""

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


@command()
@run_argument
@verbosity
def halt(run: str | None, verbose: int, quiet: int) -> None:
    """Start no more jobs of a run; its running jobs end normally.

    `markab run RUN` continues it.
    """
    _halt(run, quiet)


@pegasus_command("pegasus-halt")
@pegasus_run_argument
@pegasus_dagid_option
@verbose_option
def pegasus_halt(run: str | None, dagid: str | None, verbose: int) -> None:
    """Start no more jobs of a run; its running jobs end normally."""
    check_dagid(run, dagid)
    _halt(run)


def _halt(run: str | None, quiet: int = 0) -> None:
    shown = shown_path(operations.find_run(run))
    text = f"nothing to halt: no engine is running {shown}"
    if operations.halt(run):
        text = (
            f"halting {shown}: its running jobs end, no others start\n"
            f"  watch:    markab status -w 2 {shown}\n  continue: markab run {shown}"
        )
    if not quiet:
        echo(text)
