"""`markab show`."""

from __future__ import annotations

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, run_and_job, verbose_option
from markab.cli.completion_values import job_states, jobs, runs_or_jobs
from markab.cli.output import echo, echo_json
from markab.formatting import parameters_text, titled


def _states(_: click.Context, parameter: click.Parameter, typed: str | None) -> frozenset[str] | None:
    """Return the states that an option names."""
    if typed is None:
        return None
    known = operations.job_states()
    named = frozenset(word.strip().lower() for word in typed.split(",") if word.strip())
    if wrong := sorted(named.difference(known)) or ([typed] if not named else []):
        message = f"there is no state {wrong[0]!r}; the states are: {', '.join(known)}"
        raise click.BadParameter(message, param=parameter)
    return named


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_jobs)
@click.argument("job", required=False, metavar="[JOB]", shell_complete=jobs)
@click.option(
    "-s",
    "--state",
    metavar="STATE[,…]",
    callback=_states,
    help="List only jobs in these states, such as failed.",
    shell_complete=job_states,
)
@json_option("Print an object, or a list of them.")
@verbose_option
def show(run: str | None, job: str | None, state: frozenset[str] | None, as_json: bool, verbose: int) -> None:
    """List the jobs of a run with their states, or show everything recorded about one JOB.

    JOB is a job's name, or the id of the task that it runs. Inside a submit
    directory, `markab show JOB` is enough.
    """
    run, job = run_and_job(run, job, "markab show")
    if job is None:
        _list(run, state or frozenset(), as_json)
        return
    if state:
        raise click.UsageError("--state is for the list of jobs; leave it out, or the JOB")
    story = operations.show_job(run, job)
    if as_json:
        echo_json(story.to_json())
    else:
        echo(story.text(), nl=False)


def _list(run: str | None, states: frozenset[str], as_json: bool) -> None:
    jobs = operations.list_jobs(run, states)
    if as_json:
        echo_json(jobs)
        return
    width = max((len(one["state"]) for one in jobs), default=0)
    for one in jobs:
        again = f"  ({one['attempts']} attempts)" if one["attempts"] > 1 else ""
        echo(f"{one['state']:<{width}}  {titled(one['job'], one['label'])}{again}")
    if not states and (parameters := operations.parameters_of_run(run)):
        echo(f"parameters of the workflow: {parameters_text(parameters)}")
