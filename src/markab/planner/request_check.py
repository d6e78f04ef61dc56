"""Whether a request is answered: an earlier run of the same request succeeded, and nothing that it read or left has changed.

Any doubt is a no: then the workflow is planned, which leaves out what needs not run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError
from markab.plan.submit_dir import SubmitDir
from markab.planner.options import PlanOptions
from markab.planner.request_key import is_repeatable, request_key, variables_digest
from markab.planner.reuse_locations import reuse_locations
from markab.planner.reuse_policy import reuse_policy
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.file_witness import FileWitness, version_of
from markab.reuse.finished_requests import AnsweredBy, find_request, use_runs
from markab.reuse.request_file import FinishedRun, Request, read_request_file
from markab.reuse.result_index import ResultIndex, open_index
from markab.spec.document_digest import digest_of_document
from markab.spec.properties import load_properties


class Answer(NamedTuple):
    """The run whose results are those of a request."""

    submit_dir: Path
    workflow: str
    tasks: int
    """All tasks of the request."""
    outputs: list[str]
    """Where its results were delivered."""


def find_answer(options: PlanOptions) -> Answer | None:
    """Return the run that has answered a request; None if it has to be planned."""
    if not is_repeatable(options):
        return None
    try:
        path = _index_file(options)
    except MarkabError:
        return None  # planning reports it
    if path is None or not os.path.exists(path):
        return None
    key = request_key(options)
    with open_index(path, create=False) as index:
        run = find_request(index, key)
        return None if run is None else _answer(index, key, run)


def _index_file(options: PlanOptions) -> str | None:
    """Return the index of results that planning would use; None if it uses none. Raises MarkabError."""
    home = Path(os.path.expanduser("~"))
    properties = load_properties(options.conf, options.properties, os.environ, options.directory, home)
    if reuse_policy(options, properties) != "content":
        return None
    return reuse_locations(properties, options.directory).index_file


def _answer(index: ResultIndex, key: str, run: AnsweredBy) -> Answer | None:
    place = SubmitDir(Path(run.submit_dir))
    request = read_request_file(place.request, Request)
    finished = read_request_file(place.finished, FinishedRun)
    if (
        request is None
        or finished is None
        or {request.key, finished.key} != {key}
        or finished.run != run.uuid
    ):
        return None
    is_same = (
        request.variables_sha256 == variables_digest(key, request.variables)
        and not any(map(os.path.lexists, request.absent))
        and _are_same_results((*request.results, *finished.results))
        and _are_same_files(request.files, FileChecksums(None).of)
        and _are_same_files(request.documents, digest_of_document)
        and use_runs(index, (run.uuid, *request.runs, *finished.runs))
    )
    return Answer(place.path, request.workflow, request.tasks, request.outputs) if is_same else None


def _are_same_results(results: Iterable[FileWitness]) -> bool:
    """Return whether files have the content that they had; a link in place of one is a change.

    One whose times have changed is read: removing another hard link to it is enough for that.
    """
    content_of = FileChecksums(None).of
    try:
        return all(
            version_of(os.lstat(one.path)) == one.version or content_of(one.path, follow=False) == one.sha256
            for one in results
        )
    except (OSError, MarkabError):
        return False


def _are_same_files(files: Iterable[FileWitness], content_of: Callable[[str], str]) -> bool:
    """Return whether files, or those to which links lead, have the content that they had."""
    try:
        return all(
            version_of(os.stat(one.path)) == one.version or content_of(one.path) == one.sha256
            for one in files
        )
    except (OSError, MarkabError):
        return False
