"""`markab explain`."""

from __future__ import annotations

import click

from markab.cli.command import command
from markab.cli.common_options import json_option, more_option, run_and_job
from markab.cli.completion_values import jobs, runs_or_jobs
from markab.cli.output import echo, echo_json
from markab.errors import NOT_EXPLAINED


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_jobs)
@click.argument("job", required=False, metavar="[JOB]", shell_complete=jobs)
@click.option("--all", "everything", is_flag=True, help="Also what did not fail, and is not as it should be.")
@click.option("--plain", is_flag=True, help="Accepted; the text has no colours.")
@json_option()
@more_option
def explain(
    run: str | None, job: str | None, everything: bool, plain: bool, as_json: bool, verbose: int
) -> int:
    """Explain why a run failed, or one JOB of it: causes with evidence, and what to do; no language model is asked.

    Equal failures are one entry; what holds up most jobs comes first. Each verdict says how
    certain it is: certain (a fact of the kernel, of a batch system or of Markab), likely (what
    a program printed), possible, or unknown. Works while the run is running.

    Exits with 0 if everything that failed is explained, else with 3.
    """
    from markab.insight.explanation import explain as explain_run
    from markab.insight.explanation_text import explanation_text

    found = explain_run(*run_and_job(run, job, "markab explain"), everything=everything)
    if as_json:
        echo_json(found.to_json())
    else:
        echo(explanation_text(found, verbose=bool(verbose)), nl=False)
    return NOT_EXPLAINED if found.not_explained else 0
