"""The operations on workflows and their runs, which the command line and the Python API call.

Functions that take and return values, raise MarkabError and print nothing. They
import what they need when they are called, so that this package is imported fast.

A run is named by its submit directory, or by the `plan.jsonl` in it; None is the
run that the current directory is in.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # types of arguments and results, for annotations such as `operations.Status`
    from markab.catalogs.conversion import CatalogNoun as CatalogNoun
    from markab.catalogs.replica_store import ReplicaStore as ReplicaStore
    from markab.diagnosis.compared_results import ComparedResult as ComparedResult
    from markab.diagnosis.failed_attempts import FailedAttempt as FailedAttempt
    from markab.diagnosis.job_output import Expected as Expected
    from markab.diagnosis.undelivered import Undelivered as Undelivered
    from markab.journal.progress import Progress as Progress
    from markab.lint.finding import Finding as Finding
    from markab.lint.linting import LintReport as LintReport
    from markab.operations.cache import cache_size, list_cache, prune_cache, rebuild_cache, verify_cache
    from markab.operations.catalog_conversion import convert_catalog
    from markab.operations.databases import (
        Changed,
        create_database,
        database_target,
        is_compatible,
        read_database_version,
        update_all_databases,
        update_database,
    )
    from markab.operations.documents import export, make_debug_directory, write_page
    from markab.operations.drawing import draw, inline_svg, render_drawing, write_drawing
    from markab.operations.exit_check import CheckedOutput, check_output, log_check
    from markab.operations.failures import analyze, edited_files, follow_failures
    from markab.operations.job_logs import STREAMS, log_texts, open_log, shown_log
    from markab.operations.jobs import (
        has_job,
        job_names,
        job_states,
        lfns_of_run,
        list_jobs,
        parameters_of_run,
        show_job,
        why,
    )
    from markab.operations.linting import lint, lint_codes, lint_sarif
    from markab.operations.metadata import read_metadata, trace
    from markab.operations.notices import send_notice
    from markab.operations.old_runs import Filters, OldRun, delete_old_runs, find_old_runs
    from markab.operations.planning import Then as Then
    from markab.operations.planning import (
        dry_run,
        find_answer,
        parameter_names,
        plan,
        run_script,
        target_names,
    )
    from markab.operations.recording import record_again
    from markab.operations.replica_catalog import (
        catalog_of_results,
        find_replicas,
        make_replica,
        open_replica_catalog,
        parse_replica_lines,
        remove_replicas,
    )
    from markab.operations.rerun import (
        Repetition,
        compare_runs,
        keep_passwords,
        prepare_rerun,
        refuse_changes,
    )
    from markab.operations.run_list import RUN_STATES, ListedRun, list_runs
    from markab.operations.run_names import find_run, find_uuid, is_run
    from markab.operations.run_sizes import RunBytes, bytes_of_run
    from markab.operations.running import (
        Ended,
        Limits,
        growing_pauses,
        halt,
        make_limits,
        remove,
        run,
        start,
        wait,
    )
    from markab.operations.site_documents import SiteDocuments, find_site_documents
    from markab.operations.site_templates import SITES, UnknownSite
    from markab.operations.site_test import check_site
    from markab.operations.sites import list_sites, show_site
    from markab.operations.starters import TEMPLATES, WrongStarter, default_name, make_project
    from markab.operations.statistics import (
        read_statistics,
        save_statistics,
        statistics_rows,
        statistics_text,
        total_statistics_text,
        write_pegasus_statistics,
        write_statistics,
    )
    from markab.operations.status import (
        RunResult,
        follow_status,
        read_braindump,
        read_result,
        read_status,
        read_undelivered,
    )
    from markab.operations.submit_directories import (
        archive_run,
        attach_run,
        delete_run,
        detach_run,
        extract_run,
        move_run,
    )
    from markab.operations.workflow_import import (
        ImportReport,
        ImportRequest,
        UnknownFormat,
        convert_cwl_document,
        format_of,
        import_workflow,
    )
    from markab.planner.draft import Reason as Reason
    from markab.planner.planning import Planned as Planned
    from markab.planner.request_check import Answer as Answer
    from markab.planner.summary import PlanSummary as PlanSummary
    from markab.provenance.database_location import Target as Target
    from markab.reports.failure_report import FailureReport as FailureReport
    from markab.reports.graph.drawing import Drawing as Drawing
    from markab.reports.statistics.run_statistics import Statistics as Statistics
    from markab.reports.status import Status as Status

_NAMES = {
    "cache": ("cache_size", "list_cache", "prune_cache", "rebuild_cache", "verify_cache"),
    "catalog_conversion": ("convert_catalog",),
    "databases": (
        "Changed",
        "create_database",
        "database_target",
        "is_compatible",
        "read_database_version",
        "update_all_databases",
        "update_database",
    ),
    "documents": ("export", "make_debug_directory", "write_page"),
    "drawing": ("draw", "inline_svg", "render_drawing", "write_drawing"),
    "exit_check": ("CheckedOutput", "Expected", "check_output", "log_check"),
    "failures": ("analyze", "edited_files", "follow_failures"),
    "job_logs": ("STREAMS", "log_texts", "open_log", "shown_log"),
    "jobs": (
        "has_job",
        "job_names",
        "job_states",
        "lfns_of_run",
        "list_jobs",
        "parameters_of_run",
        "show_job",
        "why",
    ),
    "linting": ("lint", "lint_codes", "lint_sarif"),
    "metadata": ("read_metadata", "trace"),
    "notices": ("send_notice",),
    "old_runs": ("Filters", "OldRun", "delete_old_runs", "find_old_runs"),
    "planning": ("dry_run", "find_answer", "parameter_names", "plan", "run_script", "target_names"),
    "recording": ("record_again",),
    "replica_catalog": (
        "catalog_of_results",
        "find_replicas",
        "make_replica",
        "open_replica_catalog",
        "parse_replica_lines",
        "remove_replicas",
    ),
    "rerun": ("Repetition", "compare_runs", "keep_passwords", "prepare_rerun", "refuse_changes"),
    "run_list": ("ListedRun", "RUN_STATES", "list_runs"),
    "run_names": ("find_run", "find_uuid", "is_run"),
    "run_sizes": ("RunBytes", "bytes_of_run"),
    "running": ("Ended", "Limits", "growing_pauses", "halt", "make_limits", "remove", "run", "start", "wait"),
    "site_documents": ("SiteDocuments", "find_site_documents"),
    "site_templates": ("SITES", "UnknownSite"),
    "site_test": ("check_site",),
    "sites": ("list_sites", "show_site"),
    "starters": ("TEMPLATES", "WrongStarter", "default_name", "make_project"),
    "statistics": (
        "read_statistics",
        "save_statistics",
        "statistics_rows",
        "statistics_text",
        "total_statistics_text",
        "write_pegasus_statistics",
        "write_statistics",
    ),
    "status": (
        "RunResult",
        "follow_status",
        "read_braindump",
        "read_result",
        "read_status",
        "read_undelivered",
    ),
    "submit_directories": (
        "archive_run",
        "attach_run",
        "delete_run",
        "detach_run",
        "extract_run",
        "move_run",
    ),
    "workflow_import": (
        "ImportReport",
        "ImportRequest",
        "UnknownFormat",
        "convert_cwl_document",
        "format_of",
        "import_workflow",
    ),
}
"""Module → what it has; each is imported when it is first used, so that a command starts fast."""

_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "RUN_STATES",
    "SITES",
    "STREAMS",
    "TEMPLATES",
    "Changed",
    "CheckedOutput",
    "Ended",
    "Expected",
    "Filters",
    "ImportReport",
    "ImportRequest",
    "Limits",
    "ListedRun",
    "OldRun",
    "Repetition",
    "RunBytes",
    "RunResult",
    "SiteDocuments",
    "UnknownFormat",
    "UnknownSite",
    "WrongStarter",
    "analyze",
    "archive_run",
    "attach_run",
    "bytes_of_run",
    "cache_size",
    "catalog_of_results",
    "check_output",
    "check_site",
    "compare_runs",
    "convert_catalog",
    "convert_cwl_document",
    "create_database",
    "database_target",
    "default_name",
    "delete_old_runs",
    "delete_run",
    "detach_run",
    "draw",
    "dry_run",
    "edited_files",
    "export",
    "extract_run",
    "find_answer",
    "find_old_runs",
    "find_replicas",
    "find_run",
    "find_site_documents",
    "find_uuid",
    "follow_failures",
    "follow_status",
    "format_of",
    "growing_pauses",
    "halt",
    "has_job",
    "import_workflow",
    "inline_svg",
    "is_compatible",
    "is_run",
    "job_names",
    "job_states",
    "keep_passwords",
    "lfns_of_run",
    "lint",
    "lint_codes",
    "lint_sarif",
    "list_cache",
    "list_jobs",
    "list_runs",
    "list_sites",
    "log_check",
    "log_texts",
    "make_debug_directory",
    "make_limits",
    "make_project",
    "make_replica",
    "move_run",
    "open_log",
    "open_replica_catalog",
    "parameter_names",
    "parameters_of_run",
    "parse_replica_lines",
    "plan",
    "prepare_rerun",
    "prune_cache",
    "read_braindump",
    "read_database_version",
    "read_metadata",
    "read_result",
    "read_statistics",
    "read_status",
    "read_undelivered",
    "rebuild_cache",
    "record_again",
    "refuse_changes",
    "remove",
    "remove_replicas",
    "render_drawing",
    "run",
    "run_script",
    "save_statistics",
    "send_notice",
    "show_job",
    "show_site",
    "shown_log",
    "start",
    "statistics_rows",
    "statistics_text",
    "target_names",
    "total_statistics_text",
    "trace",
    "update_all_databases",
    "update_database",
    "verify_cache",
    "wait",
    "why",
    "write_drawing",
    "write_page",
    "write_pegasus_statistics",
    "write_statistics",
]


def __getattr__(name: str) -> Any:
    """Import an operation when it is first used."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value
