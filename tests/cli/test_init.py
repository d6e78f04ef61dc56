import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from markab.cli import init as command
from markab.cli.init import init, pegasus_init


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(what, *words: str, answers: str = ""):
    return CliRunner().invoke(what, [*words], input=answers)


def test_a_project_is_started_and_the_next_command_named() -> None:
    done = run(init, "map-merge", "my project")

    assert done.exit_code == 0 and "run it:   cd 'my project' && markab run workflow.py" in done.stdout
    assert 'Workflow("my-project")' in Path("my project/workflow.py").read_text()
    assert run(init, "map-merge", "my project").exit_code == 13


def test_without_a_directory_it_has_the_name_of_the_template() -> None:
    run(init, "sweep", "--name", "other")

    assert 'Workflow("other")' in Path("sweep/workflow.py").read_text()


def test_the_present_directory_needs_no_cd() -> None:
    assert "run it:   markab run workflow.py" in run(init, "map", ".", "--name", "w").stdout


def test_json_has_the_files() -> None:
    found = json.loads(run(init, "map", "p", "--json").stdout)

    assert found["template"] == "map" and "p/workflow.py" in found["files"]


def test_templates_are_listed_and_a_misspelt_one_is_guessed() -> None:
    assert run(init, "--list").stdout.startswith("map ")
    wrong = run(init, "map-mrge")
    assert wrong.exit_code == 2 and "did you mean 'map-merge'?" in wrong.output


def test_without_a_terminal_nothing_is_asked() -> None:
    done = run(init)

    assert done.exit_code == 2 and "name a template" in done.output and list(Path().iterdir()) == []


def test_on_a_terminal_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_is_at_terminal", lambda: True)
    done = run(init, answers="mapp\nmap\nfolder\n\n")

    assert done.exit_code == 0, done.output
    assert 'Workflow("folder")' in Path("folder/workflow.py").read_text()


def test_site_catalogs_come_with_a_project_or_alone() -> None:
    assert run(init, "map", "p", "--site", "anvil", "--site", "ospool").exit_code == 0
    assert sorted(path.name for path in Path("p/sites").iterdir()) == ["anvil.yml", "ospool.yml"]
    assert run(init, "--site", "delta").stdout == "sites/delta.yml\n"
    assert run(init, "--site", "delta").exit_code == 13
    wrong = run(init, "--site", "dleta")
    assert wrong.exit_code == 2 and "did you mean 'delta'?" in wrong.output


def test_pegasus_init_takes_the_directory_first() -> None:
    assert run(pegasus_init, "p", "--template", "map").exit_code == 0
    assert Path("p/workflow.py").exists()
