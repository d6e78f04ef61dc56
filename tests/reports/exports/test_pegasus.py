from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import T0, began, compute, end, make_run, start
from markab.errors import StorageError
from markab.plan.braindump import read_braindump
from markab.reports.exports.formats import export_run
from markab.spec.reader import read_workflow
from markab.worker.kickstart_yaml import yaml_text
from reports.exports.real_run import SECRET, add_document, all_text, sha256

SORTED = "a\nb\nc\n"


@pytest.fixture(scope="module")
def exported(failed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pegasus") / "run"
    export_run(failed_run, "pegasus", path)
    return path


def records(path: Path) -> list[dict[str, Any]]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, list)
    return loaded


def test_there_is_one_of_each_file_that_tools_look_for(exported: Path) -> None:
    assert ["words-0.dag"] == [path.name for path in exported.glob("*.dag")]
    braindump = read_braindump(exported / "braindump.yml")
    assert ("words-0", "words-0.dag", str(exported)) == (
        braindump["pegasus_wf_name"], braindump["dag"], braindump["submit_dir"]
    )  # fmt: skip
    assert 4 == len(read_workflow(exported / "workflow.yml", {"PLANNER_SECRET": ""}).jobs)


def test_each_attempt_has_a_record_failed_ones_too(exported: Path) -> None:
    (first,) = records(exported / "00/00/flaky_ID2.out.000")
    (second,) = records(exported / "00/00/flaky_ID2.out.001")

    assert {"raw": 768, "regular_exitcode": 3} == first["mainjob"]["status"]
    assert {"raw": 0, "regular_exitcode": 0} == second["mainjob"]["status"]
    assert "files" not in first
    assert sha256(SORTED) == second["files"]["deep/sorted.txt"]["sha256"]
    assert ("flaky", "ID2", "local", 3.0) == tuple(
        second[key] for key in ("transformation", "derivation", "resource", "version")
    )
    assert second["mainjob"]["usage"]["maxrss"] > 0
    assert second["start"].utcoffset().total_seconds() == 0


def test_what_was_not_measured_of_a_process_is_zero(tmp_path: Path) -> None:
    ran = {"task": "a", "argv": ["wc"], "start": 1.0, "duration_s": 0.5, "status": 0, "maxrss_kb": 7}
    run = make_run(tmp_path / "r", [compute("a")], [began(), start(0), end(0, invocations=[ran])])

    export_run(add_document(run), "pegasus", tmp_path / "out")

    (record,) = records(next((tmp_path / "out").rglob("wc_a.out.000")))
    usage = record["mainjob"]["usage"]
    assert 7 == usage.pop("maxrss")
    assert {0} == set(usage.values())


def test_transfers_have_records_under_the_names_pegasus_gives_them(exported: Path) -> None:
    (moved,) = records(next((exported / "00/00").glob("stage_in_*.out.000")))

    assert "pegasus::transfer" == moved["transformation"]
    assert {"raw": 0, "regular_exitcode": 0} == moved["mainjob"]["status"]


def test_the_dag_names_every_job_and_who_comes_after_whom(exported: Path) -> None:
    lines = (exported / "words-0.dag").read_text().splitlines()

    assert "JOB cut_ID1 00/00/cut_ID1.sub" in lines
    assert "RETRY flaky_ID2 1" in lines
    assert "PARENT cut_ID1 CHILD flaky_ID2" in lines
    first_edge = min(n for n, line in enumerate(lines) if line.startswith("PARENT"))
    assert first_edge > max(n for n, line in enumerate(lines) if line.startswith("JOB"))


def test_states_are_logged_with_the_exit_code(exported: Path) -> None:
    lines = [line.split()[1:4] for line in (exported / "jobstate.log").read_text().splitlines()]

    assert [["JOB_FAILURE", "3"], ["JOB_SUCCESS", "0"]] == [
        line[1:] for line in lines if line[0] == "flaky_ID2" and line[1] in ("JOB_FAILURE", "JOB_SUCCESS")
    ]


def test_what_a_job_made_is_in_its_meta_file(exported: Path) -> None:
    (meta,) = json.loads((exported / "00/00/cut_ID1.meta").read_text())

    assert ("part.txt", "6") == (meta["_id"], meta["_attributes"]["size"])


def test_nothing_secret_is_in_it(exported: Path) -> None:
    assert SECRET not in all_text(exported)


def test_a_process_ended_by_a_signal_or_never_started_says_so(tmp_path: Path) -> None:
    def ran(task: str, status: int) -> dict[str, Any]:
        return {"task": task, "argv": [], "start": T0 + 1, "duration_s": 2.0, "status": status}

    record = {
        "ok": False,
        "error": {"kind": "signal", "message": "died"},
        "invocations": [ran("a", 9), ran("b", -1)],
    }
    run = add_document(make_run(tmp_path / "r", [compute("a")], [began(), start(0), end(0, **record)]))

    export_run(run, "pegasus", tmp_path / "out")

    killed, never = records(tmp_path / "out/00/00/wc_a.out.000")
    assert (9, "SIGKILL") == (
        killed["mainjob"]["status"]["signalled_signal"],
        killed["mainjob"]["status"]["signalled_name"],
    )
    assert "died" == never["mainjob"]["status"]["failure_error"]


@given(st.text())
def test_any_text_comes_back_from_a_record(value: str) -> None:
    assert value == yaml.safe_load(yaml_text(value))


def test_an_export_that_fails_leaves_no_directory(
    failed_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("markab.reports.exports.pegasus._write_dagman_out", full)

    with pytest.raises(StorageError, match="No space left on device"):
        export_run(failed_run, "pegasus", tmp_path / "out")

    assert [] == list(tmp_path.iterdir())


def test_a_run_that_never_started_has_no_records(planned_run: Path, tmp_path: Path) -> None:
    export_run(planned_run, "pegasus", tmp_path / "out")

    assert [] == list((tmp_path / "out").rglob("*.out.*"))
    assert (tmp_path / "out/words-0.dag").exists()


def test_a_submit_directory_is_never_overwritten(failed_run: Path) -> None:
    before = (failed_run / "braindump.yml").read_bytes()

    with pytest.raises(StorageError, match="is a submit directory of Markab"):
        export_run(failed_run, "pegasus", failed_run)

    assert before == (failed_run / "braindump.yml").read_bytes()


@pytest.mark.integration
def test_the_reader_of_wfcommons_understands_the_folder(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wfcommons")
    from wfcommons.wfinstances.logs.pegasus import PegasusLogsParser

    monkeypatch.chdir(exported.parent)
    workflow = PegasusLogsParser(exported).build_workflow()

    assert [("cut_ID1", "flaky_ID2"), ("flaky_ID2", "broken_ID3"), ("broken_ID3", "cut_ID4")] == list(
        workflow.edges
    )
    task = workflow.nodes["cut_ID1"]["task"]
    assert task.runtime > 0
    assert [("part.txt", 6)] == [(file.file_id, file.size) for file in task.output_files]
