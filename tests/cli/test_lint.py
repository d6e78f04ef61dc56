import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.linted import LintedProject, job
from markab.cli.lint import lint


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LintedProject:
    monkeypatch.chdir(tmp_path)
    found = LintedProject(tmp_path)
    found.data("a.txt")
    return found


def run(*words: str):
    return CliRunner().invoke(lint, [*words])


def write_flawed(project: LintedProject) -> None:
    project.data("unused.txt")
    project.write(job("one", "a.txt b.txt", "a.txt", "b.txt-"))


def test_a_clean_workflow_exits_with_0(project: LintedProject) -> None:
    project.write(job("one", "a.txt b.txt", "a.txt", "b.txt"))
    done = run()

    assert (done.exit_code, done.stdout) == (0, "nothing found\n")


def test_findings_exit_with_1_and_notes_alone_do_not(project: LintedProject) -> None:
    write_flawed(project)

    done = run("workflow.yml")
    assert done.exit_code == 1 and done.stdout.endswith("1 warning, 1 note\n")
    assert "warning[unread-output]: no job reads 'b.txt'" in done.stdout and "\n  hint: " in done.stdout
    assert run("--off", "unread-output").exit_code == 0
    assert run("--off", "unread-output", "--fail-on", "note").exit_code == 1
    assert run("--fail-on", "error").exit_code == 0


def test_the_short_form_is_that_of_compilers(project: LintedProject) -> None:
    write_flawed(project)

    lines = run("--format", "short").stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith("workflow.yml:") for line in lines)
    _, number, text = lines[1].split(":", 2)
    assert number.isdigit() and text.startswith(" unread-output no job reads")


def test_json_has_every_finding_as_an_object(project: LintedProject) -> None:
    write_flawed(project)
    found = json.loads(run("--json").stdout)

    assert [one["code"] for one in found] == ["unused-replica", "unread-output"]
    assert set(found[0]) == {"severity", "code", "message", "hint", "file", "line"}


def test_sarif_has_what_code_hosts_show(project: LintedProject) -> None:
    write_flawed(project)
    (found,) = json.loads(run("--format", "sarif").stdout)["runs"]

    assert [rule["id"] for rule in found["tool"]["driver"]["rules"]] == ["unread-output", "unused-replica"]
    first, second = found["results"]
    assert (first["level"], second["level"]) == ("note", "warning")
    where = second["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "workflow.yml" and where["region"]["startLine"] > 1
    assert found["tool"]["driver"]["rules"][second["ruleIndex"]]["id"] == second["ruleId"]


def test_a_document_that_cannot_be_read_is_a_finding_and_a_missing_one_an_error(
    project: LintedProject,
) -> None:
    Path("workflow.yml").write_text("pegasus: 5.0.4\nname: w\njobs: 3\n")

    done = run()
    assert done.exit_code == 1 and "workflow.yml:3: error[" in done.stdout
    assert "the other checks need a workflow that can be read" in done.stdout
    assert run("nothing.yml").exit_code == 13


def test_the_codes_are_listed(project: LintedProject) -> None:
    done = run("--codes")

    assert done.exit_code == 0 and "unread-output" in done.stdout


def test_a_script_is_run_and_what_it_builds_is_checked(project: LintedProject) -> None:
    project.write(job("one", "a.txt b.txt", "a.txt", "b.txt-"))
    text = "from markab.api import Job, Workflow\n"
    text += "Workflow('w').add_jobs(Job('echo').set_stdout('x.txt')).write()\n"
    Path("script.py").write_text(text)

    assert run("script.py").stdout == "nothing found\n"
