"""Judge an attempt of a compute job, put its outputs in place, and write its record.

No error hides another: an exit code, a failure message and five missing outputs are all in the
record. Outputs appear in the run's scratch only when the attempt succeeded; checkpoints appear
there also when it failed.
"""

from typing import List, Optional

from markab.transfers.base import Stop
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.attempt_directory import remove_directory
from markab.worker.attempt_spec import captured_name
from markab.worker.captured_output import Capture, describe_stream
from markab.worker.exit_judgement import judge_inputs, judge_messages
from markab.worker.outputs import FoundOutput, find_outputs, place_outputs
from markab.worker.record import Record, checked_entry, hashed_entry, make_record
from markab.worker.steady_time import steady_time


def finish(prepared: Prepared, out: Optional[Capture], err: Optional[Capture], stop: Stop = None) -> Record:
    """Return the record of an attempt whose last process has ended; its own directory is removed.

    To be called once for everything that `prepare` returned. Never raises for what is wrong
    with the attempt.

    Args:
        out, err: what the tasks printed. None: no task can have printed anything.
    """
    found: List[FoundOutput] = []
    if prepared.invocations:
        judge_messages(prepared, out, err)
        judge_inputs(prepared)
        found = find_outputs(prepared)
    wanted = [output for output in found if output.is_checkpoint or not prepared.errors]
    placed = place_outputs(prepared, wanted, stop) if wanted else []
    if prepared.directory is not None:
        if prepared.has_directory:
            remove_directory(prepared.directory, prepared.cwd)
        prepared.directory.close()
    record = _describe(prepared, placed)
    _describe_streams(prepared, record, out, err)
    record["end"] = steady_time()
    return record


def _describe(prepared: Prepared, placed: List[FoundOutput]) -> Record:
    record = make_record(prepared.start, prepared.errors, prepared.cwd)
    if prepared.invocations:
        record["invocations"] = prepared.invocations
    if prepared.checked:
        failed = sum(error.kind == ErrorKind.CHECKSUM for error in prepared.errors)
        record["checked"] = checked_entry(prepared.checked, failed, prepared.checked_s)
    if placed:
        record["outputs"] = [output.entry() for output in placed]
        hashed = sum(output.sha256 is not None for output in placed)
        if hashed:
            record["hashed"] = hashed_entry(hashed, prepared.hashed_s)
    if prepared.transfers:
        record["transfers"] = prepared.transfers
    return record


def _describe_streams(
    prepared: Prepared, record: Record, out: Optional[Capture], err: Optional[Capture]
) -> None:
    spec = prepared.spec
    for stream, capture in (("stdout", out), ("stderr", err)):
        if capture is not None and capture.size():
            name = captured_name(spec["job"]["id"], stream[3:], spec["attempt"])
            record.update(describe_stream(stream, capture, spec["attachments"], name))
