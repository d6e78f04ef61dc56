"""The tables that Pegasus' own tools and queries expect: names of columns, and which may be empty."""

from __future__ import annotations

from sqlalchemy import Table

from markab.plan.model import Kind
from markab.provenance import schema
from markab.provenance.plan_rows import TYPES

TABLES = {table.name: table for table in vars(schema).values() if isinstance(table, Table)}

# A question mark: the column may be NULL.
COLUMNS = {
    "dbversion": "id version_number? version version_timestamp",
    "ensemble": "id name created updated state max_running max_planning username",
    "ensemble_workflow": "id ensemble_id name basedir created updated state priority wf_uuid? submitdir? plan_command",
    "host": "host_id wf_id site hostname ip uname? total_memory?",
    "integrity": "integrity_id wf_id job_instance_id type file_type? count duration",
    "invocation": "invocation_id wf_id job_instance_id task_submit_seq start_time remote_duration remote_cpu_time? exitcode transformation executable argv? abs_task_id? maxrss? avg_cpu?",
    "job": "job_id wf_id exec_job_id submit_file type_desc clustered max_retries executable argv? task_count",
    "job_edge": "wf_id parent_exec_job_id child_exec_job_id",
    "job_instance": "job_instance_id job_id host_id? job_submit_seq sched_id? site? user? work_dir? cluster_start? cluster_duration? local_duration? subwf_id? stdout_file? stdout_text? stderr_file? stderr_text? stdin_file? multiplier_factor exitcode?",
    "jobstate": "job_instance_id state timestamp jobstate_submit_seq reason?",
    "markab_attempt": "job_instance_id attempt journal_start journal_bytes error_kind? files_moved bytes_moved move_duration",
    "markab_projection": "wf_id format journal_bytes last_line jobs first_job_id submit_seq restarts state_time",
    "master_workflow": "wf_id wf_uuid dag_file_name? timestamp? submit_hostname? submit_dir? planner_arguments? user? grid_dn? planner_version? dax_label? dax_version? dax_file? db_url? archived",
    "master_workflowstate": "wf_id state timestamp restart_count status? reason?",
    "rc_lfn": "lfn_id lfn",
    "rc_meta": "lfn_id key value",
    "rc_pfn": "pfn_id lfn_id pfn site?",
    "tag": "tag_id wf_id job_instance_id name count",
    "task": "task_id wf_id job_id? abs_task_id transformation argv? type_desc",
    "task_edge": "wf_id parent_abs_task_id child_abs_task_id",
    "task_meta": "task_id key value",
    "trigger": "id ensemble_id name state workflow args? type",
    "workflow": "wf_id wf_uuid dag_file_name? timestamp? submit_hostname? submit_dir? planner_arguments? user? grid_dn? planner_version? dax_label? dax_version? dax_file? db_url? parent_wf_id? root_wf_id?",
    "workflow_files": "wf_id task_id lfn_id file_type",
    "workflow_meta": "wf_id key value",
    "workflowstate": "wf_id state timestamp restart_count status? reason?",
}
INDEXES = """
    UNIQUE_INTEGRITY UNIQUE_INVOCATION UNIQUE_JOB UNIQUE_JOB_INSTANCE UNIQUE_LFN UNIQUE_PFN UNIQUE_TAG UNIQUE_TASK
    invoc_abs_task_id_COL invoc_wf_id_COL job_exec_job_id_COL job_type_desc_COL jobstate_submit_seq_COL
    task_abs_task_id_COL task_wf_id_COL workflowstate_timestamp_COL
"""


def test_every_table_has_the_columns_that_others_read() -> None:
    assert {
        name: " ".join(column.name + "?" * bool(column.nullable) for column in table.columns)
        for name, table in TABLES.items()
    } == COLUMNS


def test_every_index_has_its_name() -> None:
    assert sorted(INDEXES.split()) == sorted(
        str(index.name) for table in TABLES.values() for index in table.indexes
    )


def test_every_kind_of_job_has_the_name_that_queries_ask_for() -> None:
    assert {kind.name: TYPES[kind] for kind in Kind} == {
        "COMPUTE": "compute",
        "STAGE_IN": "stage-in-tx",
        "STAGE_OUT": "stage-out-tx",
        "STAGE_INTER": "inter-site-tx",
        "CREATE_DIR": "create-dir",
        "CLEANUP": "cleanup",
        "REGISTER": "registration",
        "SUBWORKFLOW": "dax",
        "NOOP": "unknown",
    }
