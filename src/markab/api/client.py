"""All calls from the builders into the planner, the engine and the reports.

Everything happens in this process (only the engine, once started, lives on its
own), so no command has to be found on PATH and no variable has to point to an
installation. Imports are late: building a workflow must load none of this.

A failure becomes a PegasusClientError, which carries what the command of the
same name would have printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.api.errors import PegasusClientError, PegasusError, Result
from markab.errors import DocumentError, MarkabError, PlanningError

if TYPE_CHECKING:
    from markab.planner.options import PlanOptions
    from markab.planner.planning import Planned
    from markab.reports.status import Status


def plan(workflow: Path, options: Mapping[str, Any], properties: Mapping[str, str]) -> Planned:
    """Plan the document at `workflow`.

    Raises:
        PegasusClientError: it cannot be planned; the message has every reason.
    """
    from markab.planner import planning

    with as_client_error("planning failed"):
        return planning.plan(to_plan_options(workflow, options, properties))


def start(submit_dir: Path) -> int:
    """Start the engine in the background; return its pid.

    Raises:
        PegasusClientError: it cannot be started, or is running.
    """
    from markab.engine import background
    from markab.plan.submit_dir import find_submit_dir

    with as_client_error("starting the workflow failed"):
        return background.start(find_submit_dir(submit_dir).path)


def remove(submit_dir: Path) -> None:
    """Ask the engine to end everything that runs.

    Raises:
        PegasusClientError: it cannot be asked.
    """
    from markab.engine import control

    with as_client_error("removing the workflow failed"):
        control.request_remove(submit_dir)


def read_status(submit_dir: Path) -> Status:
    """Return how far the run is.

    Raises:
        PegasusClientError: the submit directory cannot be read.
    """
    from markab.reports import status

    with as_client_error("reading the status failed"):
        return status.read_status(submit_dir)


def follow(submit_dir: Path) -> Callable[[], Status]:
    """Return a function that says how far the run is; each call costs only what happened since the last.

    Raises:
        PegasusClientError: the submit directory cannot be read; the function raises it too.
    """
    from markab.journal.run_reader import RunReader
    from markab.reports import status

    with as_client_error("reading the status failed"):
        run = RunReader(submit_dir)

    def look() -> Status:
        with as_client_error("reading the status failed"):
            return status.quick_status(run)

    return look


def html(name: str, submit_dir: Path) -> str:
    """Return what a notebook shows of a run: its `analysis` or its `statistics`.

    Raises:
        PegasusClientError: the submit directory cannot be read.
    """
    from markab.api import notebook_reports

    with as_client_error(f"{name} failed"):
        return str(getattr(notebook_reports, f"{name}_html")(submit_dir))


def report(name: str, submit_dir: Path, **options: Any) -> str:
    """Return the text of the report `name` (`analyzer`, `statistics`) on a run.

    Raises:
        PegasusError: this version has no such report.
        PegasusClientError: the submit directory cannot be read.
    """
    function = _report_function(name)
    if function is None:
        raise PegasusError(
            f"this version of Markab has no {name} yet",
            f"type `markab status {submit_dir}` for an overview, and `markab show {submit_dir} JOB` for a job",
        )
    with as_client_error(f"{name} failed"):
        return str(function(submit_dir, **options))


def to_plan_options(workflow: Path, options: Mapping[str, Any], properties: Mapping[str, str]) -> PlanOptions:
    """Return what the keywords of `Workflow.plan` mean to the planner; those that are None say nothing."""
    from markab.planner.options import PlanOptions

    chosen: dict[str, Any] = {}
    for keyword, value in options.items():
        convert = _CONVERSIONS.get(keyword)
        if convert is not None and value is not None:
            chosen[keyword] = convert(value)
    return PlanOptions(workflow=workflow, properties=dict(properties), directory=Path.cwd(), **chosen)


def _paths(values: Any) -> list[Path]:
    return [Path(value) for value in values]


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values]


def _mapping(values: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}


def _random_dir(value: Any) -> bool | str:
    return value if isinstance(value, bool) else str(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "conf": Path,
    "basename": str,
    "job_prefix": str,
    "cluster": _texts,
    "sites": _texts,
    "output_sites": _texts,
    "staging_sites": _mapping,
    "cache": _paths,
    "input_dirs": _paths,
    "output_dir": Path,
    "transformations_dir": Path,
    "dir": Path,
    "relative_dir": str,
    "random_dir": _random_dir,
    "relative_submit_dir": str,
    "inherited_rc_files": _paths,
    "cleanup": str,
    "reuse": _paths,
    "force": bool,
    "force_replan": bool,
    "forward": _texts,
}
"""Keyword → how its value becomes that of the planner's option of the same name."""


def _report_function(name: str) -> Callable[..., Any] | None:
    from importlib import import_module
    from importlib.util import find_spec

    module = {"statistics": "markab.reports.statistics.report"}.get(name, f"markab.reports.{name}")
    if find_spec(module) is None:
        return None
    function: Callable[..., Any] | None = getattr(import_module(module), "report", None)
    return function


@contextmanager
def as_client_error(what: str) -> Iterator[None]:
    """Raise what goes wrong inside as a PegasusClientError that begins with `what`."""
    try:
        yield
    except PegasusError:
        raise
    except MarkabError as error:
        text = _as_text(error)
        raise PegasusClientError(f"{what}:\n{text}", Result(error.exit_code, stderr=text)) from error


def _as_text(error: MarkabError) -> str:
    """Return every problem with its hint, one below the other."""
    if isinstance(error, (DocumentError, PlanningError)):
        pairs = [(str(problem), problem.hint) for problem in error.problems]
    else:
        pairs = [(str(error), error.hint)]
    return "\n".join(f"{text}\n  hint: {hint}" if hint else text for text, hint in pairs)
