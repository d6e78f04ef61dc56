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
    assert code == 0 and text.count("\nok ") == 8 and text.endswith("site 'local' works\n")
    monkeypatch.setattr(site_test, "_LOOK", "#!/bin/sh\necho no luck >&2; exit 3\n")
    code, text = called(capsys, "test", "local", "--timeout", "60")
    assert code == 1 and "FAILED  job" in text and "hint:" in text and "-       cancel" in text
    assert text.endswith("site 'local' does not work\n")
    code, text = called(capsys, "test", "local", "--json")
    result = json.loads(text)
    assert code == 1 and result["ok"] is False and result["checks"][5]["name"] == "job"


@pytest.mark.parametrize("words", [["list", "local"], ["test"], ["show"], ["list", "--timeout", "3"]])
def test_what_does_not_belong_together_is_refused(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        sites.main(words, standalone_mode=False)
