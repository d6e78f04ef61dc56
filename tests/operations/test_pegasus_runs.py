"""What can be read of the submit directories of Pegasus, whole and damaged; none of them is written to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kit.made_run import compute, make_run
from kit.pegasus_run import BEGIN_S, PegasusRun, diamond, nested, restarted
from markab import operations
from markab.errors import MarkabError, NotARun, StorageError
from markab.operations.readable_runs import open_run

VERSIONS = ("5.0.1", "5.1.2")


def contents(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def read_all(path: Path) -> tuple[operations.Status, operations.Statistics, dict[str, object], str]:
    """Status, statistics, failures and drawing of a run, after which its directory is as before."""
    before = contents(path)
    status = operations.read_status(path, why=True, check_results=True)
    operations.read_undelivered(status)
    statistics = operations.save_statistics(path)
    with operations.analyze(path) as found:
        failures = found.to_json()
        assert found.text(verbose=1) and found.pegasus_text(verbose=1)
    drawn = operations.render_drawing(operations.draw(path), "dot").decode()
    operations.list_jobs(path)
    assert contents(path) == before
    return status, statistics, failures, drawn


def counts(status: operations.Status) -> dict[str, int]:
    names = ("unready", "ready", "pre", "queued", "post", "succeeded", "failed")
    return {name: number for name in names if (number := getattr(status, name))}


# -- whole --------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_that_succeeded_is_read_and_its_directory_is_left_as_it_was(
    tmp_path: Path, version: str
) -> None:
    status, statistics, failures, drawn = read_all(diamond(tmp_path / "run", version).path)

    assert (status.state, counts(status), status.total) == ("Success", {"succeeded": 7}, 7)
    assert status.note == f"a run of Pegasus {version}" and not status.warnings
    assert (status.workflow, status.dag, status.started) == ("diamond", "diamond-0.dag", BEGIN_S)
    assert statistics.state == "Success" and statistics.summary.jobs.succeeded == 7
    assert statistics.summary.tasks.attempts == 5
    assert statistics.notes[0] == f"a run of Pegasus {version}: it records no bytes moved"
    assert failures["left"]["succeeded"] == 7 and not failures["causes"]  # type: ignore[index]
    assert drawn.count("succeeded") == 7 and '"job make_a" -> "job find_b"' in drawn


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_that_failed_names_the_job_the_cause_and_what_it_holds_up(tmp_path: Path, version: str) -> None:
    status, statistics, failures, drawn = read_all(diamond(tmp_path / "run", version, fails=True).path)

    assert (status.state, counts(status)) == ("Failure", {"unready": 2, "succeeded": 4, "failed": 1})
    assert (
        statistics.summary.jobs.failed,
        statistics.integrity.errors,
        statistics.integrity.failed_jobs,
    ) == (1, 1, 1)
    (cause,) = failures["causes"]  # type: ignore[misc]
    assert (cause["jobs"], cause["holds_up"], cause["title"]) == (
        ["find_b"],
        2,
        "exit code 3: no such file: müll",
    )
    assert failures["left"] | {} == {  # type: ignore[operator]
        "succeeded": 4, "failed": 1, "failing": 0, "running": 0, "lost": 0, "blocked": 2, "unsubmitted": 0,
    }  # fmt: skip
    (details,) = failures["workflows"]["root"]["jobs"]["job_details"]["failed_jobs_details"].values()  # type: ignore[index]
    assert (details["stdout_text"], details["stderr_text"]) == ("said", "no such file: müll")
    assert (details["site"], details["hostname"], details["state"]) == (
        "condorpool",
        "node1",
        "POST_SCRIPT_FAILED",
    )
    assert "failed" in drawn and drawn.count("not started") == 2


def test_the_report_of_failures_says_what_can_be_typed(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", fails=True)
    with operations.analyze(run.path) as found:
        assert found.has_failure
        text = found.text()
    assert "find_b: exit code 3: no such file: müll [holds up 2 jobs]" in text
    assert "command   /bin/work -i 'two words'" in text and "site condorpool, host node1" in text
    assert "2 tries, last state POST_SCRIPT_FAILED" in text and f"pegasus-run {run.path}" in text


def test_a_run_in_progress_shows_what_is_under_way(tmp_path: Path) -> None:
    status, statistics, failures, _ = read_all(diamond(tmp_path / "run", runs=True).path)

    assert (status.state, counts(status), status.is_over) == (
        "Running",
        {"unready": 2, "queued": 1, "succeeded": 4},
        False,
    )
    ((job, site, state, attempt),) = [(one.id, one.site, one.state, one.attempt) for one in status.jobs]
    assert (job, site, state, attempt) == ("find_b", "condorpool", "Run", 1)
    assert "whether DAGMan still runs, `condor_q` of its submit host says" in status.note
    assert statistics.state == "Running" and statistics.run.ended is None
    assert failures["workflows"]["root"]["wf_status"] == "running"  # type: ignore[index]


def test_a_run_that_was_continued_counts_both_calls(tmp_path: Path) -> None:
    run = restarted(tmp_path / "run")
    status, statistics, failures, _ = read_all(run.path)

    first, second = ((run.events[n][0], run.events[n + 1][0]) for n in (0, 2))
    active_s = first[1] - first[0] + second[1] - second[0]
    assert statistics.times.active_s == pytest.approx(active_s) == status.active_s
    assert statistics.times.elapsed_s == pytest.approx(second[1] - first[0])
    assert (statistics.run.restarts, statistics.summary.tasks.retries) == (1, 3)
    assert statistics.summary.tasks.succeeded == 3 and statistics.summary.tasks.failed == 1
    (cause,) = failures["causes"]  # type: ignore[misc]
    assert "SIGKILL" in cause["title"] and "profile pegasus.memory" in cause["remedy"]


def test_sub_workflows_are_counted_and_their_failed_jobs_are_named(tmp_path: Path) -> None:
    run = nested(tmp_path / "run")
    status, statistics, failures, _ = read_all(run.path)

    assert status.total == 3 and "1 sub-workflow counts as one job each" in status.note
    assert (statistics.summary.jobs.total, statistics.summary.sub_workflows.failed) == (4, 1)
    assert statistics.members is not None and [one.name for one in statistics.members] == ["outer", "inside"]
    causes = {cause["jobs"][0]: cause["title"] for cause in failures["causes"]}  # type: ignore[attr-defined]
    assert set(causes) == {"pegasus-plan_inner", "show_s (in inside)"}
    assert "'numpy' is not installed" in causes["show_s (in inside)"]


def test_a_sub_workflow_is_read_from_the_database_of_its_root(tmp_path: Path) -> None:
    inner = nested(tmp_path / "run").path / "00/00/inside.000"
    status, statistics, _, _ = read_all(inner)
    assert (status.total, status.failed) == (2, 1)
    assert (statistics.workflow, statistics.summary.jobs.total, statistics.summary.jobs.failed) == (
        "inside",
        2,
        1,
    )


def test_a_directory_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    run = diamond(tmp_path / "old")
    shutil.move(run.path, tmp_path / "new")
    assert read_all(tmp_path / "new")[1].submit_dir == str(tmp_path / "new")


def test_runs_of_pegasus_are_listed_with_those_of_markab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    diamond(tmp_path / "ada/pegasus/diamond/run0001", fails=True)
    make_run(tmp_path / "ada/pegasus/w/run0001", [compute("a")])
    runs, _ = operations.list_runs(tmp_path)
    found = {run.workflow: (run.state, run.succeeded, run.total) for run in runs}
    assert found["diamond"] == ("Failure", 4, 7) and len(found) == 2
    assert next(run.planned for run in runs if run.workflow == "diamond") > 0


def test_the_jobs_are_listed_with_their_states(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", fails=True)
    jobs = {one["job"]: one for one in operations.list_jobs(run.path)}
    assert jobs["find_b"] == {
        "job": "find_b", "label": "", "kind": "compute", "site": "condorpool", "state": "failed", "attempts": 2,
    }  # fmt: skip
    assert jobs["stage_in_local_local_0_0"]["kind"] == "stage_in" and jobs["join_d"]["state"] == "waiting"
    assert [one["job"] for one in operations.list_jobs(run.path, ["failed"])] == ["find_b"]


def test_the_run_around_the_current_directory_may_be_one_of_pegasus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = diamond(tmp_path / "run")
    monkeypatch.chdir(run.path / "00")
    assert open_run().path == run.path
    assert operations.is_run() and operations.is_run(run.dag)
    assert operations.read_status().total == 7
    assert operations.read_braindump()["planner_version"] == "5.1.2"


# -- what only Markab records -------------------------------------------------------


NEEDS_MARKAB: dict[str, Callable[[Path], object]] = {
    "export": lambda run: operations.export(run, "prov", run / "out.json"),
    "halt": operations.halt,
    "remove": operations.remove,
    "run": operations.run,
    "page": lambda run: operations.write_page(run, run / "page.html"),
    "show": lambda run: operations.show_job(run, "find_b"),
    "start": operations.start,
    "trace": lambda run: operations.trace(run, "f.d"),
    "why": lambda run: operations.why(run, "find_b"),
}


@pytest.mark.parametrize("name", NEEDS_MARKAB)
def test_what_needs_the_record_of_markab_says_so_and_what_can_be_used(tmp_path: Path, name: str) -> None:
    run = diamond(tmp_path / "run")
    before = contents(run.path)
    with pytest.raises(NotARun, match=r"was made by Pegasus: it has no plan\.jsonl") as caught:
        NEEDS_MARKAB[name](run.path)
    for word in ("status", "analyze", "statistics", "graph", "pegasus-run"):
        assert word in caught.value.hint
    assert contents(run.path) == before


def test_the_files_of_statistics_are_written_only_where_the_user_says(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    found = operations.read_statistics(run.path, ["jobs"], for_pegasus=True)
    with pytest.raises(StorageError, match="nothing is written into") as caught:
        operations.write_pegasus_statistics(found, ["jobs"])
    assert "`-o`" in caught.value.hint
    assert operations.write_pegasus_statistics(found, ["jobs"], tmp_path / "out")["jobs"].exists()
    assert any("were not written" in note for note in operations.save_statistics(run.path).notes)


def test_a_run_of_markab_that_lost_its_plan_is_not_taken_for_one_of_pegasus(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [compute("a")])
    (run / "braindump.yml").write_text("wf_uuid: u\n")
    (run / "plan.jsonl").rename(tmp_path / "plan.jsonl")
    (run / "journal.jsonl").touch()
    with pytest.raises(NotARun, match=r"it has no plan\.jsonl"):
        operations.read_status(run)


# -- damaged ------------------------------------------------------------------------


def without(run: PegasusRun, *names: str) -> Path:
    for name in names:
        for file in run.path.glob(name):
            file.unlink()
    return run.path


@pytest.mark.parametrize("content", [None, b"", b"no database", "cut", "other tables", "another run"])
def test_without_a_database_status_analyzer_and_graph_use_the_files(
    tmp_path: Path, content: bytes | str | None
) -> None:
    run = diamond(tmp_path / "run", fails=True)
    whole = run.database.read_bytes()
    run.database.unlink()
    if content == "cut":
        run.database.write_bytes(whole[: len(whole) // 3])
    elif content == "other tables":
        with closing(sqlite3.connect(run.database)) as database, database:
            database.execute("CREATE TABLE dbversion (version_number)")
            database.execute("INSERT INTO dbversion VALUES (8)")
    elif content == "another run":
        diamond(tmp_path / "other").database.rename(run.database)
        with closing(sqlite3.connect(run.database)) as database, database:
            database.execute("UPDATE workflow SET wf_uuid = 'other'")
    elif isinstance(content, bytes):
        run.database.write_bytes(content)

    status = operations.read_status(run.path)
    assert (status.state, counts(status)) == ("Failure", {"unready": 2, "succeeded": 4, "failed": 1})
    with operations.analyze(run.path) as found:
        text, data = found.text(), found.to_json()
    assert "no such file: müll" in text and "hosts, commands and sub-workflows are not known: " in text
    assert data["workflows"]["root"]["jobs"]["failed"] == 1
    assert len(operations.draw(run.path).nodes) == 7
    with pytest.raises(StorageError) as caught:
        operations.read_statistics(run.path)
    assert str(run.database) in str(caught.value)
    assert "jobstate.log" in caught.value.hint and "rebuilt from plan" not in caught.value.hint
    if content == "other tables":
        assert "has another schema (version 8): it lacks workflow" in str(caught.value)


def test_a_failed_job_whose_end_the_database_lacks_is_not_told_of_as_another(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", fails=True)
    with closing(sqlite3.connect(run.database)) as database, database:
        database.execute("UPDATE job_instance SET exitcode = NULL WHERE exitcode <> 0")

    with operations.analyze(run.path) as found:
        text = found.text()

    assert (
        "find_b: its last state is POST_SCRIPT_FAILED [holds up 2 jobs]\n  verdict   F86 unknown\n"
        "  where     site condorpool\n" in text
    )
    assert "2 tries" in text


def test_without_the_files_of_its_jobs_a_run_still_says_which_failed(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", fails=True)
    run.database.unlink()
    shutil.rmtree(run.path / "00")

    with operations.analyze(run.path) as found:
        text = found.text()

    assert "find_b: its last state is POST_SCRIPT_FAILURE" in text and "müll" not in text


def test_a_database_of_a_version_before_the_measures_of_memory_is_read(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", "5.0.0", schema=12)
    found = operations.read_statistics(run.path, ["transformations", "jobs"], for_pegasus=True)
    assert found.summary.jobs.succeeded == 7
    assert found.transformations and found.transformations[0].max_rss_kb is None


def test_a_newer_database_with_the_same_tables_is_read(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    with closing(sqlite3.connect(run.database)) as database, database:
        database.execute("UPDATE dbversion SET version_number = 99, version = '99'")
        database.execute("ALTER TABLE invocation ADD COLUMN energy INTEGER")
        database.execute("DROP TABLE integrity")
        database.execute("DROP TABLE tag")
    assert operations.read_statistics(run.path).summary.jobs.succeeded == 7


def interrupted(run: PegasusRun) -> None:
    """Leave the journal of a writer that was killed in the middle of a transaction."""
    database = sqlite3.connect(run.database, isolation_level=None)
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN")
    for number in range(3000):
        database.execute("INSERT INTO rc_lfn (lfn) VALUES (?)", (f"{'x' * 200}{number}",))
    database.execute("DELETE FROM job_instance")
    journal = run.database.with_name(f"{run.database.name}-journal")
    kept = {file: file.read_bytes() for file in (run.database, journal)}
    database.rollback()
    database.close()
    for file, content in kept.items():
        file.write_bytes(content)


def with_write_ahead_log(run: PegasusRun) -> None:
    with closing(sqlite3.connect(run.database)) as database:
        database.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("spoil", [interrupted, with_write_ahead_log])
def test_a_database_that_sqlite_would_write_to_is_read_from_a_copy(
    tmp_path: Path, spoil: Callable[[PegasusRun], None]
) -> None:
    run = diamond(tmp_path / "run")
    spoil(run)
    before = contents(run.path)
    found = operations.read_statistics(run.path)
    assert found.summary.jobs.succeeded == 7
    assert any("a copy was read" in note for note in found.notes)
    assert contents(run.path) == before


def test_without_the_log_the_database_has_the_status(tmp_path: Path) -> None:
    for name, kind in (("a", {}), ("b", {"fails": True}), ("c", {"runs": True})):
        run = diamond(tmp_path / name, **kind)  # type: ignore[arg-type]
        whole = operations.read_status(run.path)
        without(run, "jobstate.log")
        status = operations.read_status(run.path)
        assert (status.state, counts(status)) == (whole.state, counts(whole))
        assert status.warnings == ("jobstate.log is missing",)


def test_without_the_dag_the_database_has_the_jobs(tmp_path: Path) -> None:
    path = without(diamond(tmp_path / "run", fails=True), "*.dag")
    status = operations.read_status(path)
    assert (status.total, counts(status)) == (7, {"unready": 2, "succeeded": 4, "failed": 1})
    assert "the DAG file is missing" in status.warnings


def test_with_the_log_alone_the_jobs_that_were_started_are_known(tmp_path: Path) -> None:
    status = operations.read_status(without(diamond(tmp_path / "run", fails=True), "*.dag", "*.db"))
    assert (status.total, counts(status)) == (5, {"succeeded": 4, "failed": 1})
    assert "jobs that were never started are not counted" in status.warnings


def test_with_the_dag_alone_nothing_is_known_but_the_jobs(tmp_path: Path) -> None:
    path = without(diamond(tmp_path / "run"), "jobstate.log", "*.db")
    status = operations.read_status(path)
    assert (status.state, status.total) == ("Unknown", 7)
    assert "how far it came is not recorded" in status.note
    assert operations.draw(path).nodes[0].states == {}
    with operations.analyze(path) as found:
        assert "how far it came is not recorded" in found.text()


def test_the_last_rescue_file_says_what_was_done(tmp_path: Path) -> None:
    path = without(diamond(tmp_path / "run"), "jobstate.log", "*.db")
    for number, jobs in (("001", "create_dir_diamond_0_local"), ("002", "create_dir_diamond_0_local make_a")):
        lines = ["# Rescue DAG file", *(f"DONE {job}" for job in jobs.split()), "RETRY find_b 1"]
        (path / f"diamond-0.dag.rescue{number}").write_text("\n".join(lines))
    status = operations.read_status(path)
    assert (status.state, status.succeeded) == ("Failure", 2)


def test_a_directory_with_none_of_them_says_what_to_bring(tmp_path: Path) -> None:
    path = without(diamond(tmp_path / "run"), "jobstate.log", "*.db", "*.dag")
    with pytest.raises(StorageError, match="nothing is recorded of the jobs") as caught:
        operations.read_status(path)
    assert "copy the DAG file" in caught.value.hint


@pytest.mark.parametrize("kept", ["*.dag", "jobstate.log", "*.db"])
def test_without_a_braindump_the_rest_is_read(tmp_path: Path, kept: str) -> None:
    run = diamond(tmp_path / "run", fails=True)
    names = {"braindump.yml", "*.dag", "jobstate.log", "*.db"} - {kept}
    status = operations.read_status(without(run, *names))
    assert status.state == ("Unknown" if kept == "*.dag" else "Failure")
    assert any("braindump.yml" in warning for warning in status.warnings)


@pytest.mark.parametrize("text", ["", "- a list\n", "user: [\n", "\0\0\0"])
def test_a_braindump_that_cannot_be_read_costs_only_what_it_says(tmp_path: Path, text: str) -> None:
    run = diamond(tmp_path / "run", fails=True)
    (run.path / "braindump.yml").write_text(text)
    status, statistics, _, _ = read_all(run.path)
    assert (status.succeeded, status.failed, status.workflow) == (4, 1, "diamond")
    assert statistics.summary.jobs.failed == 1 and statistics.uuid == run.uuid
    assert any("braindump.yml" in note for note in statistics.notes)


def test_keys_that_this_version_does_not_know_and_missing_ones_do_not_matter(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", "5.0.1")
    (run.path / "braindump.yml").write_text(
        f"wf_uuid: {run.uuid}\nroot_wf_uuid: {run.uuid}\npegasushome: /opt/pegasus\ndag: /home/ada/diamond-0.dag\n"
    )
    status, statistics, _, _ = read_all(run.path)
    assert (status.succeeded, statistics.workflow) == (7, "diamond")


def test_a_directory_of_pegasus_4_is_refused(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    (run.path / "braindump.yml").unlink()
    (run.path / "braindump.txt").write_text("wf_uuid u\ndag diamond-0.dag\n")
    for read in (operations.read_status, operations.read_statistics, operations.draw):
        with pytest.raises(
            NotARun, match=r"a submit directory of Pegasus 4 \(it has braindump\.txt\)"
        ) as caught:
            read(run.path)  # type: ignore[operator]
        assert "tools of Pegasus 4" in caught.value.hint


def test_a_log_cut_anywhere_gives_what_its_whole_lines_say(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run", fails=True)
    run.database.unlink()
    log = run.path / "jobstate.log"
    whole = log.read_bytes()
    succeeded = []
    for size in range(0, len(whole), 7):
        log.write_bytes(whole[:size])
        status = operations.read_status(run.path)
        assert status.total == 7
        is_cut = size > 0 and not whole[:size].endswith(b"\n")
        assert bool(status.warnings) == is_cut, size
        succeeded.append(status.succeeded)
    assert succeeded == sorted(succeeded) and succeeded[-1] == 4


def test_other_bytes_in_the_log_are_counted_and_left_out(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    log = run.path / "jobstate.log"
    log.write_bytes(b"\xff\xfe garbage\n12 short\n\n" + log.read_bytes())
    status = operations.read_status(run.path)
    assert status.succeeded == 7
    assert status.warnings == ("2 lines of jobstate.log cannot be read, and are left out",)


def test_a_dag_cut_anywhere_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    run.database.unlink()
    whole = run.dag.read_bytes()
    for size in range(0, len(whole), 31):
        run.dag.write_bytes(whole[:size])
        assert len(operations.draw(run.path).nodes) <= 7


def test_a_dag_file_by_itself_is_drawn(tmp_path: Path) -> None:
    run = diamond(tmp_path / "run")
    alone = tmp_path / "alone.dag"
    alone.write_bytes(run.dag.read_bytes())
    drawing = operations.draw(alone)
    assert (drawing.name, len(drawing.nodes), len(drawing.edges)) == ("alone", 7, 7)
    assert operations.draw(run.dag).nodes[0].states == {"succeeded": 1}


def test_statistics_of_pegasus_are_plain_data(tmp_path: Path) -> None:
    found = operations.read_statistics(nested(tmp_path / "run").path, ["jobs", "time"], for_pegasus=True)
    assert json.loads(json.dumps(found.to_json()))["summary"]["jobs"]["total"] == 4
    assert "moved" not in found.to_json()
    assert "not recorded" in operations.statistics_text(found)
    assert "Bytes moved,\n" in operations.statistics_text(found, (), "csv").replace("\r", "")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE invocation SET remote_duration = 1e308",
        "UPDATE job SET exec_job_id = x'ff00fe' WHERE job_id = 3",
        "UPDATE jobstate SET timestamp = 'yesterday'",
        "UPDATE invocation SET start_time = 'noon'",
    ],
)
def test_values_of_a_database_that_cannot_be_are_errors_that_name_it(tmp_path: Path, damage: str) -> None:
    run = diamond(tmp_path / "run")
    (database,) = run.path.glob("*.stampede.db")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(damage)

    for read in (
        operations.read_status,
        operations.list_jobs,
        lambda path: operations.save_statistics(path),
        lambda path: operations.render_drawing(operations.draw(path), "dot"),
    ):
        with suppress(MarkabError):
            read(run.path)
    with suppress(MarkabError), operations.analyze(run.path) as found:
        found.to_json()


def test_a_run_of_pegasus_is_explained_by_the_same_rules(tmp_path: Path) -> None:
    from markab.insight.explanation import explain

    run = diamond(tmp_path / "run", fails=True)

    found = explain(run.path)
    with operations.analyze(run.path) as analyzed:
        rules = [group.cause.rule for group in analyzed.groups]

    assert [one.rule for one in found.verdicts] == rules and rules
    assert found.verdicts[0].evidence and found.verdicts[0].steps[-1].command.startswith("pegasus-run ")
