"""The next commands that Pegasus' commands print; users and their scripts search for these command lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote
from shutil import which

from markab.plan.run_command import dag_of

WHAT = (
    ("to see its progress", "pegasus-status -l"),
    ("to stop and remove it", "pegasus-remove"),
    ("to list its jobs, or show one of them", "markab show"),
    ("to find out why jobs failed", "pegasus-analyzer"),
    ("to see its statistics after its end", "pegasus-statistics"),
)


def planned_text(submit_dir: Path) -> str:
    """Return the text that `pegasus-plan` prints at its end."""
    place = quote(str(submit_dir))
    start = f"condor_submit_dag {quote(str(dag))}" if (dag := dag_of(submit_dir)) else f"pegasus-run  {place}"
    return (
        "\nThe workflow is planned; no job runs yet. Start it with\n\n"
        f"{start}\n\n"
        "It can be stopped and removed at any time after that with\n\n"
        f"pegasus-remove {place}\n"
    )


def started_text(submit_dir: Path, find: Callable[[str], str | None] = which) -> str:
    """Return the text that `pegasus-run` prints when the workflow runs; it names only installed commands."""
    lines = ["\nThe workflow is running in the background. Its submit directory is", "", str(submit_dir), ""]
    for purpose, command in WHAT:
        name = command.split()[0]
        if name in ("pegasus-analyzer", "pegasus-statistics") and find(name) is None:
            continue
        lines += [f"*** {purpose.capitalize()} ***", "", f"{command} {quote(str(submit_dir))}", ""]
    return "\n".join(lines)
