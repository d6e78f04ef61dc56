"""`markab plan` and `pegasus-plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from markab.cli.command import command
from markab.cli.planner_flags import RANDOM_DIR, plan_flags, plan_options
from markab.cli.verbosity import set_verbosity, verbosity

if TYPE_CHECKING:
    from markab.planner.planning import Planned


@command(RANDOM_DIR)
@click.argument("workflow", default="workflow.yml", metavar="[WORKFLOW]")
@plan_flags
@click.option("-S", "--submit", is_flag=True, help="Run it too, and stay to watch.")
@click.option("--dry-run", is_flag=True, help="Say what would be planned; write nothing.")
@click.option("--explain", is_flag=True, help="Say of every job why it is there, or not.")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print the braindump of the run as an object.")
@verbosity
def plan(workflow: str, submit: bool, **flags: Any) -> int:
    """Make an executable workflow out of WORKFLOW, ./workflow.yml by default.

    It is written to a new submit directory. Every mistake that is found in the
    workflow and the catalogs is reported, not only the first.
    """
    if submit and flags["dry_run"]:
        raise click.UsageError("--dry-run writes no plan that --submit could run")
    planned = _plan(workflow, flags)
    if submit and planned.submit_dir is not None:
        from markab.cli.run_output import run_here

        return run_here(planned.submit_dir, as_json=flags["as_json"], quiet=flags["quiet"])
    _tell(planned, flags)
    if planned.submit_dir is not None and not flags["as_json"] and not flags["quiet"]:
        from markab.cli.plan_output import shown_path

        click.echo(f"\nrun it:   markab run {shown_path(planned.submit_dir)}")
    return 0


@command(RANDOM_DIR, name="pegasus-plan")
@click.argument("workflow", default="workflow.yml", metavar="[WORKFLOW]")
@plan_flags
@click.option("-S", "--submit", is_flag=True, help="Start it too, in the background.")
@click.option("--dry-run", is_flag=True, help="Say what would be planned; write nothing.")
@click.option("--explain", is_flag=True, help="Say of every job why it is there, or not.")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print the braindump of the run as an object.")
@click.option("-V", "--version", is_flag=True, help="Print the version of Pegasus that Markab speaks.")
@verbosity
def pegasus_plan(workflow: str, submit: bool, version: bool, **flags: Any) -> int:
    """Make an executable workflow out of WORKFLOW, ./workflow.yml by default."""
    if version:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        return 0
    planned = _plan(workflow, flags)
    if planned.submit_dir is None:
        _tell(planned, flags)
    elif submit:
        from markab.cli.run_output import start_in_background

        start_in_background(planned.submit_dir)
        if flags["as_json"]:
            _tell(planned, flags)
        else:
            from markab.cli.pegasus_hints import started_text

            _tell(planned, flags)
            click.echo(started_text(planned.submit_dir))
    else:
        _tell(planned, flags)
        if not flags["as_json"]:
            from markab.cli.pegasus_hints import planned_text

            click.echo(planned_text(planned.submit_dir))
    return 0


def _plan(workflow: str, flags: dict[str, Any]) -> Planned:
    from markab.cli.plan_output import make_plan

    set_verbosity(flags["verbose"], flags["quiet"])
    return make_plan(plan_options(workflow, flags), dry=flags["dry_run"], quiet=flags["quiet"])


def _tell(planned: Planned, flags: dict[str, Any]) -> None:
    from markab.cli.plan_output import echo_json, explanation, plan_object, shown_path, summary_text

    if flags["as_json"]:
        echo_json(plan_object(planned, flags["explain"]))
        return
    if flags["explain"] and planned.reasons:
        click.echo(explanation(planned.reasons))
    if not flags["quiet"]:
        click.echo(summary_text(planned.workflow, planned.summary))
        if planned.submit_dir is None:
            click.echo("  dry run: nothing was written")
        else:
            click.echo(f"  planned into {shown_path(planned.submit_dir)}")
