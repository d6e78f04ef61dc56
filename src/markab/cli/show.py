"""`markab show`."""

from __future__ import annotations

import click

from markab.cli.command import command


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.argument("job", default="", metavar="[JOB]")
@click.option("-s", "--state", metavar="STATE[,…]", help="List only jobs in these states, such as failed.")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print an object, or a list of them.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def show(submit_dir: str, job: str, state: str | None, as_json: bool, verbose: int) -> None:
    """List the jobs of a run with their states, or tell everything known of one JOB.

    JOB is a job's name, or the id of the task that it runs. In a submit directory
    `markab show . JOB` will do.
    """
    from markab.cli.plan_output import echo_json
    from markab.plan.submit_dir import find_submit_dir
    from markab.reports.job_report import read_job, read_jobs

    place = find_submit_dir(submit_dir or None)
    if job:
        story = read_job(place.path, job)
        if as_json:
            echo_json(story.to_json())
        else:
            click.echo(story.text(place.path), nl=False)
        return
    jobs = read_jobs(place.path)
    if state:
        wanted = {word.strip().lower() for word in state.split(",")}
        jobs = [one for one in jobs if one["state"] in wanted]
    if as_json:
        echo_json(jobs)
        return
    width = max((len(one["state"]) for one in jobs), default=0)
    for one in jobs:
        again = f"  ({one['attempts']} attempts)" if one["attempts"] > 1 else ""
        click.echo(f"{one['state']:<{width}}  {one['job']}{again}")
