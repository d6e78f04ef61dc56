"""Arguments and options of several commands, each with one spelling and one meaning.

`markab` commands: RUN, `-J` for JSON, `-v` for more and `-q` for less output.
`pegasus-…` commands have the letters of Pegasus too: `-j` for JSON, `-V` for the version.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from markab import operations
from markab.cli.command import Command, OptionalValue, command
from markab.cli.completion_values import runs
from markab.cli.output import echo

Decorator = Callable[[Any], Any]


def options(*decorators: Decorator) -> Decorator:
    """Return a decorator that adds several options; `--help` lists them in this order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


run_argument = click.argument("run", required=False, metavar="[RUN]", shell_complete=runs)
"""A submit directory; None: the run that the current directory is in."""

pegasus_run_argument = click.argument("run", required=False, metavar="[SUBMIT_DIR]")

verbose_option = click.option(
    "-v", "--verbose", count=True, help="Of an unexpected error, print the traceback."
)
more_option = click.option(
    "-v", "--verbose", count=True, help="Print more; of an unexpected error, the traceback."
)
quiet_option = click.option("-q", "--quiet", count=True, help="Print less; twice: errors only.")
verbosity = options(verbose_option, quiet_option)

pegasus_dagid_option = click.option(
    "-d",
    *("--dagid", "--dag-id"),
    "dagid",
    metavar="ID",
    help="HTCondor's number of a run; runs of Markab have none.",
)

AI = OptionalValue("", "ai", "true", looks_like_value="(?i:true|false|t|f|yes|no|y|n|on|off|1|0)")
"""The value of `--ai` is optional."""


def pegasus_ai_options(instead: str) -> Decorator:
    """Return the options of Pegasus for a report by a language model; `instead` says what is printed in its place."""

    def note(_: click.Context, __: click.Parameter, is_wanted: bool) -> None:
        if is_wanted:
            echo(f"note: no language model is asked; {instead}", err=True)

    return options(
        click.option(
            "--ai",
            type=click.BOOL,
            metavar="[BOOL]",
            expose_value=False,
            callback=note,
            help="Accepted; no language model is asked.",
        ),
        click.option(
            "--plain",
            is_flag=True,
            expose_value=False,
            help="Accepted; the text has no Markdown in any case.",
        ),
    )


POSITIVE = click.IntRange(min=1)

slot_options = options(
    click.option("--cores", type=POSITIVE, help="Cores that jobs on this machine may use together."),
    click.option(
        "--memory",
        metavar="SIZE",
        help="Memory that jobs on this machine may use together, such as 8GB; MB without a unit.",
    ),
    click.option(
        "--gpus", type=click.IntRange(min=0), help="GPUs that jobs on this machine may use together."
    ),
)


def json_option(help: str = "Print an object.") -> Decorator:
    """Return the option that prints the result as JSON."""
    return click.option("-J", "--json", "as_json", is_flag=True, help=help)


def pegasus_json_option(help: str = "Print an object.", *more: str) -> Decorator:
    """Return the option that prints the result as JSON, with the letters of Pegasus."""
    return click.option("-j", "-J", "--json", *more, "as_json", is_flag=True, help=help)


def _print_pegasus_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from markab import PEGASUS_VERSION

        echo(PEGASUS_VERSION)
        context.exit()


pegasus_version_option = click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_pegasus_version,
    help="Print the version of Pegasus with which Markab is compatible.",
)


def pegasus_command(
    name: str, *optional_values: OptionalValue
) -> Callable[[Callable[..., int | None]], Command]:
    """Make a `Command` with a name of Pegasus from a function; `-V` is added to its options."""
    return lambda function: command(*optional_values, name=name)(pegasus_version_option(function))


class PegasusGroup(click.Group):
    """A command with a name of Pegasus that has commands of its own; `aliases` are their short names."""

    aliases: Mapping[str, str] = {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or its short name."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))


def pegasus_group(
    name: str, help: str, commands: Sequence[click.Command], aliases: Mapping[str, str] = {}
) -> PegasusGroup:
    """Make a command with a name of Pegasus that has commands of its own."""
    settings = {"help_option_names": ["-h", "--help"]}
    group = PegasusGroup(name, help=help, commands=commands, context_settings=settings, no_args_is_help=False)
    group.aliases = aliases
    pegasus_version_option(group)
    return group


def check_dagid(run: str | None, dagid: str | None) -> None:
    """Reject HTCondor's number of a run if no submit directory is named.

    Raises:
        click.UsageError: only the number was given.
    """
    if dagid and run is None:
        raise click.UsageError("runs of Markab have no HTCondor number; name the submit directory")


def run_and_job(run: str | None, job: str | None, usage: str) -> tuple[str | None, str | None]:
    """Return run and job of `[RUN] [JOB]`: a single word that is not a run is a job of the surrounding run.

    Raises:
        click.UsageError: the word is both a run and a job of the surrounding run.
    """
    if run is None or job is not None:
        return run, job
    names_run, is_inside = operations.is_run(run), operations.is_run()
    if names_run and is_inside and operations.has_job(None, run):
        raise click.UsageError(
            f"{run!r} is both a job of this run and a run: write `{usage} . {run}` or `{usage} ./{run}`"
        )
    return (run, None) if names_run or not is_inside else (None, run)


def _example(run: str | None, what: str) -> str:
    """Return the arguments with which a command works: of the run, if there is one, and of its first job that failed."""
    if run is None and not operations.is_run():
        return f"RUN {what.upper()}"
    name = what.upper()
    if what == "job" and (jobs := operations.list_jobs(run)):
        ranks = {"failed": 0, "succeeded": 2}
        name = shlex.quote(min(jobs, key=lambda job: ranks.get(job["state"], 1))["job"])
    return name if run is None else f"{shlex.quote(run)} {name}"


def run_and_name(run: str | None, name: str | None, what: str, usage: str) -> tuple[str | None, str]:
    """Return run and name of `[RUN] NAME`: a single word is a name in the surrounding run.

    Raises:
        click.UsageError: only a run is named, or nothing.
        NotARun: only a name is given, and the current directory is not in a run.
    """
    if name is not None:
        return run, name
    if run is None or operations.is_run(run):
        raise click.UsageError(f"name a {what}: {usage} {_example(run, what)}")
    operations.find_run()
    return None, run
