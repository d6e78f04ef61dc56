"""What happens around the job of a node: its PRE and its POST script, and at last those of the run.

The inputs of an attempt are copied, and its outputs checked and put in place, outside the turn of the step: that may
take long, and concerns nobody else.
"""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from markab.dagman.dag_layout import EVENTS, RECORD, DagLayout
from markab.dagman.dag_run import open_dag_run
from markab.dagman.dag_text import DONE, FAILED, PASSWORDS, SKIP
from markab.dagman.job_events import read_job, record_events
from markab.errors import MarkabError, RunBusy
from markab.executors.base import Attempt, Record
from markab.executors.htcondor.missing_record import missing_record
from markab.executors.htcondor.run_files import TIMES, collect_sandbox, fill_sandbox, start_words
from markab.executors.remote.sandbox import Sandbox, read_record
from markab.executors.worker_protocol import keep_attachments, spec_of
from markab.hooks.hook_runner import running_hooks
from markab.journal.lock import RunLock
from markab.plan.submit_dir import SubmitDir
from markab.provenance.follower import following
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.run_passwords import write_passwords
from markab.worker.failure import AttemptFailed
from markab.worker.record import make_record, unseen_record

LAST_PASS_S = 60.0
"""How long the end of a run waits for its database."""
LOCK_WITHIN_S = 10.0


def before_job(submit_dir: Path, job: int, retry: int, max_retries: int) -> int:
    """Make the next attempt of a job, ready to be submitted; return the exit code of the PRE script."""
    layout = DagLayout(submit_dir)
    with open_dag_run(submit_dir) as run:
        run.begin()
        if run.has_succeeded(job):
            return SKIP
        attempt = run.start(job)
        is_here = attempt.job.site in run.plan.header.local_sites
    try:
        _fill_here(attempt, layout) if is_here else _fill(attempt, layout)
    except (AttemptFailed, MarkabError, OSError) as error:
        record = make_record(time.time(), [_as_failure(error)])
        with open_dag_run(submit_dir) as run:
            return run.end(attempt, record, max_retries - retry)
    return DONE


def after_job(submit_dir: Path, job: int, retry: int, max_retries: int) -> int:
    """Take what an attempt left, and record its end; return the exit code of the POST script. May be done again."""
    layout = DagLayout(submit_dir)
    with open_dag_run(submit_dir) as run:
        attempt = run.under_way(job)
        if attempt is None:
            return run.code_again(job)
        is_here = attempt.job.site in run.plan.header.local_sites
    record = _collect_here(attempt, layout) if is_here else _collect(attempt, layout)
    if record is None:
        sandbox = layout.sandbox(job)
        record = missing_record(read_job(sandbox / EVENTS, attempt).job, start_words(sandbox))
    with open_dag_run(submit_dir) as run:
        record_events(run, job)
        code = run.end(attempt, record, max_retries - retry)
    if code == DONE or not attempt.context.keep_failed:
        shutil.rmtree(layout.sandbox(job), ignore_errors=True)
    return code


def end_run(submit_dir: Path, dag_status: int) -> int:
    """Record how the run ended, and bring its database up to date; return the exit code of the FINAL node."""
    with ExitStack() as stack:
        _lock(DagLayout(submit_dir), stack)
        hooks = stack.enter_context(running_hooks(submit_dir))
        follower = stack.enter_context(following(submit_dir))
        with open_dag_run(submit_dir) as run:
            outcome = run.finish(dag_status)
        follower.finish(LAST_PASS_S)
        if hooks is not None:
            hooks.finish()
    return DONE if outcome == "success" else FAILED


def _lock(layout: DagLayout, stack: ExitStack) -> None:
    """Take the lock of the run over from the watcher, so that the run counts as running to its end."""
    give_up_s = time.monotonic() + LOCK_WITHIN_S
    layout.ending.touch()
    while time.monotonic() < give_up_s:
        try:
            stack.enter_context(RunLock(SubmitDir(layout.submit_dir).lock))
            break
        except RunBusy:  # it has tried for a moment
            pass
    layout.ending.unlink(missing_ok=True)


def _fill(attempt: Attempt, layout: DagLayout) -> None:
    """Make the sandbox of an attempt that goes to the pool: with all files that its submit file names."""
    sandbox = Sandbox(layout.sandbox(attempt.id.job))
    fill_sandbox(sandbox, attempt)
    (sandbox.path / "scratch").mkdir(exist_ok=True)
    if not (times := sandbox.path / TIMES).exists():
        times.write_bytes(b"{}")
    if attempt.context.passwords and not (sandbox.path / PASSWORDS).exists():
        write_passwords(str(sandbox.path / PASSWORDS), {})


def _fill_here(attempt: Attempt, layout: DagLayout) -> None:
    """Make the directory of an attempt that runs on this machine."""
    directory = layout.sandbox(attempt.id.job)
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "attachments").mkdir(mode=0o700, parents=True)
    spec = spec_of(attempt, str(directory / "attachments"))
    (directory / "spec.json").write_bytes(msgspec.json.encode(spec))


def _collect(attempt: Attempt, layout: DagLayout) -> Record | None:
    """Put in place what came back from the pool; return the record, None if there is none."""
    job = read_job(layout.sandbox(attempt.id.job) / EVENTS, attempt).job
    if job.removed:
        return None
    try:
        return collect_sandbox(Sandbox(layout.sandbox(attempt.id.job)), attempt, Verified())
    except (MarkabError, OSError) as error:
        return unseen_record(ErrorKind.STORAGE, f"what came back cannot be put in place: {error}")


def _collect_here(attempt: Attempt, layout: DagLayout) -> Record | None:
    directory = layout.sandbox(attempt.id.job)
    try:
        record, _ = read_record(str(directory / RECORD))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        return unseen_record(ErrorKind.INTERNAL, f"the record of the worker cannot be read: {error}")
    keep_attachments(record, str(directory / "attachments"), attempt)
    return record


def _as_failure(error: AttemptFailed | MarkabError | OSError) -> AttemptFailed:
    if isinstance(error, AttemptFailed):
        return error
    return AttemptFailed(ErrorKind.STORAGE, f"the files of the job cannot be written: {error}")
