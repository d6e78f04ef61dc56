"""The operations on workflows and their runs, which the command line and the Python API call.

Functions that take and return values, raise MarkabError and print nothing. They
import what they need when they are called, so that this package is imported fast.

A run is named by its submit directory, or by the `plan.jsonl` in it; None is the
run that the current directory is in.
"""

from markab.operations.documents import (
    draw,
    export,
    make_debug_directory,
    write_page,
    write_pegasus_statistics,
    write_statistics,
)
from markab.operations.planning import dry_run, plan
from markab.operations.questions import (
    analysis,
    analysis_text,
    follow,
    has_job,
    list_jobs,
    metadata,
    pegasus_statistics,
    read_braindump,
    read_result,
    read_status,
    show_job,
    statistics,
    statistics_text,
    trace,
    why,
)
from markab.operations.replica_catalog import (
    find_replicas,
    make_replica,
    open_replica_catalog,
    parse_replica_lines,
    remove_replicas,
)
from markab.operations.run_list import list_runs
from markab.operations.run_names import find_run, find_uuid, is_run
from markab.operations.running import growing_pauses, halt, remove, run, start, wait

__all__ = [
    "analysis",
    "analysis_text",
    "draw",
    "dry_run",
    "export",
    "find_replicas",
    "find_run",
    "find_uuid",
    "follow",
    "growing_pauses",
    "halt",
    "has_job",
    "is_run",
    "list_jobs",
    "list_runs",
    "make_debug_directory",
    "make_replica",
    "metadata",
    "open_replica_catalog",
    "parse_replica_lines",
    "pegasus_statistics",
    "plan",
    "read_braindump",
    "read_result",
    "read_status",
    "remove",
    "remove_replicas",
    "run",
    "show_job",
    "start",
    "statistics",
    "statistics_text",
    "trace",
    "wait",
    "why",
    "write_page",
    "write_pegasus_statistics",
    "write_statistics",
]
