"""`markab run` and `pegasus-run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli import plan_output, run_output
from markab.cli.command import command
from markab.cli.common_options import (
    POSITIVE,
    json_option,
    pegasus_command,
    pegasus_json_option,
    pegasus_run_argument,
    slot_options,
    verbosity,
)
from markab.cli.errors import warning_text
from markab.cli.output import echo, echo_json
from markab.cli.planner_flags import RANDOM_DIR, given, plan_flags
from markab.cli.script_flags import script_flags, script_flags_given, words_argument, workflow_options
from markab.formatting import shown_path

NAME_ONE = (
    "name a submit directory, such as …/run0001, or a workflow document or script, such as workflow.yml"
)
NAME_DOCUMENT = "name the workflow document, after the flags"


@command(RANDOM_DIR)
@click.argument("what", default="", metavar="[RUN | WORKFLOW | SCRIPT]")
@words_argument
@script_flags
@click.option(
    "--detach", is_flag=True, help="Run in the background; return when every job has been accepted."
)
@slot_options
@click.option("--max-jobs", type=POSITIVE, help="Number of jobs that may run at once.")
@click.option(
    "--max-scratch",
    metavar="SIZE",
    help="Bytes that the run may fill in each scratch directory, instead of the bound in its plan, such as 20GB.",
)
@click.option(
    "--keep-failed",
    is_flag=True,
    help="Keep the directory of the last failed attempt of each job, until the job is tried again.",
)
@click.option(
    "--restore",
    is_flag=True,
    help="Make results again that were removed, or have another size, since they were delivered.",
)
@click.option(
    "--refresh",
    is_flag=True,
    help="Take inputs, scripts and programs anew that were edited since the run took them, "
    "and run again all jobs that depend on them.",
)
@click.option(
    "--fail-fast/--keep-going",
    default=None,
    help="After a job failed for good, start no others; or continue with all that can (default).",
)
@click.option("--report-start", type=int, hidden=True, help="For --detach: the pipe to the caller.")
@json_option("Print the result of the run as an object.")
@plan_flags
@verbosity
def run(
    what: str,
    detach: bool,
    keep_failed: bool,
    restore: bool,
    refresh: bool,
    fail_fast: bool | None,
    report_start: int | None,
    as_json: bool,
    verbose: int,
    quiet: int,
    **flags: Any,
) -> int:
    """Run a planned workflow, or continue one, and show its progress.

    RUN is a submit directory: jobs that have not succeeded yet are run. A WORKFLOW
    document is planned first, with the flags of `markab plan`, unless results are reused by content and all of
    them are up to date. So is the workflow that a SCRIPT, a file
    *.py, builds: it is run for that, with the parameters of --set and --set-file and with WORDs as its own
    command line. Without any of them, it is the current directory if that is a submit directory, else
    ./workflow.yml, else the run that the current directory is in.

    Ctrl-C ends the running jobs; `markab run RUN` continues the run later. (The same command with a
    WORKFLOW or SCRIPT would plan it again.)
    """
    limits = _limits(flags)
    document = _document(what)
    if document is not None:
        if refresh or restore:
            flag = "--refresh" if refresh else "--restore"
            raise click.UsageError(
                f"{flag} is for a run: name its submit directory; {what or document} is planned anew"
            )
        options = workflow_options(document, flags)
        if (answer := operations.find_answer(options)) is not None:
            run_output.print_answer(answer, as_json=as_json, quiet=quiet)
            return 0
        planned = plan_output.make_plan(options, quiet=quiet, then="start" if detach else "run")
        assert planned.submit_dir is not None
        submit_dir = planned.submit_dir
        if not quiet and not as_json:
            echo(plan_output.plan_text(planned.workflow, planned.summary))
            echo(f"  planned into {shown_path(submit_dir)}")
    else:
        submit_dir = _submit_dir(what, [*script_flags_given(flags), *given(flags)])
        _warn_of_edited_files(submit_dir, quiet, refresh)
    if not detach:
        return run_output.run_here(
            submit_dir,
            limits,
            keep_failed=keep_failed,
            restore=restore,
            refresh=refresh,
            fail_fast=fail_fast,
            as_json=as_json,
            quiet=quiet,
            report_start=report_start,
        )
    started = operations.start(submit_dir, limits, keep_failed, restore, refresh, fail_fast)
    if as_json:
        echo_json({"submit_dir": str(submit_dir), "pid": started.pid, "complete": started.is_complete})
    elif started.is_complete and not quiet:
        echo(f"nothing to run: {run_output.end_text(operations.read_result(submit_dir), 'success')}")
    elif not quiet:
        shown = shown_path(submit_dir)
        echo(f"running in the background as process {started.pid}\n  watch: markab status {shown}")
        echo(f"  stop:  markab halt {shown}, or markab remove {shown}")
    return 0


@pegasus_command("pegasus-run")
@pegasus_run_argument
@click.option(
    "-D", "properties", multiple=True, metavar="KEY=VALUE", help="Accepted; the plan has the properties."
)
@click.option("-c", "--conf", metavar="FILE", help="Accepted; the plan has the properties.")
@click.option("-d", "--debug", metavar="LEVEL", help="Accepted.")
@click.option("--grid/--nogrid", help="Accepted; has no effect.")
@pegasus_json_option("Print the braindump of the run as an object.")
@verbosity
def pegasus_run(run: str | None, as_json: bool, quiet: int, **_: object) -> None:
    """Start a planned workflow in the background, or continue one."""
    from markab.cli.pegasus_hints import started_text

    submit_dir = operations.find_run(run)
    _warn_of_edited_files(submit_dir, quiet)
    started = operations.start(submit_dir)
    if as_json:
        echo_json(operations.read_braindump(submit_dir))
    elif started.is_complete and not quiet:
        echo(f"nothing to run: {run_output.end_text(operations.read_result(submit_dir), 'success')}")
    elif not quiet:
        echo(started_text(submit_dir))


def _warn_of_edited_files(submit_dir: Path, quiet: int, refresh: bool = False) -> None:
    """Say which files the run will not use as they are now; with `refresh`, which cannot be taken anew."""
    if quiet < 2:
        for problem in operations.edited_files(submit_dir, only_documents=refresh):
            echo(warning_text(problem), err=True)


def _document(what: str) -> str | None:
    """Return the named workflow document, or None if a run is named."""
    if not what:
        is_document = Path("workflow.yml").exists() and not operations.is_run(".")
        return "workflow.yml" if is_document else None
    return what if Path(what).is_file() and not operations.is_run(what) else None


def _submit_dir(what: str, plan_flags: Sequence[str]) -> Path:
    """Return the submit directory that is named, or the current one; planning flags need a document instead."""
    from markab.errors import NotARun

    if what and not Path(what).exists():
        raise NotARun(f"there is no {what!r}", hint=NAME_ONE)
    try:
        submit_dir = operations.find_run(what or None)
    except NotARun as error:
        if plan_flags and not what:
            raise NotARun("there is no 'workflow.yml' here to be planned", hint=NAME_DOCUMENT) from error
        raise NotARun(str(error), hint=error.hint if what else NAME_ONE) from error
    if plan_flags:
        raise click.UsageError(
            f"{', '.join(plan_flags)}: {shown_path(submit_dir)} is planned already; "
            "leave out the flags of planning, or name the workflow document to plan it again"
        )
    return submit_dir


def _limits(flags: dict[str, Any]) -> operations.Limits:
    return operations.Limits(
        cores=flags["cores"],
        memory_mb=_parsed_memory_mb(flags["memory"]),
        gpus=flags["gpus"],
        max_jobs=flags["max_jobs"],
        max_scratch_bytes=_parsed_bytes(flags["max_scratch"]),
    )


def _parsed_bytes(text: str | None) -> int | None:
    from markab.spec.units import amount_bytes

    try:
        return None if text is None else amount_bytes(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a size; write a number of bytes, or 20GB", param_hint="--max-scratch"
        ) from None


def _parsed_memory_mb(text: str | None) -> int | None:
    from markab.spec.units import amount_mb

    try:
        return None if text is None else amount_mb(text, "MB")
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a size; write it as 8GB or 500 MB", param_hint="--memory"
        ) from None
