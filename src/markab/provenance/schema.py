"""The tables: Pegasus' stampede schema, version 14, and two of our own.

Names, columns, types and uniqueness are Pegasus', so that every query for its databases
works on ours. Our own begin with `markab_` and hold how far the journal was projected,
and facts for which the schema has no column.

Times are UTC epoch seconds, durations seconds. Exit codes are raw wait statuses
(256 is exit code 1). Rows belong to their workflow: deleting it deletes them all.

Unique keys of the large tables are indexes, not constraints, so that a new
database can be filled first and indexed afterwards.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from markab.provenance.precheck import VERSION as VERSION

FORMAT = 2
"""Version of the rows that `projection.py` makes; our own database with another number is rebuilt."""

KeyInteger = BigInteger().with_variant(Integer(), "sqlite")
Time = Numeric(16, 6, asdecimal=False)
Duration = Numeric(10, 3, asdecimal=False)

metadata = MetaData()

JOB_TYPES = (
    "unknown",
    "compute",
    "stage-in-tx",
    "stage-out-tx",
    "registration",
    "inter-site-tx",
    "create-dir",
    "staged-compute",
    "cleanup",
    "chmod",
    "dax",
    "dag",
)


def _key(name: str) -> Column[int]:
    return Column(name, KeyInteger, primary_key=True)


def _to(name: str, target: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    """Return a column that refers to another table; deleting the row there deletes this one."""
    reference = ForeignKey(target, ondelete="CASCADE")
    return Column(
        name, KeyInteger, reference, primary_key=primary_key, nullable=nullable, autoincrement=False
    )


def _enum(name: str, *words: str) -> Enum:
    """Return a column with few possible values. No constraint checks them: that would cost a tenth of the time."""
    return Enum(*words, name=name, native_enum=False, create_constraint=False)


def _table(name: str, *parts: Any, flat: bool = False) -> Table:
    """Declare a table; `flat`: in SQLite it is its own primary key, stored once instead of twice."""
    return Table(name, metadata, *parts, sqlite_with_rowid=not flat)


dbversion = _table(
    "dbversion",
    _key("id"),
    Column("version_number", Integer),
    Column("version", String(50), nullable=False),
    Column("version_timestamp", Integer, nullable=False),
)

workflow = _table(
    "workflow",
    _key("wf_id"),
    Column("wf_uuid", String(255), nullable=False, unique=True),
    Column("dag_file_name", String(255)),
    Column("timestamp", Time),
    Column("submit_hostname", String(255)),
    Column("submit_dir", Text),
    Column("planner_arguments", Text),
    Column("user", String(255)),
    Column("grid_dn", String(255)),
    Column("planner_version", String(255)),
    Column("dax_label", String(255)),
    Column("dax_version", String(255)),
    Column("dax_file", String(255)),
    Column("db_url", Text),
    _to("parent_wf_id", "workflow.wf_id", nullable=True),
    Column("root_wf_id", KeyInteger),
)

workflowstate = _table(
    "workflowstate",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    Column(
        "state", _enum("workflowstate_state", "WORKFLOW_STARTED", "WORKFLOW_TERMINATED"), primary_key=True
    ),
    Column("timestamp", Time, primary_key=True, autoincrement=False),
    Column("restart_count", Integer, nullable=False),
    Column("status", Integer),
    Column("reason", Text),
)

workflow_meta = _table(
    "workflow_meta",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", String(255), nullable=False),
)

host = _table(
    "host",
    _key("host_id"),
    _to("wf_id", "workflow.wf_id"),
    Column("site", String(255), nullable=False),
    Column("hostname", String(255), nullable=False),
    Column("ip", String(255), nullable=False),
    Column("uname", String(255)),
    Column("total_memory", Integer),
    UniqueConstraint("wf_id", "site", "hostname", "ip", name="UNIQUE_HOST"),
)

job = _table(
    "job",
    _key("job_id"),
    _to("wf_id", "workflow.wf_id"),
    Column("exec_job_id", String(255), nullable=False),
    Column("submit_file", String(255), nullable=False),
    Column("type_desc", _enum("job_type_desc", *JOB_TYPES), nullable=False),
    Column("clustered", Boolean, nullable=False),
    Column("max_retries", Integer, nullable=False),
    Column("executable", Text, nullable=False),
    Column("argv", Text),
    Column("task_count", Integer, nullable=False),
)

job_edge = _table(
    "job_edge",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    Column("parent_exec_job_id", String(255), primary_key=True),
    Column("child_exec_job_id", String(255), primary_key=True),
    flat=True,
)

task = _table(
    "task",
    _key("task_id"),
    _to("wf_id", "workflow.wf_id"),
    _to("job_id", "job.job_id", nullable=True),
    Column("abs_task_id", String(255), nullable=False),
    Column("transformation", Text, nullable=False),
    Column("argv", Text),
    Column("type_desc", String(255), nullable=False),
)

task_edge = _table(
    "task_edge",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    Column("parent_abs_task_id", String(255), primary_key=True),
    Column("child_abs_task_id", String(255), primary_key=True),
    flat=True,
)

task_meta = _table(
    "task_meta",
    _to("task_id", "task.task_id", primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", String(255), nullable=False),
    flat=True,
)

job_instance = _table(
    "job_instance",
    _key("job_instance_id"),
    _to("job_id", "job.job_id"),
    Column("host_id", KeyInteger, ForeignKey("host.host_id", ondelete="SET NULL")),
    Column("job_submit_seq", Integer, nullable=False),
    Column("sched_id", String(255)),
    Column("site", String(255)),
    Column("user", String(255)),
    Column("work_dir", Text),
    Column("cluster_start", Time),
    Column("cluster_duration", Duration),
    Column("local_duration", Duration),
    Column("subwf_id", KeyInteger, ForeignKey("workflow.wf_id", ondelete="SET NULL")),
    Column("stdout_file", String(255)),
    Column("stdout_text", Text),
    Column("stderr_file", String(255)),
    Column("stderr_text", Text),
    Column("stdin_file", String(255)),
    Column("multiplier_factor", Integer, nullable=False),
    Column("exitcode", Integer),
)

jobstate = _table(
    "jobstate",
    _to("job_instance_id", "job_instance.job_instance_id", primary_key=True),
    Column("state", String(255), primary_key=True),
    Column("timestamp", Time, primary_key=True, autoincrement=False),
    Column("jobstate_submit_seq", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text),
    flat=True,
)

invocation = _table(
    "invocation",
    _key("invocation_id"),
    _to("wf_id", "workflow.wf_id"),
    _to("job_instance_id", "job_instance.job_instance_id"),
    Column("task_submit_seq", Integer, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("remote_duration", Duration, nullable=False),
    Column("remote_cpu_time", Duration),
    Column("exitcode", Integer, nullable=False),
    Column("transformation", Text, nullable=False),
    Column("executable", Text, nullable=False),
    Column("argv", Text),
    Column("abs_task_id", String(255)),
    Column("maxrss", BigInteger),
    Column("avg_cpu", Numeric(16, 6, asdecimal=False)),
)

integrity = _table(
    "integrity",
    _key("integrity_id"),
    _to("wf_id", "workflow.wf_id"),
    _to("job_instance_id", "job_instance.job_instance_id"),
    Column("type", _enum("integrity_type", "check", "compute"), nullable=False),
    Column("file_type", _enum("integrity_file_type", "input", "output")),
    Column("count", Integer, nullable=False),
    Column("duration", Duration, nullable=False),
)

tag = _table(
    "tag",
    _key("tag_id"),
    _to("wf_id", "workflow.wf_id"),
    _to("job_instance_id", "job_instance.job_instance_id"),
    Column("name", String(255), nullable=False),
    Column("count", Integer, nullable=False),
)

rc_lfn = _table("rc_lfn", _key("lfn_id"), Column("lfn", String(245), nullable=False))

rc_pfn = _table(
    "rc_pfn",
    _key("pfn_id"),
    _to("lfn_id", "rc_lfn.lfn_id"),
    Column("pfn", String(245), nullable=False),
    Column("site", String(245)),
)

rc_meta = _table(
    "rc_meta",
    _to("lfn_id", "rc_lfn.lfn_id", primary_key=True),
    Column("key", String(245), primary_key=True),
    Column("value", String(245), nullable=False),
    flat=True,
)

workflow_files = _table(
    "workflow_files",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    _to("task_id", "task.task_id", primary_key=True),
    _to("lfn_id", "rc_lfn.lfn_id", primary_key=True),
    Column("file_type", String(255), nullable=False),
    flat=True,
)

master_workflow = _table(
    "master_workflow",
    _key("wf_id"),
    Column("wf_uuid", String(255), nullable=False, unique=True),
    Column("dag_file_name", String(255)),
    Column("timestamp", Time),
    Column("submit_hostname", String(255)),
    Column("submit_dir", Text),
    Column("planner_arguments", Text),
    Column("user", String(255)),
    Column("grid_dn", String(255)),
    Column("planner_version", String(255)),
    Column("dax_label", String(255)),
    Column("dax_version", String(255)),
    Column("dax_file", String(255)),
    Column("db_url", Text),
    Column("archived", Boolean, nullable=False),
)

master_workflowstate = _table(
    "master_workflowstate",
    _to("wf_id", "master_workflow.wf_id", primary_key=True),
    Column(
        "state",
        _enum("master_workflowstate_state", "WORKFLOW_STARTED", "WORKFLOW_TERMINATED"),
        primary_key=True,
    ),
    Column("timestamp", Time, primary_key=True, autoincrement=False),
    Column("restart_count", Integer, nullable=False),
    Column("status", Integer),
    Column("reason", Text),
)

ensemble = _table(
    "ensemble",
    _key("id"),
    Column("name", String(100), nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("state", _enum("ensemble_state", "ACTIVE", "HELD", "PAUSED"), nullable=False),
    Column("max_running", Integer, nullable=False),
    Column("max_planning", Integer, nullable=False),
    Column("username", String(100), nullable=False),
    UniqueConstraint("name", "username", name="UNIQUE_ENSEMBLE"),
)

ensemble_workflow = _table(
    "ensemble_workflow",
    _key("id"),
    _to("ensemble_id", "ensemble.id"),
    Column("name", String(100), nullable=False),
    Column("basedir", String(512), nullable=False),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column(
        "state",
        _enum(
            "ensemble_workflow_state",
            "READY",
            "PLANNING",
            "PLAN_FAILED",
            "QUEUED",
            "RUN_FAILED",
            "RUNNING",
            "FAILED",
            "SUCCESSFUL",
            "ABORTED",
        ),
        nullable=False,
    ),
    Column("priority", Integer, nullable=False),
    Column("wf_uuid", String(36)),
    Column("submitdir", String(512)),
    Column("plan_command", String(1024), nullable=False),
    UniqueConstraint("ensemble_id", "name", name="UNIQUE_ENSEMBLE_WORKFLOW"),
)

trigger = _table(
    "trigger",
    _key("id"),
    _to("ensemble_id", "ensemble.id"),
    Column("name", String(100), nullable=False),
    Column("state", _enum("trigger_state", "READY", "RUNNING", "STOPPED", "FAILED"), nullable=False),
    Column("workflow", Text, nullable=False),
    Column("args", Text),
    Column("type", _enum("trigger_type", "CRON", "FILE_PATTERN"), nullable=False),
    UniqueConstraint("ensemble_id", "name", name="UNIQUE_TRIGGER"),
)

# --- ours -------------------------------------------------------------------

projection = _table(
    "markab_projection",
    _to("wf_id", "workflow.wf_id", primary_key=True),
    Column("format", Integer, nullable=False),
    Column("journal_bytes", BigInteger, nullable=False),
    # Bytes of the journal that were projected; always whole lines.
    Column("last_line", String(64), nullable=False),
    # "<length> <checksum>" of the last of them, to detect another journal.
    Column("jobs", BigInteger, nullable=False),
    Column("first_job_id", BigInteger, nullable=False),
    # Job number n of the plan is the row `first_job_id + n`.
    Column("submit_seq", BigInteger, nullable=False),
    # Attempts started so far; the next gets the next number.
    Column("restarts", Integer, nullable=False),
    # Engines that have opened the run.
    Column("state_time", Float, nullable=False),
    # Time of the last workflow state, so that no two have the same.
)

attempt = _table(
    "markab_attempt",
    _to("job_instance_id", "job_instance.job_instance_id", primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("journal_start", BigInteger, nullable=False),
    Column("journal_bytes", Integer, nullable=False),
    # Where in the journal the record of its end is, with the worker's whole record.
    Column("error_kind", String(32)),
    # None: it succeeded.
    Column("files_moved", Integer, nullable=False),
    Column("bytes_moved", BigInteger, nullable=False),
    Column("move_duration", Duration, nullable=False),
    # Seconds, the sum over all files, some of which may have been moved at the same time.
)
"""Of attempts that failed, or moved files."""

LATER: tuple[Index, ...] = (
    Index("UNIQUE_JOB", job.c.wf_id, job.c.exec_job_id, unique=True),
    Index("job_type_desc_COL", job.c.type_desc),
    Index("job_exec_job_id_COL", job.c.exec_job_id),
    Index("UNIQUE_TASK", task.c.wf_id, task.c.abs_task_id, unique=True),
    Index("task_abs_task_id_COL", task.c.abs_task_id),
    Index("task_wf_id_COL", task.c.wf_id),
    Index("UNIQUE_JOB_INSTANCE", job_instance.c.job_id, job_instance.c.job_submit_seq, unique=True),
    Index("jobstate_submit_seq_COL", jobstate.c.jobstate_submit_seq),
    Index("UNIQUE_INVOCATION", invocation.c.job_instance_id, invocation.c.task_submit_seq, unique=True),
    Index("invoc_abs_task_id_COL", invocation.c.abs_task_id),
    Index("invoc_wf_id_COL", invocation.c.wf_id),
    Index(
        "UNIQUE_INTEGRITY",
        integrity.c.job_instance_id,
        integrity.c.type,
        integrity.c.file_type,
        unique=True,
    ),
    Index("UNIQUE_TAG", tag.c.wf_id, tag.c.job_instance_id, unique=True),
    Index("UNIQUE_LFN", rc_lfn.c.lfn, unique=True),
    Index("UNIQUE_PFN", rc_pfn.c.lfn_id, rc_pfn.c.pfn, rc_pfn.c.site, unique=True),
    Index("workflowstate_timestamp_COL", workflowstate.c.timestamp),
)
"""Created after a new database has been filled."""
