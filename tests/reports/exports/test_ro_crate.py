from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from markab.errors import MarkabError
from markab.reports.exports import ro_crate
from markab.reports.exports.formats import export_run
from reports.exports.real_run import SECRET, all_text, run, sha256

SORTED = "a\nb\nc\n"


@pytest.fixture(scope="module")
def crate(failed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crate") / "crate"
    export_run(failed_run, "ro-crate", path, license="https://spdx.org/licenses/CC-BY-4.0")
    return path


@pytest.fixture
def entities(crate: Path) -> dict[str, dict[str, Any]]:
    return read(crate)


def read(crate: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(graph) == len(entities), "every entity occurs once"
    return entities


def by_name(entities: dict[str, dict[str, Any]], name: str, *types: str) -> dict[str, Any]:
    (found,) = [e for e in entities.values() if e.get("name") == name and e["@type"] in (types or ("File",))]
    return found


def refs(value: Any) -> list[str]:
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def test_every_reference_leads_to_an_entity_or_out_of_the_crate(entities: dict[str, dict[str, Any]]) -> None:
    for entity in entities.values():
        for key, value in entity.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict) and not item["@id"].startswith("http"):
                    assert item["@id"] in entities, (entity["@id"], key)


def test_an_output_is_the_result_of_the_attempt_that_made_it(entities: dict[str, dict[str, Any]]) -> None:
    output = by_name(entities, "deep/sorted.txt")

    makers = [
        e
        for e in entities.values()
        if e["@type"] == "CreateAction" and output["@id"] in refs(e.get("result", []))
    ]
    assert {"#attempt/flaky_ID2/2", "#run"} == {maker["@id"] for maker in makers}
    assert (sha256(SORTED), "6") == (output["sha256"], output["contentSize"])
    assert output["@id"].startswith("file:///")


def test_attempts_have_inputs_agent_times_and_the_error_when_they_failed(
    entities: dict[str, dict[str, Any]],
) -> None:
    failed, done = entities["#attempt/flaky_ID2/1"], entities["#attempt/flaky_ID2/2"]

    assert ["part.txt"] == [entities[id]["name"] for id in refs(failed["object"])]
    assert ("http://schema.org/FailedActionStatus", "http://schema.org/CompletedActionStatus") == (
        failed["actionStatus"], done["actionStatus"]
    )  # fmt: skip
    assert "exit code 3" in failed["error"]
    assert "error" not in done
    assert failed["startTime"].endswith("+00:00") and failed["startTime"] <= failed["endTime"]
    assert "Person" == entities[failed["agent"]["@id"]]["@type"]
    assert "flaky" == entities[failed["instrument"]["@id"]]["name"]


def test_steps_that_never_ran_are_steps_all_the_same(entities: dict[str, dict[str, Any]]) -> None:
    steps = [entities[id] for id in refs(entities["workflow.yml"]["step"])]

    assert ["cut_ID1", "flaky_ID2", "broken_ID3", "cut_ID4"] == [step["name"] for step in steps]
    assert not any("cut_ID4" in id for id in entities if id.startswith("#attempt"))
    assert "http://schema.org/FailedActionStatus" == entities["#run"]["actionStatus"]


def test_the_workflow_in_the_crate_is_the_users_without_environment(crate: Path) -> None:
    document = yaml.safe_load((crate / "workflow.yml").read_text())

    assert ["ID1", "ID2", "ID3", "ID4"] == [job["id"] for job in document["jobs"]]
    assert "${PLANNER_SECRET}" in document["jobs"][1]["arguments"][0]
    assert "profiles" not in document
    assert {"dagman": {"RETRY": "1"}} == document["jobs"][1]["profiles"]


def test_nothing_secret_is_in_it(crate: Path) -> None:
    assert SECRET not in all_text(crate)


@pytest.mark.parametrize(
    ("name", "program", "more"),
    [
        ("wc", "", {}),
        ("text::wc", "/bin/wc", {"description": "the program /bin/wc"}),
        ("wc:1.2", "", {"softwareVersion": "1.2"}),
        ("text::wc:1.2", "/bin/wc", {"description": "the program /bin/wc", "softwareVersion": "1.2"}),
    ],
)
def test_a_transformation_is_software_with_the_version_of_its_name(
    name: str, program: str, more: dict[str, str]
) -> None:
    found = ro_crate._software(name, program)

    assert found == {"@id": found["@id"], "@type": "SoftwareApplication", "name": name, **more}


def test_a_delivered_file_that_was_deleted_is_no_data_any_more(tmp_path: Path) -> None:
    submit_dir = run(tmp_path / "w")
    (tmp_path / "w/results/part.txt").unlink()

    notes = export_run(submit_dir, "ro-crate", tmp_path / "crate")

    entities = read(tmp_path / "crate")
    part = by_name(entities, "part.txt", "CreativeWork")
    assert "no longer exists there" in part["description"]
    assert part["@id"] not in refs(entities["./"]["hasPart"])
    assert any("1 delivered file(s) are no longer at their place" in note for note in notes)


def test_a_run_that_never_started_is_refused_and_nothing_is_written(
    planned_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(MarkabError, match="no task of .* has run") as caught:
        export_run(planned_run, "ro-crate", tmp_path / "crate")

    assert f"markab run {planned_run}" in caught.value.hint
    assert [] == list(tmp_path.iterdir())


def test_the_rocrate_library_opens_it(crate: Path) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")

    opened = rocrate.ROCrate(str(crate))

    assert "workflow.yml" == opened.mainEntity.id
    assert "https://w3id.org/ro/wfrun/provenance/0.5" in {e.id for e in opened.root_dataset["conformsTo"]}
