"""`markab why`."""

from __future__ import annotations

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, run_and_name, verbose_option
from markab.cli.completion_values import jobs, runs_or_jobs
from markab.cli.output import echo, echo_json


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_jobs)
@click.argument("job", required=False, metavar="JOB", shell_complete=jobs)
@json_option()
@verbose_option
def why(run: str | None, job: str | None, as_json: bool, verbose: int) -> None:
    """Explain one JOB: why it is in the plan, what it waited for, each attempt, why it ran or did not.

    JOB is a job's name, or the id of the task that it runs. Inside a submit
    directory, `markab why JOB` is enough.
    """
    story = operations.why(*run_and_name(run, job, "job", "markab why"))
    if as_json:
        echo_json(story.to_json())
    else:
        echo(story.text(), nl=False)
