"""`markab`: the table of its commands. Each is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from markab.cli.command import launch
from markab.cli.output import echo

COMMANDS = {
    "init": "Start a project from a template that runs as it is.",
    "import": "Import a CWL workflow, a script, a Makefile or a Snakefile as a project.",
    "plan": "Plan a workflow document.",
    "run": "Run a planned workflow, or continue one; watch it.",
    "rerun": "Run a past run again from its own record, and compare the results.",
    "lint": "Check a workflow, its catalogs and its programs; runs nothing.",
    "status": "Show the progress of a run.",
    "runs": "List your runs: states, progress, directories.",
    "analyze": "Show which jobs of a run failed, and why.",
    "explain": "Explain why a run failed: causes with evidence, and what to do next.",
    "statistics": "Show the statistics of a run: times, bytes, checks, parallelism.",
    "why": "Explain one job: why it ran, waits, failed or was skipped.",
    "why-idle": "Show what jobs that wait are waiting for, and how much they lack.",
    "logs": "Print what a job has written, and follow one that runs.",
    "trace": "Show how one file was made.",
    "show": "List the jobs of a run, or show everything recorded about one.",
    "graph": "Draw a workflow, or a run with its states.",
    "metadata": "Show the metadata of a workflow, a task or a file.",
    "replica": "Query and change a replica catalog.",
    "sites": "List the sites of the catalog, show one, or test one with jobs.",
    "convert": "Convert a catalog into another form: YAML, XML, text, SQLite.",
    "cache": "List, measure, prune and verify what is kept for reuse by content.",
    "report": "Make one web page of a run that needs no network.",
    "export": "Write a run in a format of other tools: PROV, RO-Crate, WfFormat, CSV, …",
    "halt": "Start no more jobs; running jobs end normally.",
    "remove": "End a run and its running jobs now.",
    "clean": "Delete old runs with their scratch; shows first what would go.",
    "notify": "Send a mail, a web request or a desktop notice about an event: for hooks.",
    "version": "Print Markab's version.",
    "config": "Print the directories in which Markab is installed.",
    "completion": "Print the script with which a shell completes commands.",
    "keg": "Simulate a program of a job: copy files, use time and memory.",
}
"""Command → its line in `markab --help`; the command is in `cli/<name>.py`."""

FUNCTION_NAMES = {"import": "import_workflow", "why-idle": "why_idle"}
"""Command → file and function, where the name is a word of Python."""


class Commands(click.Group):
    """A group that knows its commands by name, and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        name = FUNCTION_NAMES.get(cmd_name, cmd_name)
        found: click.Command = getattr(import_module(f"markab.cli.{name}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing any of it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; the error has a similar name."""
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

        echo(f"markab {__version__}")
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

    Start with `markab run workflow.yml`, which is `markab plan` and `markab run` in one.
    """


def main() -> NoReturn:
    """Run the program `markab`."""
    _complete_if_requested()
    launch(markab, "markab")


def _complete_if_requested() -> None:
    """Complete a line for a shell, which sets a variable of click, and exit."""
    import os

    if requested := os.environ.get("_MARKAB_COMPLETE"):
        from markab.cli.completion import complete

        complete(markab, "markab", "_MARKAB_COMPLETE", requested)
        sys.exit(0)
