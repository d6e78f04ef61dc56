"""The sub-workflows of a document that are files already: with which options each would be planned.

For a look at them before anything runs: what their parent will bring them is promised, and not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markab.planner.child_plans import child_arguments
from markab.planner.input_documents import InputDocuments, read_documents
from markab.planner.options import PlanOptions, from_flags, parsed_words
from markab.planner.parent_run import ParentRun
from markab.planner.places import local_path
from markab.planner.request_key import request_key
from markab.planner.request_trace import RequestTrace
from markab.spec.model import Task


def inner_options(options: PlanOptions) -> Iterator[PlanOptions]:
    """Yield the options of each sub-workflow whose document is a file of this machine.

    Raises:
        DocumentError, StorageError: the document itself cannot be read.
    """
    given = read_documents(options, RequestTrace(request_key(options)))
    made = {use.lfn for task in given.workflow.jobs for use in task.uses if use.type in ("output", "inout")}
    for task in given.workflow.jobs:
        if task.type == "pegasusWorkflow" and task.file and task.file not in made:
            replica = given.catalogs.replicas.lookup(task.file)
            paths = [local_path(pfn.pfn) for pfn in (replica.pfns if replica else ())]
            document = next((path for path in paths if path is not None and Path(path).is_file()), None)
            if document is not None:
                yield _options(task, Path(document), options, given)


def _options(task: Task, document: Path, options: PlanOptions, given: InputDocuments) -> PlanOptions:
    typed = parsed_words(child_arguments(task, options))
    inner = from_flags(document, typed, options.directory)
    if "conf" not in typed:
        inner.conf = options.conf
        inner.properties = {**options.properties, **inner.properties}
    brought = {use.lfn for use in task.uses if use.type in ("input", "inout")}
    if given.workflow.replica_catalog is not None:
        brought.update(replica.lfn for replica in given.workflow.replica_catalog.replicas)
    outputs = {use.lfn: f"/{use.lfn}" for use in task.uses if use.type in ("output", "inout")}
    inner.parent = ParentRun("", outputs, promised=frozenset(brought))
    return inner
