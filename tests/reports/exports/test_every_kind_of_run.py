"""Each format stays valid, and says what is so, for runs that failed, go on, have odd names, or never started."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from markab.formatting import printable
from markab.reports.exports.formats import export_run
from reports.exports.odd_run import COPIED, RAW, SORTED
from reports.exports.test_wfformat import RULES, problems

RUNS = ("failed_run", "running_run", "odd_run", "planned_run")
THAT_BEGAN = RUNS[:3]


@pytest.fixture
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def export(run: str, format: str) -> Path:
        export_run(request.getfixturevalue(run), format, tmp_path / format)
        return tmp_path / format

    return export


@pytest.mark.parametrize("run", RUNS)
def test_prov_comes_back_the_same_through_its_library(run: str, exported: Any) -> None:
    model = pytest.importorskip("prov.model")
    path = exported(run, "prov")

    read = model.ProvDocument.deserialize(str(path), format="json")
    again = model.ProvDocument.deserialize(content=read.serialize(format="json"), format="json")

    document = json.loads(path.read_text())
    assert read == again
    assert sum(len(said) for section, said in document.items() if section != "prefix") == len(
        read.get_records()
    )


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("run", RUNS)
def test_wfformat_is_right_by_every_schema(run: str, rules: str, exported: Any) -> None:
    assert [] == problems(json.loads(exported(run, "wfformat").read_text()), rules)


@pytest.mark.parametrize("run", RUNS)
def test_both_tables_have_the_same_rows(run: str, exported: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with open(exported(run, "csv"), newline="") as file:
        rows = list(csv.DictReader(file))

    table = parquet.read_table(exported(run, "parquet")).to_pylist()

    for name in ("job", "task", "outcome", "command", "error"):
        assert [row[name] for row in rows] == [printable(row[name] or "") for row in table]


@pytest.mark.parametrize("run", THAT_BEGAN)
def test_the_rocrate_library_finds_as_many_entities_as_were_written(run: str, exported: Any) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate")
    crate = exported(run, "ro-crate")

    opened = rocrate.ROCrate(str(crate))

    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph) == len(opened.get_entities())


@pytest.mark.parametrize("run", RUNS)
def test_every_record_for_pegasus_is_yaml(run: str, exported: Any) -> None:
    records = [
        record
        for path in exported(run, "pegasus").rglob("*.out.*")
        for record in yaml.safe_load(path.read_text())
    ]
    for record in records:
        assert {"invocation", "version", "start", "duration", "mainjob"} <= set(record)
    assert bool(records) == (run in THAT_BEGAN)


def test_an_attempt_under_way_has_begun_and_not_ended(exported: Any) -> None:
    prov = json.loads(exported("running_run", "prov").read_text())["activity"]["attempt:wc_b/2"]
    crate = json.loads((exported("running_run", "ro-crate") / "ro-crate-metadata.json").read_text())["@graph"]
    (action,) = [entity for entity in crate if entity["@id"] == "#attempt/wc_b/2"]
    with open(exported("running_run", "csv"), newline="") as file:
        row = list(csv.DictReader(file))[-1]

    assert "running" == prov["markab:outcome"] == row["outcome"]
    assert ("prov:endTime" in prov, "endTime" in action, row["end"]) == (False, False, "")
    assert "actionStatus" not in action


def test_odd_names_come_back_letter_by_letter(exported: Any) -> None:
    names = {RAW, COPIED, SORTED}

    prov = json.loads(exported("odd_run", "prov").read_text())["entity"].values()
    crate = json.loads((exported("odd_run", "ro-crate") / "ro-crate-metadata.json").read_text())["@graph"]
    workflow = json.loads(exported("odd_run", "wfformat").read_text())["workflow"]
    pegasus = exported("odd_run", "pegasus")

    assert names == {said["prov:label"] for said in prov if "markab:sha256" in said}
    assert names == {entity["name"] for entity in crate if entity["@type"] == "File"}
    assert names == {file["name"] for file in workflow["specification"]["files"]}
    assert {"program": "/bin/cp", "arguments": [RAW, COPIED]} == workflow["execution"]["tasks"][0]["command"]
    for record, made in (("copy_ID1.out.000", COPIED), ("sort_ID2.out.000", SORTED)):
        (invocation,) = yaml.safe_load((pegasus / "00/00" / record).read_text())
        assert [made] == list(invocation["files"])
        assert made == invocation["mainjob"]["argument_vector"][-1]
