"""`pegasus-exitcode`: whether a job succeeded, from its captured output."""

from __future__ import annotations

import json

import click

from markab import operations
from markab.cli.common_options import pegasus_command
from markab.cli.output import echo


@pegasus_command("pegasus-exitcode")
@click.argument("output", metavar="JOB.out")
@click.option(
    "-r", "--return", "exit_code", type=int, metavar="N", help="The exit code that DAGMan reported."
)
@click.option(
    "-R", "--retry", "job_retry", type=int, default=0, metavar="N", help="The retry that DAGMan reported."
)
@click.option("-U", "--update-submit-file", is_flag=True, help="Accepted; has no effect.")
@click.option("-n", "--no-rename", is_flag=True, help="Do not rename JOB.out and JOB.err to JOB.out.NNN.")
@click.option("-N", "--no-metadata", is_flag=True, help="Do not write JOB.meta.")
@click.option("-I", "--no-invocations", is_flag=True, help="Do not look for records of Kickstart.")
@click.option(
    *("-f", "--failure-message", "failure_messages"),
    multiple=True,
    metavar="TEXT",
    help="A text that no job that succeeded prints; + is a blank.",
)
@click.option(
    *("-s", "--success-message", "success_messages"),
    multiple=True,
    metavar="TEXT",
    help="A text that every job that succeeded prints; + is a blank.",
)
@click.option("-l", "--log", metavar="FILE", help="Add the result to FILE instead of printing it.")
@click.option("-M", "--metadata-log", metavar="FILE", help="Add the outputs and their checksums to FILE.")
def pegasus_exitcode(
    output: str,
    exit_code: int | None,
    job_retry: int,
    log: str | None,
    metadata_log: str | None,
    failure_messages: tuple[str, ...],
    success_messages: tuple[str, ...],
    **flags: bool,
) -> int:
    """Check the output of a job that ended; exit with 0 if the job succeeded, else with 1.

    JOB.out and JOB.err are renamed to JOB.out.000, .001, …, so that the next attempt
    does not overwrite them. In this order: DAGMan reported an exit code; there is no
    output; a failure message; a missing success message; the summary of a cluster; the
    records of Kickstart, of which all must have succeeded.
    """
    expected = operations.Expected(
        failure_messages, success_messages, exit_code, needs_records=not flags["no_invocations"]
    )
    checked = operations.check_output(
        output,
        expected,
        is_renamed=not flags["no_rename"],
        with_metadata=not flags["no_metadata"],
        all_metadata=metadata_log,
    )
    problem = checked.verdict.problem
    if log is not None:
        operations.log_check(log, checked, job_retry)
    else:
        if problem:
            echo(problem)
        echo(json.dumps(checked.log_entry(job_retry)))
    return 1 if problem else 0
