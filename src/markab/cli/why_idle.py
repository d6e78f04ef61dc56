"""`markab why-idle`."""

from __future__ import annotations

import click

from markab.cli.command import command
from markab.cli.common_options import json_option, run_and_job, verbose_option
from markab.cli.completion_values import jobs, runs_or_jobs
from markab.cli.output import echo, echo_json


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_jobs)
@click.argument("job", required=False, metavar="[JOB]", shell_complete=jobs)
@json_option()
@verbose_option
def why_idle(run: str | None, job: str | None, as_json: bool, verbose: int) -> None:
    """Show what the jobs that wait are waiting for, or one JOB, and how much each lacks.

    Jobs that wait for the same are one entry: for parents, a slot, a limit, a pause, the
    site, or an engine. `markab why` has the history of one job.
    """
    from markab.insight.idle_jobs import why_idle as read_why_idle

    found = read_why_idle(*run_and_job(run, job, "markab why-idle"))
    if as_json:
        echo_json(found.to_json())
    else:
        echo(found.text(), nl=False)
