"""The crate passes every check that the profiles require, as the validator of their authors makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from markab.reports.exports.formats import export_run
from reports.exports.real_run import run

TERMS = "https://w3id.org/ro/terms/workflow-run#"
RUN_CONTEXT = {
    term: TERMS + term
    for term in (
        "ParameterConnection",
        "connection",
        "sourceParameter",
        "targetParameter",
        "environment",
        "resourceUsage",
        "containerImage",
        "ContainerImage",
        "registry",
        "tag",
        "md5",
        "sha1",
        "sha256",
        "sha512",
    )
}
BIOSCHEMAS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
"""Terms whose address newer contexts changed."""

NEEDS_NETWORK = ["ro-crate-1.1_3.1", "ro-crate-1.1_3.2"]
"""Checks that fetch the contexts only to see that they can be fetched."""


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve the two JSON-LD contexts from what the `rocrate` package brings, as tests have no network."""
    rocrate = pytest.importorskip("rocrate")
    loader = pytest.importorskip("rocrate_validator.utils.document_loader")
    terms = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())["@context"]
    served = {
        "https://w3id.org/ro/crate/1.1/context": {"@context": terms | BIOSCHEMAS},
        "https://w3id.org/ro/terms/workflow-run/context": {"@context": RUN_CONTEXT},
    }
    fetch = loader._original_source_to_json

    def serve(source: Any, *more: Any, **named: Any) -> Any:
        return (served[source], None) if source in served else fetch(source, *more, **named)

    monkeypatch.setattr(loader, "_original_source_to_json", serve)


def problems(crate: Path) -> list[str]:
    from rocrate_validator import models, services

    settings = services.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="provenance-run-crate-0.5",
        requirement_severity=models.Severity.REQUIRED,
        skip_checks=NEEDS_NETWORK,
    )
    return [
        f"{issue.check.identifier}: {issue.message}" for issue in services.validate(settings).get_issues()
    ]


@pytest.mark.integration
@pytest.mark.usefixtures("contexts")
@pytest.mark.parametrize("which", ["failed_run", "running_run", "odd_run"])
def test_a_crate_conforms_to_the_provenance_run_crate_profile(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    export_run(request.getfixturevalue(which), "ro-crate", tmp_path / "crate")

    assert [] == problems(tmp_path / "crate")


@pytest.mark.integration
@pytest.mark.usefixtures("contexts")
def test_a_crate_whose_data_was_deleted_conforms_too(tmp_path: Path) -> None:
    submit_dir = run(tmp_path / "w")
    (tmp_path / "w/results/part.txt").unlink()
    (tmp_path / "w/book.txt").unlink()
    export_run(submit_dir, "ro-crate", tmp_path / "crate")

    assert [] == problems(tmp_path / "crate")


@pytest.mark.integration
@pytest.mark.usefixtures("contexts")
def test_the_validator_would_notice_a_missing_step(failed_run: Path, tmp_path: Path) -> None:
    export_run(failed_run, "ro-crate", tmp_path / "crate")
    path = tmp_path / "crate/ro-crate-metadata.json"
    document = json.loads(path.read_text())
    document["@graph"] = [e for e in document["@graph"] if e["@id"] != "#step/cut_ID1"]
    path.write_text(json.dumps(document))

    assert any("ControlAction" in problem for problem in problems(tmp_path / "crate"))
