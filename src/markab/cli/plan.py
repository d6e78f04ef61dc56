"""`markab plan` and `pegasus-plan`."""

from __future__ import annotations

from typing import Any

import click

from markab import operations
from markab.cli import plan_output, run_output
from markab.cli.command import command
from markab.cli.common_options import (
    json_option,
    more_option,
    options,
    pegasus_command,
    quiet_option,
    slot_options,
)
from markab.cli.output import echo, echo_json
from markab.cli.planner_flags import RANDOM_DIR, plan_flags, plan_options
from markab.cli.script_flags import script_flags, words_argument, workflow_options
from markab.formatting import shown_path
from markab.plan.run_command import run_command
from markab.planner.options import PlanOptions

FLAGS = options(
    click.argument("workflow", required=False, metavar="[WORKFLOW]"),
    slot_options,
    plan_flags,
    click.option("--dry-run", is_flag=True, help="Show what would be planned; write nothing."),
    click.option("--explain", is_flag=True, help="Show for every job why it is in the plan, or not."),
    json_option("Print the braindump of the run as an object."),
    more_option,
    quiet_option,
)


@command(RANDOM_DIR)
@FLAGS
@words_argument
@script_flags
@click.option("-S", "--submit", is_flag=True, help="Run it too, and show its progress.")
def plan(workflow: str | None, submit: bool, **flags: Any) -> int:
    """Plan WORKFLOW, ./workflow.yml by default, into an executable workflow.

    A SCRIPT, a file *.py, in its place is run first, with the parameters of --set and --set-file and with WORDs
    as its own command line; what it builds is planned.

    It is written to a new submit directory. All errors in the workflow and the
    catalogs are reported, not only the first.
    """
    if submit and flags["dry_run"]:
        raise click.UsageError("--dry-run writes no plan that --submit could run")
    options = workflow_options(workflow or "workflow.yml", flags)
    if submit and (answer := operations.find_answer(options)) is not None:
        run_output.print_answer(answer, as_json=flags["as_json"], quiet=flags["quiet"])
        return 0
    planned = _plan(options, flags, "run" if submit else "nothing")
    if submit and planned.submit_dir is not None:
        return run_output.run_here(planned.submit_dir, as_json=flags["as_json"], quiet=flags["quiet"])
    _report(planned, flags)
    if planned.submit_dir is not None and not flags["as_json"] and not flags["quiet"]:
        echo(f"\nrun it:   {run_command(planned.submit_dir)}")
    return 0


@pegasus_command("pegasus-plan", RANDOM_DIR)
@FLAGS
@click.option("-S", "--submit", is_flag=True, help="Start it too, in the background.")
@click.option("-d", "--dax", metavar="WORKFLOW", help="The workflow, as older versions of Pegasus name it.")
def pegasus_plan(workflow: str | None, submit: bool, dax: str | None, **flags: Any) -> None:
    """Plan WORKFLOW, ./workflow.yml by default, into an executable workflow."""
    from markab.cli.pegasus_hints import planned_text, started_text

    if workflow and dax:
        raise click.UsageError(f"name one workflow: {workflow!r}, or --dax {dax!r}")
    options = plan_options(workflow or dax or "workflow.yml", flags)
    planned = _plan(options, flags, "start" if submit else "nothing")
    is_started = submit and planned.submit_dir is not None
    if is_started:
        operations.start(planned.submit_dir)
    _report(planned, flags)
    if planned.submit_dir is not None and not flags["as_json"]:
        echo((started_text if is_started else planned_text)(planned.submit_dir))


def _plan(options: PlanOptions, flags: dict[str, Any], then: operations.Then) -> operations.Planned:
    return plan_output.make_plan(
        options,
        dry=flags["dry_run"],
        quiet=flags["quiet"],
        then=then,
        explain=flags["explain"],
        verbose=flags["verbose"],
    )


def _report(planned: operations.Planned, flags: dict[str, Any]) -> None:
    if flags["as_json"]:
        echo_json(plan_output.plan_object(planned, flags["explain"]))
        return
    if flags["explain"] and planned.reasons:
        echo(plan_output.explanation(planned.reasons))
    if not flags["quiet"]:
        echo(plan_output.plan_text(planned.workflow, planned.summary))
        if planned.submit_dir is None:
            echo("  dry run: nothing was written")
        else:
            echo(f"  planned into {shown_path(planned.submit_dir)}")
