"""What the files or the database of a run of Pegasus record of its jobs: dependencies, and the state of each.

The DAG file and `jobstate.log` have it, also while the run is in progress; the database,
if one of them is missing. `notes` says what is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markab.errors import MarkabError, StorageError
from markab.plan.model import Kind
from markab.provenance.dag_file import Dag, done_in_rescue, read_dag
from markab.provenance.jobstate_reader import JobstateHistory, LastState, read_jobstate_log
from markab.provenance.pegasus_directory import PegasusDirectory

UNREADY, READY, PRE, QUEUED, RUNNING, POST = "unready", "ready", "pre", "queued", "running", "post"
SUCCEEDED, FAILED, LOST = "succeeded", "failed", "lost"
"""The states of a job. Lost: it was under way when its DAGMan ended."""

_STATES = {
    "PRE_SCRIPT_STARTED": PRE,
    "PRE_SCRIPT_TERMINATED": PRE,
    "PRE_SCRIPT_SUCCESS": PRE,
    "PRE_SCRIPT_FAILURE": FAILED,
    "PRE_SCRIPT_FAILED": FAILED,
    "EXECUTE": RUNNING,
    "JOB_TERMINATED": RUNNING,
    "JOB_EVICTED": QUEUED,
    "SHADOW_EXCEPTION": QUEUED,
    "POST_SCRIPT_STARTED": POST,
    "POST_SCRIPT_TERMINATED": POST,
    "POST_SCRIPT_SUCCESS": SUCCEEDED,
    "POST_SCRIPT_FAILURE": FAILED,
    "POST_SCRIPT_FAILED": FAILED,
    "JOB_SUCCESS": SUCCEEDED,
    "JOB_FAILURE": FAILED,
    "JOB_ABORTED": FAILED,
    "SUBMIT_FAILED": FAILED,
}
"""Last state in the log, or in the database → state of the job; any other is one of a job in a queue."""
_BEFORE_POST = frozenset(("JOB_SUCCESS", "JOB_FAILURE", "JOB_ABORTED"))

_KINDS = {
    "stage-in-tx": Kind.STAGE_IN,
    "stage-out-tx": Kind.STAGE_OUT,
    "inter-site-tx": Kind.STAGE_INTER,
    "registration": Kind.REGISTER,
    "create-dir": Kind.CREATE_DIR,
    "cleanup": Kind.CLEANUP,
    "dax": Kind.SUBWORKFLOW,
    "dag": Kind.SUBWORKFLOW,
}
"""`type_desc` in the database → kind; all others run tasks."""
_BEGINNINGS = (
    ("create_dir_", Kind.CREATE_DIR),
    ("stage_in_", Kind.STAGE_IN),
    ("stage_worker_", Kind.STAGE_IN),
    ("stage_out_", Kind.STAGE_OUT),
    ("stage_inter_", Kind.STAGE_INTER),
    ("register_", Kind.REGISTER),
    ("clean_up_", Kind.CLEANUP),
    ("cleanup_", Kind.CLEANUP),
    ("pegasus-plan_", Kind.SUBWORKFLOW),
    ("subdax_", Kind.SUBWORKFLOW),
    ("subdag_", Kind.SUBWORKFLOW),
)
"""Beginning of a job's name → kind."""


@dataclass
class PegasusRecord:
    """The jobs of a run."""

    directory: PegasusDirectory
    dag: Dag
    history: JobstateHistory
    done: set[str] = field(default_factory=set)
    """Jobs that a rescue file has as done."""
    kinds: list[Kind] = field(default_factory=list)
    xforms: list[str] = field(default_factory=list)
    """The transformation of each job; of an auxiliary job its kind."""
    notes: list[str] = field(default_factory=list)
    """For the user: what is not known."""
    is_known: bool = True
    """The states are known: there is a log, or a database."""

    @property
    def is_over(self) -> bool:
        """The last DAGMan has ended."""
        return self.history.exit_code is not None

    @property
    def state(self) -> str:
        """`Not started`, `Running`, `Success`, `Failure`, or `Unknown` if nothing records it."""
        if self.is_over:
            return "Failure" if self.history.exit_code else "Success"
        if self.history.spans:
            return "Running"
        if self.done:
            return "Failure"
        return "Not started" if self.is_known else "Unknown"

    def states(self) -> list[str]:
        """Return the state of every job."""
        dag, jobs = self.dag, self.history.jobs
        found = []
        for job, has_post, retries in zip(dag.ids, dag.has_post, dag.retries, strict=True):
            seen = jobs.get(job)
            if seen is None:
                found.append(SUCCEEDED if job in self.done else UNREADY)
            else:
                found.append(job_state(seen, has_post, retries, is_over=self.is_over))
        for number, state in enumerate(found):
            if state == UNREADY and all(found[parent] == SUCCEEDED for parent in dag.parents[number]):
                found[number] = READY
        return found


def job_state(seen: LastState, has_post: bool, retries: int, *, is_over: bool) -> str:
    """Return the state of a job that was started."""
    state = POST if has_post and seen.state in _BEFORE_POST else _STATES.get(seen.state, QUEUED)
    if is_over and state not in (SUCCEEDED, FAILED):
        return LOST
    return READY if state == FAILED and not is_over and seen.tries <= retries else state


