from pathlib import Path

import pytest

from kit.linted import LintedProject, job
from markab import operations
from markab.lint.finding import Finding
from markab.lint.switched_off import SwitchedOff
from markab.planner.document_places import SourcePlace


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LintedProject:
    monkeypatch.chdir(tmp_path)
    found = LintedProject(tmp_path)
    found.data("a.txt")
    return found


def jobs(**metadata: str) -> list[dict]:
    return [
        job(f"j{n}", f"a.txt b{n}.txt", "a.txt", f"b{n}.txt-", **({"metadata": metadata} if n == 1 else {}))
        for n in (1, 2)
    ]


def test_a_code_can_be_left_out_when_asking(project: LintedProject) -> None:
    assert len(project.findings(*jobs())) == 2
    assert project.findings(*jobs(), off=("unread-output",)) == []


def test_metadata_of_a_workflow_switch_a_code_off_everywhere_those_of_a_job_there(
    project: LintedProject,
) -> None:
    off = {"markab.lint.off": "secret unread-output"}

    assert project.findings(*jobs(), metadata=off) == []
    assert ["'b2.txt'" in finding.message for finding in project.findings(*jobs(**off))] == [True]


def test_what_is_switched_off_is_counted(project: LintedProject) -> None:
    report = operations.lint(project.write(*jobs()), ("unread-output",))

    assert report.findings == [] and report.hidden == 2 and not report.is_failed()


def test_a_comment_counts_for_its_line_or_alone_for_the_whole_document() -> None:
    line, other = (
        Finding("warning", "secret", "x", "", "w.yml", 2),
        Finding("warning", "secret", "x", "", "w.yml", 3),
    )
    behind, alone = SwitchedOff(), SwitchedOff()
    behind.add_comments("w.yml", "a: 1\nb: 2  # markab: off=secret, no-outputs\nc: 3\n")
    alone.add_comments("w.yml", "a: 1\n  # markab: off=secret\n")

    assert behind.at == {SourcePlace("w.yml", 2): {"secret", "no-outputs"}}
    assert behind.hides(line) and not behind.hides(other)
    assert alone.hides(line) and alone.hides(other)
    assert not alone.hides(Finding("warning", "secret", "x", "", "v.yml", 2))


def test_comments_in_the_document_are_read(project: LintedProject) -> None:
    options = project.write(*jobs())
    options.workflow.write_text("# markab: off=unread-output\n" + options.workflow.read_text())

    assert operations.lint(options).findings == []
