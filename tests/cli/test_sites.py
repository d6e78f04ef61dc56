"""`markab sites`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from markab.cli.sites import sites
from markab.operations import site_test


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = sites.main(list(words), standalone_mode=False)
    return code or 0, capsys.readouterr().out


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a site catalog, which is the current one."""
    monkeypatch.chdir(tmp_path)
    servers = [{"operation": "all", "url": "file:///shared/scratch"}]
    directories = [{"type": "sharedScratch", "path": "/shared/scratch", "fileServers": servers}]
    site = {
        "name": "cluster",
        "directories": directories,
        "profiles": {"pegasus": {"style": "local"}, "env": {"A": "b"}},
    }
    (tmp_path / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))
    return tmp_path


def test_sites_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = called(capsys, "list")
    assert code == 0 and [line.split()[0] for line in text.splitlines()] == ["cluster", "condorpool", "local"]
    assert "cluster     this machine\n" in text
    code, text = called(capsys, "show", "cluster")
    assert text.splitlines() == [
        "cluster: jobs run at this machine",
        "  sharedScratch /shared/scratch",
        "  pegasus.style = local",
        "  env.A = b",
    ]
    shown = json.loads(called(capsys, "show", "cluster", "--json")[1])
    assert shown["directories"] == [{"type": "sharedScratch", "path": "/shared/scratch", "url": ""}]
    assert [one["name"] for one in json.loads(called(capsys, "list", "-J")[1])] == [
        "cluster",
        "condorpool",
        "local",
    ]


def test_a_test_prints_each_check_and_exits_with_1_if_one_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = called(capsys, "test", "local")
    assert code == 0 and text.count("\nok ") == 12 and text.endswith("site 'local' works\n")
    monkeypatch.setattr(site_test, "_LOOK", "#!/bin/sh\necho no luck >&2; exit 3\n")
    code, text = called(capsys, "test", "local", "--timeout", "60")
    assert code == 1 and "FAILED  job" in text and "hint:" in text and "-       cancel" in text
    assert text.endswith("site 'local' does not work\n")
    code, text = called(capsys, "test", "local", "--json")
    result = json.loads(text)
    assert code == 1 and result["ok"] is False and result["checks"][6]["name"] == "job"


def write_workflow(path: Path, site: str) -> Path:
    """Write a workflow that has a site of its own."""
    sites = [{"name": site, "profiles": {"pegasus": {"style": "local"}}}]
    path.write_text(
        json.dumps(
            {
                "pegasus": "5.0",
                "name": "w",
                "siteCatalog": {"sites": sites},
                "jobs": [{"type": "job", "name": "true", "id": "a", "arguments": [], "uses": []}],
            }
        )
    )
    return path


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_sites_of_a_workflow_and_of_a_named_catalog_count(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    write_workflow(project / "workflow.yml", "inline")
    assert names(called(capsys, "list")[1]) == ["cluster", "condorpool", "inline", "local"]
    write_workflow(project / "other.yml", "other")
    assert names(called(capsys, "list", "--workflow", "other.yml")[1]) == [
        "cluster", "condorpool", "local", "other",
    ]  # fmt: skip
    code, text = called(capsys, "test", "inline")
    assert code == 0 and text.endswith("site 'inline' works\n"), text
    (project / "script.py").write_text(
        "from Pegasus.api import *\n"
        "Workflow('w').add_site_catalog(SiteCatalog().add_sites(Site('built'))).add_jobs(Job('true')).plan()\n"
    )
    assert "built" in names(called(capsys, "list", "--workflow", "script.py")[1])

    (project / "sites.yml").rename(project / "mine.yml")
    assert called(capsys, "show", "cluster", "--sites-file", "mine.yml")[0] == 0
    assert called(capsys, "show", "cluster", "-D", "pegasus.catalog.site.file=mine.yml")[0] == 0


def test_a_workflow_without_catalogs_is_not_read_and_one_that_is_named_must_be_there(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    (project / "workflow.yml").write_text("{not YAML")
    assert called(capsys, "list")[0] == 0
    with pytest.raises(SystemExit):
        sites.main(["list", "--workflow", "none.yml"])
    assert "none.yml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["list", "-D", "a"], ["list", "local"], ["test"], ["show"], ["list", "--timeout", "3"]]
)
def test_what_does_not_belong_together_is_refused(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        sites.main(words, standalone_mode=False)
