"""`markab why`."""

from __future__ import annotations

import click

from markab.cli.command import command


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.argument("job", default="", metavar="JOB")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print an object.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def why(submit_dir: str, job: str, as_json: bool, verbose: int) -> None:
    """Tell the story of one JOB: who made it, what it waited for, each attempt, why it ran or did not.

    JOB is a job's name, or the id of the task that it runs. In a submit directory
    `markab why JOB` will do.
    """
    from markab.cli.plan_output import echo_json
    from markab.reports.why import read_why

    if not job:
        if not submit_dir:
            raise click.UsageError("name a job: markab why SUBMIT_DIR JOB")
        submit_dir, job = "", submit_dir
    story = read_why(submit_dir or None, job)
    if as_json:
        echo_json(story.to_json())
    else:
        click.echo(story.text(), nl=False)
