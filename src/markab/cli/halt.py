"""`markab halt` and `pegasus-halt`."""

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


@command()
@run_argument
@json_option()
@verbosity
def halt(run: str | None, as_json: bool, verbose: int, quiet: int) -> None:
    """Start no more jobs of a run; its running jobs end normally.

    `markab run RUN` continues it.
    """
    _halt(run, quiet, as_json=as_json)


@pegasus_command("pegasus-halt")
@pegasus_run_argument
@pegasus_dagid_option
@verbose_option
def pegasus_halt(run: str | None, dagid: str | None, verbose: int) -> None:
    """Start no more jobs of a run; its running jobs end normally."""
    check_dagid(run, dagid)
    _halt(run)


def _halt(run: str | None, quiet: int = 0, *, as_json: bool = False) -> None:
    submit_dir = operations.find_run(run)
    is_halting = operations.halt(run)
    if as_json:
        echo_json({"submit_dir": str(submit_dir), "halting": is_halting})
        return
    shown = shown_path(submit_dir)
    text = f"nothing to halt: no engine is running {shown}"
    if is_halting:
        text = (
            f"halting {shown}: its running jobs end, no others start\n"
            f"  watch:    markab status -w 2 {shown}\n  continue: markab run {shown}"
        )
    if not quiet:
        echo(text)