def read_record(directory: PegasusDirectory, *, with_transformations: bool = False) -> PegasusRecord:
    """Read what is recorded of the jobs of a run.

    `with_transformations`: from the database, if it can be read, since it has them by name.

    Raises:
        StorageError: neither files nor database can be read.
    """
    notes = list(directory.notes)
    dag, history = _dag(directory, notes), _log(directory, notes)
    has_files = dag is not None and history is not None
    if not has_files or with_transformations:
        try:
            stored = _from_database(directory)
        except MarkabError as error:
            if not has_files:
                notes.append(f"{error}")
        else:
            stored.notes = notes
            return stored
    done = done_in_rescue(directory.dag) if directory.dag is not None else set()
    if history is not None and dag is None:
        dag = Dag()
        for job in history.jobs:
            dag.add(job, "")
        notes.append("jobs that were never started are not counted")
    if dag is None:
        raise StorageError(
            f"nothing is recorded of the jobs in {str(directory.path)!r}: {'; '.join(notes)}",
            hint="copy the DAG file and jobstate.log, or the database, from where the workflow ran",
        )
    is_known = history is not None
    kinds, xforms = kinds_and_xforms(dag)
    return PegasusRecord(directory, dag, history or JobstateHistory(), done, kinds, xforms, notes, is_known)


def _dag(directory: PegasusDirectory, notes: list[str]) -> Dag | None:
    if directory.dag is None:
        notes.append("the DAG file is missing")
        return None
    try:
        return read_dag(directory.dag)
    except MarkabError as error:
        notes.append(str(error))
        return None


def _log(directory: PegasusDirectory, notes: list[str]) -> JobstateHistory | None:
    try:
        history = read_jobstate_log(directory.log)
    except MarkabError as error:
        notes.append(str(error))
        return None
    if history is None:
        notes.append(f"{directory.log.name} is missing")
    elif history.bad_lines:
        lines = "a line" if history.bad_lines == 1 else f"{history.bad_lines} lines"
        notes.append(
            f"{lines} of {directory.log.name} cannot be read, and {'is' if lines == 'a line' else 'are'} left out"
        )
    return history


def _from_database(directory: PegasusDirectory) -> PegasusRecord:
    from markab.provenance import pegasus_queries as queries
    from markab.provenance.pegasus_database import open_pegasus_database

    with open_pegasus_database(directory) as database:
        dag, kinds, names = Dag(), [], queries.transformations_of_jobs(database)
        xforms = []
        for _, job, type_desc, retries in queries.job_ids(database):
            number = dag.add(job, "")
            dag.retries[number] = retries
            kinds.append(kind_of_type(type_desc))
            xforms.append(_joined(names.get(job, ())) or xform_of_name(job, kinds[-1]))
        for parent, child in queries.edges(database):
            if parent in dag.number and child in dag.number:
                dag.parents[dag.number[child]].append(dag.number[parent])
        history = JobstateHistory()
        for row in queries.last_attempts(database):
            ended = {None: row.state or "SUBMIT", 0: "JOB_SUCCESS"}.get(row.exitcode, "JOB_FAILURE")
            since = float(row.timestamp or 0)
            held = row.exitcode is None and row.state == "JOB_HELD"
            history.jobs[row.exec_job_id] = LastState(
                ended, since, row.site or "", row.attempts, row.attempts, held
            )
            history.last_time = max(history.last_time, since)
        history.spans = [list(span) for span in queries.spans(database)]
        run = queries.run_states(database)[database.workflow.wf_id]
        history.exit_code = run.status if run.ended is not None else None
        if run.ended is not None and run.status is None:
            history.exit_code = 1
        history.last_time = max(history.last_time, run.ended or 0.0, run.started or 0.0)
        return PegasusRecord(directory, dag, history, kinds=kinds, xforms=xforms)


def kind_of_type(type_desc: str) -> Kind:
    """Return the kind of a job, from its type in the database."""
    return _KINDS.get(type_desc, Kind.COMPUTE)


def kinds_and_xforms(dag: Dag) -> tuple[list[Kind], list[str]]:
    """Return kind and transformation of each job, from the names of the jobs alone."""
    kinds = [
        Kind.SUBWORKFLOW if number in dag.subworkflows else _kind_of_name(job)
        for number, job in enumerate(dag.ids)
    ]
    return kinds, [xform_of_name(job, kind) for job, kind in zip(dag.ids, kinds, strict=True)]


def _kind_of_name(job: str) -> Kind:
    return next((kind for beginning, kind in _BEGINNINGS if job.startswith(beginning)), Kind.COMPUTE)


def xform_of_name(job: str, kind: Kind) -> str:
    """Return the transformation of a job from its name, `<transformation>_<id>`; of an auxiliary job its kind."""
    if kind is not Kind.COMPUTE:
        return str(kind.value)
    if job.startswith("merge_") and "_PID" in job:
        return job[len("merge_") : job.rindex("_PID")]
    return job.rpartition("_")[0] or job


def _joined(names: tuple[str, ...] | list[str]) -> str:
    return " + ".join(names) if len(names) <= 3 else f"{len(names)} transformations"
