"""`markab`: the table of its commands. Each is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from markab.cli.command import launch

COMMANDS = {
    "plan": "Make a plan of a workflow document.",
    "run": "Run a planned workflow, or continue one; watch it.",
    "status": "Show how far a run is.",
    "list": "List your runs and how far each is.",
    "analyze": "Show what failed in a run, and why.",
    "statistics": "Show what a run took: times, bytes, checks, parallelism.",
    "why": "Explain one job: why it ran, waits, failed or was skipped.",
    "trace": "Show how one file was made.",
    "show": "Show everything known of a run's jobs, or of one job.",
    "graph": "Draw a workflow, or a run with its states.",
    "metadata": "Show what is known of a workflow, a task or a file.",
    "replica": "Query and change a replica catalog: where files are.",
    "report": "Make one web page of a run that needs no network.",
    "export": "Write a run in a format that others read: PROV, RO-Crate, WfFormat, CSV, …",
    "halt": "Let running jobs end, and start no others.",
    "remove": "End a run now, and its running jobs with it.",
    "version": "Print Markab's version.",
    "config": "Print where the parts of Markab are installed.",
    "completion": "Print what a shell needs to complete commands.",
    "keg": "Stand in for a real program: copy files, burn time and memory.",
}
"""Every command and what `markab --help` says of it; `cli/<name>.py` has it."""


class Commands(click.Group):
    """A group that knows its commands by name, and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"markab.cli.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing any of it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, or say which one was meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean `markab {close[0]}`?" if close else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from markab import __version__

        click.echo(f"markab {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and exit.",
)
def markab() -> None:
    """Plan and run scientific workflows.

    Start with `markab run workflow.yml`; it does `markab plan` and `markab run` in one.
    """


def main() -> NoReturn:
    """Be the program `markab`."""
    _complete_and_exit_if_asked()
    launch(markab, "markab")


def _complete_and_exit_if_asked() -> None:
    """Answer a shell that completes a line: it calls us with a variable that click knows."""
    import os

    if os.environ.get("_MARKAB_COMPLETE"):
        markab.main(prog_name="markab")  # exits
        sys.exit(0)
