from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kit.made_run import T0, began, compute, end, failed, make_run, process, retry, start
from markab.plan.model import Input, Output
from markab.reports.exports.formats import export_run
from reports.exports.real_run import BOOK, SECRET, all_text, sha256

SORTED = "a\nb\nc\n"


@pytest.fixture(scope="module")
def prov(failed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prov") / "run.json"
    export_run(failed_run, "prov", path)
    return path


@pytest.fixture
def document(prov: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(prov.read_text())
    return loaded


def related(document: dict[str, Any], kind: str, **wanted: str) -> list[dict[str, Any]]:
    keys = {f"prov:{key}": value for key, value in wanted.items()}
    return [said for said in document[kind].values() if keys.items() <= said.items()]


def test_the_prov_library_reads_it_back_whole(prov: Path, document: dict[str, Any]) -> None:
    model = pytest.importorskip("prov.model")

    read = model.ProvDocument.deserialize(str(prov), format="json")

    written = sum(len(section) for name, section in document.items() if name != "prefix")
    assert written == len(list(read.get_records()))
    assert {"attempt:flaky_ID2/1", "attempt:flaky_ID2/2"} <= {
        str(record.identifier) for record in read.get_records(model.ProvActivity)
    }
    assert len(read.serialize(format="provn")) > 1000


def test_each_output_names_the_attempt_that_made_it_and_when(document: dict[str, Any]) -> None:
    for lfn, attempt in (("part.txt", "cut_ID1/1"), ("deep/sorted.txt", "flaky_ID2/2")):
        (made,) = related(document, "wasGeneratedBy", entity=f"file:{lfn}")
        assert f"attempt:{attempt}" == made["prov:activity"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", made["prov:time"])
    assert [] == related(document, "wasGeneratedBy", entity="file:never.txt")


def test_files_have_their_checksum_size_and_place(document: dict[str, Any], failed_run: Path) -> None:
    files = document["entity"]

    assert (sha256(BOOK), 6) == (
        files["file:book.txt"]["markab:sha256"],
        files["file:book.txt"]["markab:sizeBytes"],
    )
    assert sha256(SORTED) == files["file:deep/sorted.txt"]["markab:sha256"]
    assert files["file:deep/sorted.txt"]["prov:location"].endswith("/results/deep/sorted.txt")
    assert "file:never.txt" not in files


def test_each_attempt_used_its_inputs_and_program_for_a_user(document: dict[str, Any]) -> None:
    used = {said["prov:entity"] for said in related(document, "used", activity="attempt:broken_ID3/1")}
    assert {"file:deep/sorted.txt", "program:broken"} == used
    (by,) = related(document, "wasAssociatedWith", activity="attempt:broken_ID3/1")
    assert ("agent:markab", "workflow:document") == (by["prov:agent"], by["prov:plan"])
    (behalf,) = document["actedOnBehalfOf"].values()
    person = document["agent"][behalf["prov:responsible"]]
    assert {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"} == person["prov:type"]


def test_failed_attempts_are_there_with_their_error(document: dict[str, Any]) -> None:
    outcomes = {id: said["markab:outcome"] for id, said in document["activity"].items() if "flaky" in id}
    assert {"attempt:flaky_ID2/1": "failed", "attempt:flaky_ID2/2": "succeeded"} == outcomes
    broken = document["activity"]["attempt:broken_ID3/1"]
    assert (4, "exit") == (broken["markab:exitCode"], broken["markab:errorKind"])
    assert "exit code 4" in broken["markab:error"]
    assert "/bin/sh -c 'exit 4' $TOKEN" == broken["markab:commandLine"]


def test_a_run_that_never_started_has_its_plan_and_inputs_only(planned_run: Path, tmp_path: Path) -> None:
    notes = export_run(planned_run, "prov", tmp_path / "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    assert ["the run never started: the export has only the plan"] == notes
    assert "activity" not in document
    assert {"file:book.txt", "workflow:document"} == set(document["entity"])


def test_versions_of_a_checkpoint_are_entities_of_their_own(tmp_path: Path) -> None:
    ran = [{"task": "a", "argv": ["wc"], "start": 1.0, "duration_s": 0.5, "status": 0}]

    def made(sha: str) -> dict[str, Any]:
        return {"invocations": ran, "outputs": [{"lfn": "c", "size": 1, "sha256": sha, "checkpoint": True}]}

    job = compute("a", inputs=[Input("c", optional=True)], outputs=[Output("c", checkpoint=True)])
    entries = [began(), start(0), failed(0, **made("11")), retry(0), start(0, 2), end(0, 2, **made("22"))]
    make_run(tmp_path / "r", [job], entries)

    export_run(tmp_path / "r", "prov", tmp_path / "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    newer = "file:c%3Bversion=2"
    assert ("11", "22") == (
        document["entity"]["file:c"]["markab:sha256"],
        document["entity"][newer]["markab:sha256"],
    )
    assert [newer] == [said["prov:generatedEntity"] for said in document["wasDerivedFrom"].values()]
    assert "file:c" in {s["prov:entity"] for s in related(document, "used", activity="attempt:wc_a/2")}


def test_each_process_of_a_cluster_is_a_part_of_its_attempt(tmp_path: Path) -> None:
    first, second = process("a"), process("b", status=9, start=T0 + 3, duration_s=0.25)
    make_run(tmp_path / "r", [compute("a")], [began(), start(0), failed(0, invocations=[first, second])])

    export_run(tmp_path / "r", "prov", tmp_path / "out.json")

    activities = json.loads((tmp_path / "out.json").read_text())["activity"]
    one, other = (activities[f"invocation:wc_a/1/{number}"] for number in (1, 2))
    assert (0, None) == (one["markab:exitCode"], one.get("markab:signal"))
    assert (None, 9) == (other.get("markab:exitCode"), other["markab:signal"])
    assert 0.25 == other["markab:durationSeconds"]
    begin, finish = (datetime.fromisoformat(other[f"prov:{which}Time"]) for which in ("start", "end"))
    assert 250_000 == (finish - begin).microseconds
    assert {"attempt:wc_a/1"} == {part["dcterms:isPartOf"]["$"] for part in (one, other)}


def test_nothing_secret_is_in_it(prov: Path) -> None:
    assert SECRET not in all_text(prov)
