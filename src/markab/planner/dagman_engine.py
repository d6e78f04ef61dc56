"""Whether DAGMan can run a plan: what it cannot do is an error, and what it does not do a warning.

DAGMan decides which node may start by its parents and by counts alone. So what needs the engine of Markab while a run
goes on is refused: sub-workflows that are planned in the middle of it, results that are reused by content, a bound on
scratch, and batch systems that HTCondor does not reach.
"""

from __future__ import annotations

import re

from markab.plan.model import LOCAL
from markab.planner.draft import Context, Draft
from markab.planner.site_executors import HTCONDOR, TITLES, contact_of, executor_of

WITHOUT = "plan without `--engine dagman`"

_UNUSABLE = re.compile(r"""[\s"'$,;#\\]""")


def check_dag(draft: Draft, context: Context) -> None:
    """Note what DAGMan cannot do of a plan."""
    if draft.children:
        first = draft.name_of(min(draft.children))
        more = f", and {len(draft.children) - 1} more" if len(draft.children) > 1 else ""
        context.problem(
            "dagman",
            f"job {first!r}{more} is a sub-workflow, which is planned while the run goes on: DAGMan cannot do that",
            f"{WITHOUT}, or put the jobs of the sub-workflow into this one",
        )
    if context.reuse is not None:
        context.problem(
            "dagman",
            "results are to be reused by content, for which DAGMan cannot ask",
            f"{WITHOUT}, or with `--reuse-policy pegasus`",
        )
    if context.cleanup == "constraint":
        context.problem(
            "dagman",
            "the cleanup strategy 'constraint' bounds scratch while the run goes on: DAGMan cannot do that",
            f"{WITHOUT}, or with `--cleanup inplace`",
        )
    for name in dict.fromkeys(draft.placements[job].site for job, _ in draft.task_jobs()):
        _check_site(name, context)
    if context.properties.flag("markab.fail.fast", False):
        context.warn(
            "dagman",
            "markab.fail.fast has no effect: after a failure DAGMan goes on with all that can",
            "use the profile dagman.ABORT-DAG-ON for exit codes that end the run",
        )


def _check_site(name: str, context: Context) -> None:
    site = context.sites[name]
    executor, contact = executor_of(site), contact_of(site)
    if executor not in (LOCAL, HTCONDOR):
        context.problem(
            "dagman",
            f"the jobs of site {name!r} go to {TITLES.get(executor, executor)}, and those of a DAG to HTCondor only",
            f"{WITHOUT}, or with `--sites` and a site of HTCondor",
        )
    elif contact and executor == HTCONDOR:
        context.problem(
            "dagman",
            f"the jobs of site {name!r} go to a schedd elsewhere, {contact!r}, and those of a DAG to its own",
            f"{WITHOUT}, or on the machine of that schedd, with a site without a gateway",
        )


def check_dag_directory(submit_dir: str, context: Context) -> None:
    """Note if a DAG file cannot name the files of a submit directory: it has no quotes."""
    if found := _UNUSABLE.search(submit_dir):
        what = "a blank" if found[0].isspace() else f"the character {found[0]}"
        context.problem(
            "dagman",
            f"the submit directory {submit_dir!r} has {what} in its path, which a DAG file cannot name",
            "name another base with `--dir`",
        )
