"""Everything that can be done with workflows and their runs; the command line and the Python API call nothing else.

Plain functions: they take and return values, raise MarkabError, print nothing, and
import what they need when they are called, so that importing this costs nothing.

A run is named by its submit directory, or by the `plan.jsonl` in it; None is the
run that the current directory is in.
"""

from markab.operations.documents import draw, export, make_debug_directory, write_page
from markab.operations.planning import dry_run, plan
from markab.operations.questions import (
    analysis,
    analysis_text,
    follow,
    has_job,
    list_jobs,
    metadata,
    read_braindump,
    read_result,
    read_status,
    show_job,
    statistics,
    statistics_text,
    trace,
    why,
)
from markab.operations.run_list import list_runs
from markab.operations.run_names import find_run, is_run
from markab.operations.running import growing_pauses, halt, remove, run, start, wait

__all__ = [
    "analysis",
    "analysis_text",
    "draw",
    "dry_run",
    "export",
    "find_run",
    "follow",
    "growing_pauses",
    "halt",
    "has_job",
    "is_run",
    "list_jobs",
    "list_runs",
    "make_debug_directory",
    "metadata",
    "plan",
    "read_braindump",
    "read_result",
    "read_status",
    "remove",
    "run",
    "show_job",
    "start",
    "statistics",
    "statistics_text",
    "trace",
    "wait",
    "why",
    "write_page",
]
