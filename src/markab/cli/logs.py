"""`markab logs`."""

from __future__ import annotations

import json

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import POSITIVE, json_option, run_and_name, verbose_option
from markab.cli.completion_values import jobs, runs_or_jobs
from markab.cli.output import echo
from markab.errors import RUN_EXIT_CODES


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_jobs)
@click.argument("job", required=False, metavar="JOB", shell_complete=jobs)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends, across its retries.")
@click.option("--attempt", type=POSITIVE, metavar="N", help="That attempt, in place of the last one.")
@click.option(
    "-n",
    "--tail",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of each stream, begin with its last N lines.",
)
@click.option("--stdout", "stdout", is_flag=True, help="Only what was written to stdout.")
@click.option("--stderr", "stderr", is_flag=True, help="Only what was written to stderr; to stdout.")
@json_option("Print an object for each piece: stream, attempt and text.")
@verbose_option
def logs(
    run: str | None,
    job: str | None,
    follow: bool,
    attempt: int | None,
    tail: int | None,
    stdout: bool,
    stderr: bool,
    as_json: bool,
    verbose: int,
) -> int:
    """Print what a JOB has written to stdout and stderr: while it runs, and of attempts that have ended.

    JOB is a job's name, the id or label of the task that it runs, or its
    transformation, if no other job has that. Inside a submit directory,
    `markab logs JOB` is enough. What went to a file of the workflow is
    printed too.

    With -f, the exit code says how the job ended: 0 if it succeeded, 14 if it
    failed, 15 if the run ended before it.
    """
    streams = [name for name, wanted in (("stdout", stdout), ("stderr", stderr)) if wanted]
    run, job = run_and_name(run, job, "job", "markab logs")
    with operations.open_log(run, job, streams or operations.STREAMS, attempt=attempt, lines=tail) as log:
        for piece in operations.log_texts(log, follow=follow) if as_json else ():
            echo(json.dumps(piece._asdict(), ensure_ascii=False))
        for stream, text in () if as_json else operations.shown_log(log, follow=follow):
            echo(text, nl=False, err=not stream or (stream == "stderr" and streams != ["stderr"]))
        return RUN_EXIT_CODES[log.exit_state] if follow else 0
