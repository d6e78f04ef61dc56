"""What is recorded of a request with its plan, so that it need not be planned again while all is as it was."""

from __future__ import annotations

from markab.plan.model import Header
from markab.planner.draft import Context, Draft
from markab.planner.request_key import is_repeatable, variables_digest
from markab.reuse.request_file import Request


def make_request(draft: Draft, context: Context, header: Header) -> Request | None:
    """Return the record; None if a later look cannot tell whether all is as it was: then it is always planned."""
    tasks, trace, options = draft.witnesses, context.trace, context.options
    if tasks is None or not trace.is_complete or not is_repeatable(options):
        return None
    if header.remote_sites or context.output_map is not None:
        return None
    variables = sorted(trace.variables)
    return Request(
        key=trace.key,
        workflow=header.workflow,
        tasks=tasks.tasks,
        planned=tasks.planned,
        variables=variables,
        variables_sha256=variables_digest(trace.key, variables),
        absent=sorted(trace.absent),
        documents=list(trace.documents.values()),
        files=tasks.files,
        runs=tasks.runs,
        results=tasks.results,
        awaited=tasks.awaited,
        outputs=list(header.outputs.values()),
    )
