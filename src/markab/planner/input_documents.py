"""Reading all that the planner is given: the properties, the workflow and the catalogs.

Documents that are wrong end nothing here, if anything can be read of them: with what is left of them the passes look
for further errors, and no plan is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from markab.catalogs.loader import Catalogs, load_catalogs
from markab.catalogs.problem_list import ProblemList
from markab.errors import DocumentError, Problem
from markab.planner.doubts import Doubts
from markab.planner.given_slots import forwarded_properties
from markab.planner.option_checks import wrong_options
from markab.planner.options import PlanOptions
from markab.planner.output_map import mapper_problems
from markab.planner.property_values import wrong_values
from markab.planner.request_key import is_repeatable
from markab.planner.request_trace import RequestTrace
from markab.planner.reuse_policy import reuse_policy
from markab.spec.catalog_checks import check_references
from markab.spec.document_file import observed_reads
from markab.spec.model import Workflow
from markab.spec.properties import Properties, load_properties
from markab.spec.reader import read_workflow, workflow_structure
from markab.spec.sound_parts import sound_parts

_ALL_DOUBTFUL = Doubts(sites=True, executables=True, tasks=True, dependencies=True, files=True)


@dataclass(frozen=True)
class InputDocuments:
    """What was read."""

    properties: Properties
    """Without those whose values are wrong."""
    workflow: Workflow
    catalogs: Catalogs
    problems: list[Problem]
    """All that is wrong with the documents."""
    doubts: Doubts
    """What they do not tell for that reason."""


def read_documents(options: PlanOptions, trace: RequestTrace) -> InputDocuments:
    """Read all documents.

    Raises:
        DocumentError: nothing can be read of the workflow or the properties; it has the problems of the others too.
        StorageError: a file cannot be read, and nothing else is wrong.
    """
    problems = ProblemList()
    environment = trace.observed(os.environ)
    forwarding: list[Problem] = []
    with observed_reads(trace):
        properties = problems.attempt(lambda: read_properties(options, forwarding, environment))
    problems.add(*forwarding)
    no_mapper = False
    if properties is not None:
        no_mapper = bool(mapper_problems(properties))
        problems.add(*wrong_values(properties))
        properties.drop_refused()
    settings = Properties() if properties is None else properties
    with observed_reads(trace) if _is_traced(options, settings) else nullcontext():
        workflow, doubts = _read_workflow(options, settings, environment, problems)
        if properties is not None:
            # Of databases nothing is read without a workflow.
            names = Workflow("5.0.4", "none", []) if workflow is None else workflow
            catalogs = read_catalogs(options, settings, names, environment, problems)
    if workflow is None or properties is None:
        problems.add(*wrong_options(options))
        problems.raise_all()
        raise AssertionError("what cannot be read is a problem")
    settings.drop_refused()
    doubts = replace(
        doubts,
        sites=doubts.sites or "sites" in catalogs.wrong,
        executables=doubts.executables or "transformations" in catalogs.wrong,
        files=doubts.files or "replicas" in catalogs.wrong,
        results=no_mapper,
    )
    if not doubts.executables:
        dangling = check_references(catalogs.transformations)
        problems.add(*dangling)
        doubts = replace(doubts, executables=bool(dangling))
    doubts = replace(doubts, documents=bool(problems.all))
    return InputDocuments(settings, workflow, catalogs, problems.all, doubts)


def _read_workflow(
    options: PlanOptions, properties: Properties, environment: Mapping[str, str], problems: ProblemList
) -> tuple[Workflow | None, Doubts]:
    """Return the workflow, or what is left of it after adding what is wrong; None if that is nothing."""
    path = options.directory / options.workflow
    limit_bytes = _size_limit_bytes(properties)
    absolute = properties.flag("markab.lfn.absolute", False)
    workflow = problems.attempt(
        lambda: read_workflow(path, environment, limit_bytes=limit_bytes, absolute_lfns=absolute)
    )
    if workflow is not None or problems.is_unreadable:
        return workflow, Doubts()
    structure, is_complete = workflow_structure(path, environment, limit_bytes=limit_bytes)
    if structure is None:
        return None, Doubts()
    left = sound_parts(structure, absolute_lfns=absolute)
    if not is_complete:
        return left.workflow, _ALL_DOUBTFUL
    return left.workflow, Doubts(
        sites=left.workflow.site_catalog is not structure.site_catalog,
        executables=left.workflow.transformation_catalog is not structure.transformation_catalog,
        tasks=not left.has_all_jobs,
        dependencies=not left.has_all_dependencies,
        files=left.workflow.replica_catalog is not structure.replica_catalog,
        makers=left.makers,
    )


def _is_traced(options: PlanOptions, properties: Properties) -> bool:
    """Return whether what is read is to be compared later, for which all of it is hashed."""
    try:
        return is_repeatable(options) and reuse_policy(options, properties) == "content"
    except DocumentError:
        return False  # the property is wrong, which is reported with all that is


def read_properties(
    options: PlanOptions, problems: list[Problem], environment: Mapping[str, str] = os.environ
) -> Properties:
    """Read the properties with which the planner is called; what is wrong with `--forward` is added to `problems`."""
    given = {**options.properties, **forwarded_properties(options.forward, problems)}
    return load_properties(options.conf, given, environment, options.directory, Path(os.path.expanduser("~")))


def read_catalogs(
    options: PlanOptions,
    properties: Properties,
    workflow: Workflow | None,
    environment: Mapping[str, str] = os.environ,
    problems: ProblemList | None = None,
) -> Catalogs:
    """Read the catalogs with which the planner is called. Raises as `load_catalogs`."""
    return load_catalogs(
        properties,
        options.directory,
        workflow,
        environment,
        options.input_dirs,
        options.transformations_dir,
        options.cache,
        options.reuse,
        options.inherited_rc_files,
        problems,
    )


def _size_limit_bytes(properties: Properties) -> int:
    """Return how large a document may be; `pegasus.parser.document.size` in MB, at most 2047."""
    return 1_000_000 * min(2047, properties.integer("pegasus.parser.document.size", 500))
