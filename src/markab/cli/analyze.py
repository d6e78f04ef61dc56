"""`markab analyze` and `pegasus-analyzer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import (
    AI,
    json_option,
    more_option,
    options,
    pegasus_ai_options,
    pegasus_command,
    pegasus_json_option,
    pegasus_run_argument,
    quiet_option,
    run_argument,
)
from markab.cli.completion_values import jobs
from markab.cli.output import echo, echo_json
from markab.errors import RunFailed

DEBUG_FLAGS = options(
    click.option(
        "--debug-job",
        metavar="JOB",
        help="Make a directory and a script that runs JOB again by hand.",
        shell_complete=jobs,
    ),
    click.option(
        "--debug-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where; default: debug-JOB."
    ),
    click.option(
        "--local-executable", metavar="PATH", help="With --debug-job: run this in place of the program."
    ),
)


@command()
@run_argument
@more_option
@quiet_option
@click.option("-S", "--summary", is_flag=True, help="Only the number of jobs in each state.")
@json_option()
@DEBUG_FLAGS
def analyze(run: str | None, verbose: int, quiet: int, summary: bool, as_json: bool, **debug: Any) -> int:
    """Show which jobs of a run failed and why, equal failures together; causes that block most jobs come first.

    With -v every cause, every job and all of its output; with -q one line a cause.
    Exits with 0 only if the run has no failure.
    """
    if debug["debug_job"]:
        return _debug(run, debug)
    if debug["debug_dir"] or debug["local_executable"]:
        raise click.UsageError("--debug-dir and --local-executable are for --debug-job JOB only")
    return _analyze(run, as_json, lambda found: found.text(verbose=verbose, quiet=quiet, summary=summary))


PRINT_OPTIONS = ("pre", "invocation", "all")


def _print_options(_: click.Context, parameter: click.Parameter, value: str | None) -> frozenset[str]:
    words = frozenset(word for word in (value or "").lower().split(",") if word)
    if unknown := sorted(words.difference(PRINT_OPTIONS)):
        raise click.BadParameter(
            f"{unknown[0]!r} cannot be printed; use {', '.join(PRINT_OPTIONS)}", param=parameter
        )
    return words


PEGASUS_FLAGS = options(
    click.option("-v", "--verbose", count=True, help="Every job and all of its output."),
    click.option(
        "-d", "-i", "--dir", "--input-dir", "input_dir", metavar="DIR", help="The submit directory."
    ),
    click.option("-q", "--quiet", count=True, help="Leave out the output of the jobs."),
    click.option("-S", "--summary", is_flag=True, help="Only the counts."),
    pegasus_json_option(),
    click.option("--dag", metavar="FILE", help="Accepted; its directory is the submit directory."),
    click.option("-f", "--files", is_flag=True, help="Accepted; the journal is always read."),
    click.option("-m", "-t", "--monitord", is_flag=True, help="Accepted; has no effect."),
    click.option("-o", "--output-dir", metavar="DIR", help="Accepted, as --monitord."),
    click.option("--top-dir", metavar="DIR", help="Accepted; has no effect."),
    click.option("-c", "--conf", metavar="FILE", help="Accepted."),
    click.option("-s", "--strict", is_flag=True, help="Accepted."),
    click.option("-r", "--recurse", is_flag=True, help="Accepted; sub-workflows are always shown."),
    click.option("-T", "--traverse-all", is_flag=True, help="Accepted, as --recurse."),
    click.option("-I", "--indent", type=int, default=0, metavar="N", help="Indent by N tabs."),
    click.option(
        "-p",
        "--print",
        "print_options",
        callback=_print_options,
        metavar="WHAT",
        help="invocation or all: also the command lines, for a shell; pre: accepted; separate several by commas.",
    ),
    click.option("--type", "kind", metavar="TYPE", help="With --debug-job: accepted."),
    pegasus_ai_options("the causes and remedies are those that Markab knows"),
)


@pegasus_command("pegasus-analyzer", AI)
@pegasus_run_argument
@PEGASUS_FLAGS
@DEBUG_FLAGS
def pegasus_analyzer(run: str | None, **flags: Any) -> int:
    """Show what failed in the run in SUBMIT_DIR: counts, then a block for each failed job.

    Exits with 0 if the run has no failure, with 2 if it has one.
    """
    run = run or flags["input_dir"] or (str(Path(flags["dag"]).parent) if flags["dag"] else None)
    if flags["debug_job"]:
        return _debug(run, flags)
    tabs = "\t" * flags["indent"]

    def text(found: operations.FailureReport) -> str:
        lines = found.pegasus_text(
            summary=flags["summary"],
            quiet=flags["quiet"],
            verbose=flags["verbose"],
            commands=not flags["print_options"].isdisjoint(("invocation", "all")),
        )
        return "".join(f"{tabs}{line}" for line in lines.splitlines(keepends=True))

    return 2 if _analyze(run, flags["as_json"], text) else 0


def _analyze(run: str | None, as_json: bool, text: Callable[[operations.FailureReport], str]) -> int:
    with operations.analyze(run) as found:
        if as_json:
            echo_json(found.to_json())
        else:
            echo(text(found), nl=False)
        return RunFailed.exit_code if found.has_failure else 0


def _debug(run: str | None, flags: dict[str, Any]) -> int:
    made = operations.make_debug_directory(
        run, flags["debug_job"], flags["debug_dir"], flags["local_executable"]
    )
    echo(made.text(), nl=False)
    return 0
