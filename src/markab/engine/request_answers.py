"""Recording that a run which succeeded has answered its request: planned again while nothing changes, that leaves out every task."""

from __future__ import annotations

from markab.engine.result_recording import RunResults
from markab.plan.submit_dir import SubmitDir
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.finished_requests import save_request
from markab.reuse.request_file import FinishedRun, Request, read_request_file, write_request_file
from markab.reuse.result_index import ResultIndex


def record_answer(
    index: ResultIndex, checksums: FileChecksums, place: SubmitDir, uuid: str, results: RunResults
) -> None:
    """Note that a run has answered its request, if it did so wholly.

    Args:
        index: has what the run made.
        checksums: know the files that it delivered.
        place: its submit directory.
        uuid: the run.
        results: what it made.

    Raises:
        StorageError: that cannot be written.
    """
    request = read_request_file(place.request, Request)
    if request is None or results.is_repeated or len(results.runs) != request.planned:
        return
    delivered = {one.path for one in results.delivered}
    found = [checksums.witness(path) for path in request.awaited if path in delivered]
    witnesses = [one for one in found if one is not None]
    if len(witnesses) == len(request.awaited):
        finished = FinishedRun(request.key, uuid, sorted(set(results.runs.values())), witnesses)
        write_request_file(place.finished, finished)
        save_request(index, request.key, uuid)
