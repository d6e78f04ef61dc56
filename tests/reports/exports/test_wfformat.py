from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import began, compute, end, failed, make_run, start
from markab.errors import MarkabError
from markab.plan.model import Input, Kind, Output, PlannedJob
from markab.reports.exports.formats import export_run
from markab.reports.exports.wfformat import Ids
from reports.exports.real_run import BOOK, SECRET, all_text, sha256

TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "number"}
COUNT = {"type": "integer", "minimum": 1}
MOMENT = TEXT | {"format": "date-time"}


def record(required: str, **properties: Any) -> dict[str, Any]:
    said = {"type": "object", "properties": properties}
    return said | {"required": required.split()} if required else said


def many(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": item, **more}


def rules(task_id: str, file_id: str, file: dict[str, Any], **executed: Any) -> dict[str, Any]:
    """Return the rules of WfFormat 1.5; the arguments are what its schemas differ in."""
    neighbours = many({"type": "string", "minLength": 0, "pattern": task_id})
    files = many(TEXT | {"pattern": file_id})
    specification = record(
        "tasks",
        tasks=many(
            record(
                "name id parents children",
                name=TEXT,
                id=TEXT,
                parents=neighbours,
                children=neighbours,
                inputFiles=files,
                outputFiles=files,
            ),
            minItems=1,
        ),
        files=many(record("id sizeInBytes", id=file, sizeInBytes={"type": "integer", "minimum": 0})),
    )
    ran = record(
        "id runtimeInSeconds",
        id=TEXT,
        runtimeInSeconds=NUMBER,
        command=record("", program=TEXT, arguments=many(TEXT)),
        coreCount=NUMBER | {"minimum": 1},
        avgCPU=NUMBER,
        readBytes=NUMBER,
        writtenBytes=NUMBER,
        memoryInBytes=NUMBER,
        energyInKWh=NUMBER,
        avgPowerInW=NUMBER,
        priority=NUMBER,
        **executed,
    )
    machine = record(
        "nodeName",
        system={"type": "string", "enum": ["linux", "macos", "windows"]},
        architecture=TEXT,
        nodeName=TEXT | {"format": "hostname"},
        release=TEXT,
        memoryInBytes=COUNT,
        cpu=record("", coreCount=COUNT, speedInMHz=COUNT, vendor=TEXT),
    )
    execution = record(
        "makespanInSeconds executedAt tasks",
        makespanInSeconds=NUMBER,
        executedAt=TEXT,
        tasks=many(ran, minItems=1),
        machines=many(machine, minItems=1),
    )
    return record(
        "name schemaVersion workflow",
        name=TEXT,
        description=TEXT,
        createdAt=MOMENT,
        schemaVersion={"type": "string", "enum": ["1.5"]},
        runtimeSystem=record("name version", name=TEXT, version=TEXT, url=TEXT | {"format": "uri"}),
        author=record(
            "name email", name=TEXT, email=TEXT | {"format": "email"}, institution=TEXT, country=TEXT
        ),
        workflow=record("specification", specification=specification, execution=execution),
    )


NARROW, WITH_HASH, WIDE = "^[0-9a-zA-Z-_.]*$", "^[0-9a-zA-Z-_.#]*$", "^[0-9a-zA-Z-_./:#]*$"
RULES = {
    "first": rules(NARROW, NARROW, TEXT, machine=TEXT),
    "later": rules(WITH_HASH, WIDE, TEXT | {"pattern": WIDE}, executedAt=TEXT, machines=many(TEXT)),
}
"""All that two schemas which call themselves 1.5 ask for, in our words: that of the repository
wfcommons/WfFormat at commit 14e696204421edd7bebe7f3bb57582c93faaf44c, and the one beside which WfCommons
was developed later (wfcommons/WfCommons at commit 1b1f47cbe13b0293dcef2b6ee822ae843d0950c7). No package carries either."""


def problems(document: dict[str, Any], which: str) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.FormatChecker()
    assert {"date-time", "email", "hostname", "uri"} <= set(checker.checkers), "else formats are not checked"
    validator = jsonschema.Draft202012Validator(RULES[which], format_checker=checker)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


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


def test_a_task_has_its_last_attempt_and_a_summary_of_all(document: dict[str, Any]) -> None:
    ran = tasks_of(document, "execution")

    assert ["cut_ID1", "flaky_ID2", "broken_ID3"] == list(ran)
    assert ["failed", "succeeded"] == [attempt["status"] for attempt in ran["flaky_ID2"]["attempts"]]
    assert {"program": "/bin/sh", "arguments": ["-c", "exit 4", "$TOKEN"]} == ran["broken_ID3"]["command"]
    assert ran["cut_ID1"]["memoryInBytes"] > 100_000
    assert document["workflow"]["execution"]["executedAt"].endswith("+00:00")
    assert document["workflow"]["execution"]["makespanInSeconds"] > 0


def test_a_task_that_ran_has_all_that_is_known_of_it(document: dict[str, Any]) -> None:
    (first, *_) = document["workflow"]["execution"]["tasks"]

    wanted = "id runtimeInSeconds executedAt coreCount priority status command machines attempts"
    assert set(wanted.split()) <= set(first)
    assert (first["coreCount"], first["status"]) == (1, "succeeded") and first["priority"] > 0


def test_every_attempt_that_has_ended_has_its_runtime(document: dict[str, Any]) -> None:
    summaries = [one for task in document["workflow"]["execution"]["tasks"] for one in task["attempts"]]

    assert summaries and all(one["runtimeInSeconds"] > 0 for one in summaries)
    assert all(("error" in one) == (one["status"] != "succeeded") for one in summaries)


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
    ids = Ids(re.compile("[^0-9a-zA-Z_.-]"), "_")

    given_out = [ids[name] for name in names]

    assert len(names) == len(set(given_out))
    assert given_out == [ids[name] for name in names]
    assert all(re.fullmatch("[0-9a-zA-Z_.-]+", id) for id in given_out)


def test_each_task_stands_once_however_attempts_of_several_took_turns(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c")]
    entries = [
        began(),
        *(start(n) for n in range(3)),
        failed(0),
        failed(1, message="much longer " * 20),
        end(2),
    ]
    entries += [start(0, 2), start(1, 2), failed(0, 2), end(1, 2), start(0, 3), end(0, 3)]
    make_run(tmp_path / "r", jobs, entries)

    export_run(tmp_path / "r", "wfformat", tmp_path / "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    assert {
        "wc_c": ["succeeded"],
        "wc_b": ["failed", "succeeded"],
        "wc_a": ["failed", "failed", "succeeded"],
    } == {
        id: [attempt["status"] for attempt in task["attempts"]]
        for id, task in tasks_of(document, "execution").items()
    }
    assert 3 == len(document["workflow"]["execution"]["tasks"])


def test_neighbours_are_those_over_files_and_those_said_to_be(tmp_path: Path) -> None:
    jobs = [
        compute("a", outputs=[Output("x")]),
        compute("b", outputs=[Output("y")]),
        compute("c", 1, inputs=[Input("x"), Input("y")]),
        PlannedJob(id="cleanup", kind=Kind.CLEANUP, site="local", parents=[2]),
        compute("d", 3, 0),
    ]
    make_run(tmp_path / "r", jobs)

    export_run(tmp_path / "r", "wfformat", tmp_path / "out.json")

    tasks = tasks_of(json.loads((tmp_path / "out.json").read_text()), "specification")
    assert {
        "wc_a": ([], ["wc_c", "wc_d"]),
        "wc_b": ([], ["wc_c"]),
        "wc_c": (["wc_a", "wc_b"], []),
        "wc_d": (["wc_a"], []),
    } == {id: (task["parents"], task["children"]) for id, task in tasks.items()}


def test_a_host_whose_name_is_no_host_name_keeps_it_beside(tmp_path: Path) -> None:
    entries = [began(), start(0), end(0, host="my_host"), start(1), end(1, host="my-host")]
    make_run(tmp_path / "r", [compute("a"), compute("b")], entries)

    export_run(tmp_path / "r", "wfformat", tmp_path / "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    machines = document["workflow"]["execution"]["machines"]
    assert [("my-host-2", "my-host"), ("my-host", "my_host")] == [
        (machine["nodeName"], machine["name"]) for machine in machines
    ]
    ran = tasks_of(document, "execution").values()
    assert ["my-host", "my-host-2"] == [task["machine"] for task in ran]
    assert [["my-host"], ["my-host-2"]] == [task["machines"] for task in ran]
    assert [] == problems(document, "first") + problems(document, "later")


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("which", ["failed_run", "planned_run"])
def test_it_is_right_by_every_schema_of_version_1_5(
    which: str, rules: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    export_run(request.getfixturevalue(which), "wfformat", tmp_path / "run.json")

    assert [] == problems(json.loads((tmp_path / "run.json").read_text()), rules)


@pytest.mark.parametrize("rules", RULES)
def test_the_rules_would_notice(document: dict[str, Any], rules: str) -> None:
    document["createdAt"] = "yesterday"
    document["workflow"]["specification"]["tasks"][0]["parents"] = ["a b"]
    document["workflow"]["execution"]["tasks"][0]["coreCount"] = 0
    document["workflow"]["execution"]["machines"][0]["nodeName"] = "my_host"
    del document["workflow"]["specification"]["files"][0]["sizeInBytes"]

    assert 5 == len(problems(document, rules))


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
    rules.write_text(json.dumps(RULES["later"]))

    validator = SchemaValidator(rules, logger=logging.getLogger("quiet"))
    validator.validate_instance(json.loads(path.read_text()))
    instance = Instance(path, schema_file=str(rules))

    assert [] == validator.errors
    assert ["cut_ID1", "flaky_ID2", "broken_ID3", "cut_ID4"] == list(instance)
    if which == "failed_run":
        task = instance.workflow.tasks["cut_ID1"]
        assert ("/bin/cp", ["part.txt"]) == (task.program, [file.file_id for file in task.output_files])
