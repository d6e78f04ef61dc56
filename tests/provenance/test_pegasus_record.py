"""Reading the files of DAGMan and monitord, and the states of jobs that follow from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.plan.model import Kind
from markab.provenance.dag_file import done_in_rescue, read_dag
from markab.provenance.jobstate_reader import LastState, read_jobstate_log
from markab.provenance.pegasus_directory import find_pegasus_directory, is_pegasus_directory
from markab.provenance.pegasus_record import job_state, kinds_and_xforms

DAG = """\
# PEGASUS WMS GENERATED DAG FILE
MAXJOBS cleanup 4
JOB merge_sum_PID1_ID1 00/00/merge_sum_PID1_ID1.sub
SCRIPT PRE merge_sum_PID1_ID1 /bin/true
SCRIPT POST merge_sum_PID1_ID1 /opt/pegasus-exitcode -r $RETURN x.out
RETRY merge_sum_PID1_ID1 3
JOB clean_up_local_level_2_0 00/00/clean_up_local_level_2_0.sub
SUBDAG EXTERNAL inner_ID2 inner.dag DIR inner
VARS inner_ID2 +DAGNodeRetry="$(RETRY)"
PARENT merge_sum_PID1_ID1 inner_ID2 CHILD clean_up_local_level_2_0 unknown
PARENT
RETRY unknown 2
"""


def test_a_dag_file_has_jobs_dependencies_retries_and_scripts(tmp_path: Path) -> None:
    (tmp_path / "w.dag").write_text(DAG)
    dag = read_dag(tmp_path / "w.dag")
    assert dag.ids == ["merge_sum_PID1_ID1", "clean_up_local_level_2_0", "inner_ID2"]
    assert (dag.parents, dag.retries, dag.has_post) == ([[], [0, 2], []], [3, 0, 0], [True, False, False])
    assert kinds_and_xforms(dag) == (
        [Kind.COMPUTE, Kind.CLEANUP, Kind.SUBWORKFLOW],
        ["sum", "cleanup", "subworkflow"],
    )


def test_the_rescue_file_with_the_highest_number_counts(tmp_path: Path) -> None:
    for number, job in (("009", "a"), ("010", "b"), ("x", "c")):
        (tmp_path / f"w.dag.rescue{number}").write_text(f"# DONE d\nDONE {job}\nRETRY e 1\n")
    assert done_in_rescue(tmp_path / "w.dag") == {"b"}
    assert done_in_rescue(tmp_path / "v.dag") == set()


LOG = """\
10 INTERNAL *** DAGMAN_STARTED 1.0 ***
11 a_1 SUBMIT 1.0 pool - 1
12 a_1 EXECUTE 1.0 pool - 1
13 a_1 JOB_HELD 1.0 pool - 1
13 a_1 JOB_HELD_REASON 1.0 pool - 1
14 b_2 SUBMIT 2.0 - - 2
15 b_2 IMAGE_SIZE 2.0 - - 2
20 INTERNAL *** DAGMAN_FINISHED 1 ***
30 INTERNAL *** DAGMAN_STARTED 3.0 ***
31 a_1 SUBMIT 3.0 pool - 3
"""


def test_a_log_has_the_last_state_of_each_job_and_when_dagman_worked(tmp_path: Path) -> None:
    log = tmp_path / "jobstate.log"
    log.write_text(LOG)
    found = read_jobstate_log(log)
    assert found is not None
    assert found.spans == [[10.0, 20.0], [30.0, None]] and found.exit_code is None
    assert found.jobs["a_1"] == LastState("SUBMIT", 31.0, "pool", attempt=2, tries=1, held=False)
    assert found.jobs["b_2"] == LastState("SUBMIT", 14.0, "", attempt=1, tries=0)
    log.write_text(LOG[: LOG.index("14 b_2")])
    found = read_jobstate_log(log)
    assert found is not None and found.jobs["a_1"].held and found.jobs["a_1"].state == "JOB_HELD"
    assert read_jobstate_log(tmp_path / "none") is None


def test_a_log_is_as_recent_as_its_latest_whole_line(tmp_path: Path) -> None:
    (tmp_path / "jobstate.log").write_text(LOG + "25 a_1 EXECUTE 3.0 pool - 3\n99 no line\n98 a_1 EXEC")
    history = read_jobstate_log(tmp_path / "jobstate.log")

    assert history is not None
    assert (history.last_time, history.bad_lines) == (31.0, 2), "a clock may have been set back"


@pytest.mark.parametrize(
    ("last", "has_post", "tries", "is_over", "expected"),
    [
        ("PRE_SCRIPT_STARTED", False, 0, False, "pre"),
        ("SUBMIT", False, 1, False, "queued"),
        ("GRID_SUBMIT", False, 1, False, "queued"),
        ("JOB_HELD", False, 1, False, "queued"),
        ("EXECUTE", False, 1, False, "running"),
        ("JOB_EVICTED", False, 1, False, "queued"),
        ("JOB_SUCCESS", False, 1, False, "succeeded"),
        ("JOB_SUCCESS", True, 1, False, "post"),
        ("JOB_FAILURE", True, 1, False, "post"),
        ("POST_SCRIPT_SUCCESS", True, 1, False, "succeeded"),
        ("POST_SCRIPT_FAILURE", True, 1, False, "ready"),
        ("POST_SCRIPT_FAILURE", True, 3, False, "failed"),
        ("POST_SCRIPT_FAILURE", True, 1, True, "failed"),
        ("JOB_FAILURE", False, 1, True, "failed"),
        ("EXECUTE", False, 1, True, "lost"),
        ("JOB_SUCCESS", True, 1, True, "lost"),
    ],
)
def test_the_state_of_a_job_follows_from_the_last_one_in_the_log(
    last: str, has_post: bool, tries: int, is_over: bool, expected: str
) -> None:
    assert job_state(LastState(last, 0.0, tries=tries), has_post, 2, is_over=is_over) == expected


def test_a_directory_is_one_of_pegasus_by_its_braindump_or_by_what_only_pegasus_writes(
    tmp_path: Path,
) -> None:
    assert not is_pegasus_directory(tmp_path) and find_pegasus_directory(tmp_path) is None
    (tmp_path / "mine.dag").write_text("JOB a a.sub\n")
    assert find_pegasus_directory(tmp_path) is None, "any user of HTCondor has DAG files"
    (tmp_path / "w-0.dag").write_text(DAG)
    assert find_pegasus_directory(tmp_path) == find_pegasus_directory(tmp_path / "w-0.dag") == tmp_path
    (tmp_path / "braindump.yml").touch()
    assert is_pegasus_directory(tmp_path)
    (tmp_path / "plan.jsonl").touch()
    assert not is_pegasus_directory(tmp_path) and find_pegasus_directory(tmp_path) is None
