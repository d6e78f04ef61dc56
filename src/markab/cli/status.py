"""`markab status` and `pegasus-status`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from markab.cli.command import Lone, command

if TYPE_CHECKING:
    from markab.reports.status import Status

WATCH_S = 60
WATCH = Lone("w", "watch", str(WATCH_S), looks_like_value=r"\d+(\.\d+)?")
"""`-w` may stand alone; a number after it is the period."""

FLAGS = (
    click.option("-l", "--long", "long", is_flag=True, help="Also state and name, and why jobs wait."),
    click.option("--why", is_flag=True, help="Also why jobs wait; -l says that too."),
    click.option(
        "-w", "--watch", type=click.FloatRange(min=0.1), metavar="[SEC]", help="Show it again every SEC (60)."
    ),
    click.option("-L", "--legend", is_flag=True, help="Explain the columns."),
    click.option("-Q", "--noqueue", is_flag=True, help="Leave out the jobs under way."),
    click.option("-D", "--dirs", is_flag=True, help="Show the submit directory in place of the name."),
    click.option("-j", "-J", "--json", "--jsonrv", "as_json", is_flag=True, help="Print an object."),
    click.option("-d", "--debug", is_flag=True, help="Say more, when something goes wrong."),
    click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong."),
)


def _flags(function: Any) -> Any:
    for flag in reversed(FLAGS):
        function = flag(function)
    return function


@command(WATCH)
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@_flags
def status(submit_dir: str, **flags: Any) -> int:
    """Say how far the run in SUBMIT_DIR is; the current directory by default."""
    return _show(submit_dir, flags)


@command(WATCH, name="pegasus-status")
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@_flags
@click.option("-V", "--version", is_flag=True, help="Print the version of Pegasus that Markab speaks.")
def pegasus_status(submit_dir: str, version: bool, **flags: Any) -> int:
    """Say how far the run in SUBMIT_DIR is; the current directory by default."""
    if version:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        return 0
    return _show(submit_dir, flags)


def _show(submit_dir: str, flags: dict[str, Any]) -> int:
    from markab.journal.run_reader import RunReader
    from markab.reports.status import current_status, quick_status

    run = RunReader(submit_dir or None)
    why = flags["why"] or flags["long"]
    if flags["watch"]:
        watch(lambda: current_status(run, why), flags, flags["watch"])
    else:
        click.echo(_text(current_status(run, why) if why else quick_status(run), flags), nl=False)
    return 0


def watch(
    read: Callable[[], Status],
    flags: dict[str, Any],
    period_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the status again and again until the run is over; on a terminal over itself."""
    import sys

    from markab.cli.plan_output import is_terminal

    over = is_terminal(sys.stdout) and not flags["as_json"]
    while True:
        now = read()
        if over:
            click.echo("\033[H\033[2J", nl=False)
        click.echo(_text(now, flags), nl=False)
        if now.is_over:
            return
        sleep(period_s)


def _text(shown: Status, flags: dict[str, Any]) -> str:
    if flags["as_json"]:
        import json

        return json.dumps(shown.to_json(queue=not flags["noqueue"]), indent=2) + "\n"
    return shown.text(
        long=flags["long"], queue=not flags["noqueue"], legend=flags["legend"], directories=flags["dirs"]
    )
