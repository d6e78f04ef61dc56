"""Site definitions that a facility publishes, in a local copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.catalogs.loader import load_catalogs
from markab.errors import DocumentError
from markab.spec.model import Site
from markab.spec.properties import Properties

HOSTED = """pegasus: 5.0.4
sites:
- name: compute
  arch: x86_64
  directories:
  - type: sharedScratch
    path: "/home/${RESOURCE_USERNAME}"
    fileServers: [{url: "file:///home/${RESOURCE_USERNAME}", operation: all}]
  profiles: {condor: {universe: vanilla, request_memory: 1}, env: {A: hosted}}
- name: gpu
"""
OWN = """pegasus: 5.0.4
sites:
- {name: compute, profiles: {condor: {request_memory: 2}, pegasus: {cores: 3}}}
- name: mine
"""
FILE = "pegasus.catalog.site.repo.file"
REPOSITORY = "pegasus.catalog.site.repo"


def sites(directory: Path, **properties: str) -> dict[str, Site]:
    table = Properties({key.replace("__", "."): value for key, value in properties.items()})
    return {site.name: site for site in load_catalogs(table, directory, environment={}).sites.sites}


def test_the_site_catalog_stands_over_the_hosted_sites_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "unity.yml").write_text(HOSTED)
    (tmp_path / "sites.yml").write_text(OWN)

    found = sites(tmp_path, **{FILE: "unity.yml", "env.RESOURCE_USERNAME": "ada"})

    assert list(found) == ["compute", "gpu", "mine"]
    assert found["compute"].directories[0].path == "/home/ada" and found["compute"].arch == "x86_64"
    assert found["compute"].profiles == {
        "condor": {"universe": "vanilla", "request_memory": "2"},
        "env": {"A": "hosted"},
        "pegasus": {"cores": "3"},
    }


def test_hosted_sites_are_enough_alone_and_lie_where_the_repository_is(tmp_path: Path) -> None:
    (tmp_path / "hosted").mkdir()
    (tmp_path / "hosted" / "unity.yml").write_text(HOSTED)

    for repository in ("hosted", str(tmp_path / "hosted"), f"file://{tmp_path}/hosted"):
        found = sites(tmp_path, **{FILE: "unity.yml", REPOSITORY: repository, "env.RESOURCE_USERNAME": "ada"})
        assert list(found) == ["compute", "gpu"]


def test_hosted_sites_that_are_not_here_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="planning fetches nothing") as caught:
        sites(tmp_path, **{FILE: "unity.yml", REPOSITORY: "https://example.org/catalogs"})
    [problem] = caught.value.problems
    assert str(tmp_path / "unity.yml") in str(problem) and "download 'unity.yml'" in problem.hint


def test_a_hosted_file_that_cannot_be_read_is_an_error_beside_those_of_the_site_catalog(
    tmp_path: Path,
) -> None:
    (tmp_path / "unity.yml").write_text("sites: [{name: 3")
    (tmp_path / "sites.yml").write_text("sites: 5\n")
    with pytest.raises(DocumentError) as caught:
        sites(tmp_path, **{FILE: "unity.yml"})
    assert {Path(problem.file).name for problem in caught.value.problems} == {"unity.yml", "sites.yml"}
