"""`markab status` and `pegasus-status`."""

from __future__ import annotations

import sys
from itertools import repeat
from typing import Any

import click

from markab import operations
from markab.cli.command import OptionalValue, command
from markab.cli.common_options import (
    json_option,
    options,
    pegasus_command,
    pegasus_json_option,
    pegasus_run_argument,
    run_argument,
    verbose_option,
)
from markab.cli.output import clear_screen, echo, echo_json, is_terminal
from markab.cli.run_output import undelivered_lines

WATCH_S = 60
WATCH = OptionalValue("w", "watch", str(WATCH_S), looks_like_value=r"\d+(\.\d+)?")
"""A number after `-w` is the period."""

FLAGS = options(
    click.option("-l", "--long", "long", is_flag=True, help="Also state and name, and why jobs wait."),
    click.option("--why", is_flag=True, help="Also why jobs wait, as -l."),
    click.option(
        "-w", "--watch", type=click.FloatRange(min=0.1), metavar="[SEC]", help="Show it again every SEC (60)."
    ),
    click.option("-L", "--legend", is_flag=True, help="Explain the columns."),
    click.option("-Q", "--noqueue", is_flag=True, help="Leave out the jobs under way."),
    click.option("-D", "--dirs", is_flag=True, help="Show the submit directory in place of the name."),
    verbose_option,
)


@command(WATCH)
@run_argument
@FLAGS
@json_option()
def status(run: str | None, **flags: Any) -> None:
    """Show the progress of a run, by default of the one that the current directory is in."""
    _show(run, flags)


@pegasus_command("pegasus-status", WATCH)
@pegasus_run_argument
@FLAGS
@pegasus_json_option("Print an object.", "--jsonrv")
@click.option("-d", "--debug", is_flag=True, help="The same as -v.")
def pegasus_status(run: str | None, **flags: Any) -> None:
    """Show the progress of the run in SUBMIT_DIR, the current directory by default."""
    _show(run, flags)


def _show(run: str | None, flags: dict[str, Any]) -> None:
    """Print the status; with a period, repeatedly until the run has ended, redrawn in place on a terminal."""
    why = flags["why"] or flags["long"]
    if not flags["watch"]:
        _print(operations.read_status(run, why=why, check_results=True), flags)
        return
    is_drawn_over = is_terminal(sys.stdout) and not flags["as_json"]

    def show(seen: operations.Status) -> None:
        if is_drawn_over:
            clear_screen()
        _print(seen, flags)

    operations.wait(run, show, pauses=repeat(flags["watch"]), why=why)


def _print(seen: operations.Status, flags: dict[str, Any]) -> None:
    queue = not flags["noqueue"]
    undelivered = operations.read_undelivered(seen)
    if flags["as_json"]:
        lacking = {"undelivered": [one._asdict() for one in undelivered]} if undelivered else {}
        echo_json(seen.to_json(queue=queue) | lacking)
    else:
        shown = seen.text(long=flags["long"], queue=queue, legend=flags["legend"], directories=flags["dirs"])
        echo(shown, nl=False)
        for line in undelivered_lines(undelivered, seen.submit_dir):
            echo(line)
