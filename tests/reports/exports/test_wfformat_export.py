from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import MarkabError
from markab.plan.model import Kind, PlannedJob
from markab.reports.exports.export import export_run
from markab.reports.exports.wfformat import Ids
from reports.exports.real_run import BOOK, SECRET, all_text, sha256
from reports.made_run import make_run

ID = {"type": "string", "minLength": 1, "pattern": "^[0-9a-zA-Z_.-]+$"}
IDS = {"type": "array", "items": ID}
TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "number", "minimum": 0}
RULES: dict[str, Any] = {
    "type": "object",
    "required": ["name", "schemaVersion", "workflow"],
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "createdAt": TEXT | {"format": "date-time"},
        "schemaVersion": {"enum": ["1.5"]},
        "runtimeSystem": {"type": "object", "required": ["name", "version"]},
        "workflow": {
            "type": "object",
            "required": ["specification"],
            "properties": {
                "specification": {
                    "type": "object",
                    "required": ["tasks"],
                    "properties": {
                        "tasks": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["name", "id", "parents", "children"],
                                "properties": {"name": TEXT, "id": ID, "parents": IDS, "children": IDS}
                                | {"inputFiles": IDS, "outputFiles": IDS},
                            },
                        },
                        "files": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["id", "sizeInBytes"],
                                "properties": {"id": ID, "sizeInBytes": {"type": "integer", "minimum": 0}},
                            },
                        },
                    },
                },
                "execution": {
                    "type": "object",
                    "required": ["makespanInSeconds", "executedAt", "tasks"],
                    "properties": {
                        "makespanInSeconds": NUMBER,
                        "executedAt": TEXT | {"format": "date-time"},
                        "tasks": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["id", "runtimeInSeconds"],
                                "properties": {
                                    "id": ID,
                                    "runtimeInSeconds": NUMBER,
                                    "command": {
                                        "type": "object",
                                        "properties": {
                                            "program": TEXT,
                                            "arguments": {"type": "array", "items": TEXT},
                                        },
                                    },
                                    "coreCount": {"type": "number", "minimum": 1},
                                    "avgCPU": NUMBER,
                                    "readBytes": NUMBER,
                                    "writtenBytes": NUMBER,
                                    "memoryInBytes": NUMBER,
                                    "priority": {"type": "number"},
                                    "machines": {"type": "array", "items": TEXT},
                                },
                            },
                        },
                        "machines": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "object", "required": ["nodeName"]},
                        },
                    },
                },
            },
        },
    },
}
"""What WfFormat 1.5 asks for, in our words: WfCommons fetches its own schema from the network."""


@pytest.fixture(scope="module")
def exported(failed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wfformat") / "run.json"
    export_run(failed_run, "wfformat", path)
    return path


@pytest.fixture
def document(exported: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(exported.read_text())
    return loaded


def tasks_of(document: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {task["id"]: task for task in document["workflow"][section]["tasks"]}


def test_tasks_have_their_files_and_neighbours(document: dict[str, Any]) -> None:
    tasks = tasks_of(document, "specification")

    assert ["cut_ID1", "flaky_ID2", "broken_ID3", "cut_ID4"] == list(tasks)
    assert (["cut_ID1"], ["broken_ID3"]) == (tasks["flaky_ID2"]["parents"], tasks["flaky_ID2"]["children"])
    assert (["part.txt"], ["deep_sorted.txt"]) == (
        tasks["flaky_ID2"]["inputFiles"], tasks["flaky_ID2"]["outputFiles"]
    )  # fmt: skip


def test_files_keep_their_lfn_size_and_checksum(document: dict[str, Any]) -> None:
    files = {file["id"]: file for file in document["workflow"]["specification"]["files"]}

    assert {"id": "book.txt", "name": "book.txt", "sizeInBytes": 6, "sha256": sha256(BOOK)} == files[
        "book.txt"
    ]
    assert "deep/sorted.txt" == files["deep_sorted.txt"]["name"]
    assert files["never.txt"]["sizeUnknown"] is True


def test_what_ran_has_its_last_attempt_and_tells_of_all(document: dict[str, Any]) -> None:
    ran = tasks_of(document, "execution")

    assert ["cut_ID1", "flaky_ID2", "broken_ID3"] == list(ran)
    assert ["failed", "succeeded"] == [attempt["status"] for attempt in ran["flaky_ID2"]["attempts"]]
    assert {"program": "/bin/sh", "arguments": ["-c", "exit 4", "$TOKEN"]} == ran["broken_ID3"]["command"]
    assert ran["cut_ID1"]["memoryInBytes"] > 100_000
    assert document["workflow"]["execution"]["executedAt"].endswith("+00:00")
    assert document["workflow"]["execution"]["makespanInSeconds"] > 0


def test_nothing_secret_is_in_it(exported: Path) -> None:
    assert SECRET not in all_text(exported)


def test_a_run_that_never_started_is_its_structure(planned_run: Path, tmp_path: Path) -> None:
    export_run(planned_run, "wfformat", tmp_path / "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    assert "execution" not in document["workflow"]
    assert 4 == len(document["workflow"]["specification"]["tasks"])
    assert "never started" in document["description"]


def test_a_workflow_without_tasks_is_refused_with_a_reason(tmp_path: Path) -> None:
    make_run(tmp_path / "r", [PlannedJob(id="create_dir", kind=Kind.CREATE_DIR, site="local")])

    with pytest.raises(MarkabError, match="has no task"):
        export_run(tmp_path / "r", "wfformat", tmp_path / "out.json")


@given(st.lists(st.text(min_size=1), unique=True))
def test_ids_differ_where_names_differ_and_have_allowed_characters_only(names: list[str]) -> None:
    ids = Ids()

    given_out = [ids[name] for name in names]

    assert len(names) == len(set(given_out))
    assert given_out == [ids[name] for name in names]
    assert all(re.fullmatch("[0-9a-zA-Z_.-]+", id) for id in given_out)


@pytest.mark.integration
@pytest.mark.parametrize("which", ["failed_run", "planned_run"])
def test_wfcommons_reads_it_and_finds_nothing_wrong(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("wfcommons")
    from wfcommons.wfinstances.instance import Instance
    from wfcommons.wfinstances.schema import SchemaValidator

    path, rules = tmp_path / "run.json", tmp_path / "rules.json"
    export_run(request.getfixturevalue(which), "wfformat", path)
    rules.write_text(json.dumps(RULES))

    validator = SchemaValidator(rules, logger=logging.getLogger("quiet"))
    validator.validate_instance(json.loads(path.read_text()))
    instance = Instance(path, schema_file=str(rules))

    assert [] == validator.errors
    assert ["cut_ID1", "flaky_ID2", "broken_ID3", "cut_ID4"] == list(instance)
    if which == "failed_run":
        task = instance.workflow.tasks["cut_ID1"]
        assert ("/bin/cp", ["part.txt"]) == (task.program, [file.file_id for file in task.output_files])
