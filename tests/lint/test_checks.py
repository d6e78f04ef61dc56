"""Each check finds what it is for, says where it is, and leaves alone what only looks like it."""

import json
from pathlib import Path

import pytest

from kit.linted import LintedProject, job
from markab import operations
from markab.lint.checks import CHECKS, CODES
from markab.planner.options import PlanOptions

ARGPARSE = """#!/usr/bin/env python3
import argparse
p = argparse.ArgumentParser()
p.add_argument("--in", required=True)
p.add_argument("--out", required=True)
p.add_argument("--level", type=int)
args = p.parse_args()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LintedProject:
    monkeypatch.chdir(tmp_path)
    found = LintedProject(tmp_path)
    found.data("a.txt")
    return found


def test_a_clean_workflow_has_no_findings(project: LintedProject) -> None:
    project.program("fit", ARGPARSE)
    first = job("one", "--in a.txt --out b.txt --level 3", "a.txt", "b.txt-", "fit")

    assert project.codes(first, job("two", "b.txt", "b.txt", stdout="c.txt")) == []


def test_what_planning_finds_is_a_finding_with_the_place_of_what_it_names(project: LintedProject) -> None:
    missing, unknown = project.findings(
        job("one", "ax.txt", "ax.txt", stdout="b.txt"),
        job("two", "a.txt", "a.txt", "c.txt", tool="no-such-tool"),
    )

    assert (missing.code, missing.severity) == ("missing-input", "error")
    assert "did you mean 'a.txt'?" in missing.hint and missing.file == "workflow.yml"
    assert '"ax.txt"' in Path("workflow.yml").read_text().splitlines()[missing.line]
    assert unknown.code == "missing-executable" and unknown.line > missing.line


def test_a_problem_of_a_document_leaves_the_other_checks_at_work(project: LintedProject) -> None:
    found = project.codes(job("one", "b.txt", "a.txt", "b.txt-"), job("two", "a.txt", "a.txt", "b.txt"))

    assert "two-producers" in found and "unread-output" in found


def test_an_output_that_no_job_reads_must_be_kept(project: LintedProject) -> None:
    (found,) = project.findings(job("one", "a.txt b.txt c.txt", "a.txt", "b.txt- c.txt"))

    assert found.code == "unread-output" and "'b.txt'" in found.message and found.line


def test_a_job_must_make_something_or_be_waited_for(project: LintedProject) -> None:
    jobs = job("one"), job("two", "a.txt", "a.txt", stdout="b.txt")

    assert project.codes(*jobs) == ["no-outputs"]
    assert project.codes(*jobs, jobDependencies=[{"id": "one", "children": ["two"]}]) == []
    assert project.codes(job("one", "a.txt", "a.txt")) == []  # run for what it prints


def test_names_that_differ_by_case_only_are_found(project: LintedProject) -> None:
    found = project.codes(
        job("one", "a.txt b.txt", "a.txt", "b.txt"), job("two", "a.txt B.txt", "a.txt", "B.txt")
    )

    assert found == ["lfn-spelling"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("a.txt b.txt x.txt", "add 'x.txt' to the inputs"),
        ("a.txt --result=bb.txt", "did you mean 'b.txt'?"),
        ("a.txt b.txt -o log.csv", "add 'log.csv' to the outputs"),
        ("a.txt b.txt --input table.csv", "add 'table.csv' to the inputs"),
        ("a.txt b.txt ./x.txt", "add 'x.txt' to the inputs"),
        ("a.txt,x.txt b.txt", "add 'x.txt' to the inputs"),
    ],
)
def test_an_argument_that_names_a_file_which_is_not_declared(
    project: LintedProject, arguments: str, hint: str
) -> None:
    maker = job("maker", "a.txt", "a.txt", stdout="x.txt")
    (found,) = project.findings(maker, job("one", arguments, "a.txt", "b.txt"))

    assert found.code == "undeclared-file" and hint in found.hint


@pytest.mark.parametrize(
    "arguments",
    [
        "a.txt ./b.txt",
        "a.txt b.txt /etc/hosts.conf",
        "a.txt b.txt https://example.org/x.txt",
        "a.txt b.txt 1.5 v1.2.3 -3.5e1",
        "a.txt b.txt --module my.package",
        "a.txt b",
    ],
)
def test_words_that_are_no_files_are_left_alone(project: LintedProject, arguments: str) -> None:
    assert project.codes(job("one", arguments, "a.txt", "b.txt")) == []


def test_an_input_must_not_be_given_to_an_option_for_outputs(project: LintedProject) -> None:
    assert project.codes(job("one", "-i b.txt --output a.txt", "a.txt", "b.txt")) == ["file-direction"] * 2
    assert project.codes(job("one", "-i 3 b.txt -o b.txt a.txt", "a.txt", "b.txt")) == []


def test_a_file_that_the_program_writes_is_no_input(project: LintedProject) -> None:
    text = ARGPARSE + "open(getattr(args, 'in')); open(args.out, 'w')\n"
    project.program("fit", text.replace("--out", "--result").replace("args.out", "args.result"))
    arguments = "--in a.txt --result b.txt"
    project.data("b.txt")

    (found,) = project.findings(job("one", arguments, "a.txt b.txt", "", "fit"))
    assert found.code == "file-direction" and "fit writes it" in found.message
    assert project.codes(job("one", arguments, "a.txt", "b.txt", "fit")) == []


def test_a_file_name_with_a_blank_must_stay_one_argument(project: LintedProject) -> None:
    one = job("one", reads="a.txt")
    one["uses"].append({"lfn": "my file.txt", "type": "output"})

    assert "split-file-name" in project.codes({**one, "arguments": ["a.txt -o my file.txt"]})
    assert project.codes({**one, "arguments": ["a.txt", "-o", "my file.txt"]}) == []
    assert project.codes({**one, "arguments": ['a.txt -o "my file.txt"']}) == []


def test_a_program_must_accept_the_arguments_of_its_jobs(project: LintedProject) -> None:
    project.program("fit", ARGPARSE)
    (refused,) = project.findings(job("one", "--in a.txt --outt b.txt", "a.txt", "b.txt", "fit"))

    assert (refused.code, refused.severity) == ("wrapper-arguments", "error")
    assert "fit does not accept the arguments of job 'one'" in refused.message and "--out" in refused.message


def test_equal_refusals_of_many_jobs_are_one_finding(project: LintedProject) -> None:
    project.program("fit", ARGPARSE)
    jobs = [
        job(f"j{n}", f"--in a.txt --out b{n}.txt --levl 3", "a.txt", f"b{n}.txt", "fit") for n in range(5)
    ]
    (found,) = project.findings(*jobs)

    assert "and of 4 more jobs" in found.message and found.hint == "did you mean '--level'?"


def test_a_script_that_python_is_given_is_checked_too(project: LintedProject) -> None:
    project.program("fit.py", ARGPARSE)
    project.transformations.clear()
    project.replicas.append(
        {"lfn": "fit.py", "pfns": [{"site": "local", "pfn": str(Path("fit.py").resolve())}]}
    )

    assert (
        project.codes(job("one", "fit.py --in a.txt --out b.txt", "a.txt fit.py", "b.txt", "python3")) == []
    )
    found = project.codes(job("one", "fit.py --in a.txt", "a.txt fit.py", "b.txt", "python3"))
    assert "wrapper-arguments" in found


def test_a_declared_file_that_the_program_is_not_told_of(project: LintedProject) -> None:
    project.data("extra.dat")
    project.program("fit", ARGPARSE + "print(args.data, extracted)\n")
    arguments = "--in a.txt --out b.txt"

    assert project.codes(job("one", arguments, "a.txt extra.dat", "b.txt", "fit")) == ["unnamed-file"]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("open('extra.dat')", "a.txt b.txt"),
        ("glob('*')", "a.txt b.txt"),
        ("import extra", "a.txt b.txt"),
        ("name + '.dat'", "a.txt b.txt"),
        ("", "a.txt b.txt extra"),
        ("", "a.txt b.txt --prefix=ext"),
    ],
)
def test_a_file_that_the_program_can_find_is_no_surprise(
    project: LintedProject, text: str, arguments: str
) -> None:
    project.data("extra.dat")
    project.program("fit", f"#!/bin/sh\n{text}\n")

    assert project.codes(job("one", arguments, "a.txt extra.dat", "b.txt", "fit")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print(1)\n", "names no interpreter"),
        ("#!/usr/bin/env python3\r\nprint(1)\r\n", "as in Windows"),
        ("#!/no/such/python\n", "there is no interpreter '/no/such/python'"),
        ("#!/usr/bin/env no-such-python\n", "no program 'no-such-python'"),
        ("#!python3\n", "no absolute path"),
        ("#!\n", "names no interpreter"),
        ("", "it is empty"),
        ("\ufeff#!/bin/sh\n", "byte order mark"),
    ],
)
def test_the_first_line_of_a_script_must_start_something(
    project: LintedProject, text: str, message: str
) -> None:
    project.program("fit", text)
    (found,) = [
        one
        for one in project.findings(job("one", "a.txt b.txt", "a.txt", "b.txt", "fit"))
        if one.code == "interpreter"
    ]

    assert message in found.message and (found.file, found.line) == ("fit", 1)


def test_a_request_above_every_site_is_found(project: LintedProject) -> None:
    scratch = str(project.directory / "scratch")
    directory = {
        "type": "sharedScratch",
        "path": scratch,
        "fileServers": [{"operation": "all", "url": f"file://{scratch}"}],
    }
    sites = {
        "sites": [
            {
                "name": "big",
                "directories": [directory],
                "profiles": {"pegasus": {"slots.cores": "8", "slots.memory": "16 GB"}},
            }
        ]
    }

    def codes(**wanted: str) -> list[str]:
        one = job("one", "a.txt", "a.txt", stdout="b.txt", profiles={"pegasus": wanted})
        return [code for code in project.codes(one, siteCatalog=sites) if code == "request-too-large"]

    assert codes(cores="8", memory="16384") == []
    assert codes(cores="9", memory="16385") == ["request-too-large"] * 2


def test_values_that_wait_to_be_put_in(project: LintedProject) -> None:
    project.transformations = [
        {"name": "t1", "sites": [{"name": "CONTAINER_SITE", "type": "stageable", "pfn": "http://h/t1"}]},
        {"name": "t2", "sites": [{"name": "local", "type": "stageable", "pfn": "http://h/<your-name>/t2"}]},
        {"name": "t3", "sites": [{"name": "local", "type": "stageable", "pfn": "http://h/{user}/t3"}]},
        {
            "name": "t4",
            "sites": [{"name": "local", "type": "stageable", "pfn": "http://h/my-project/todo/t4"}],
        },
    ]
    jobs = [job(f"j{n}", "a.txt", "a.txt", f"b{n}.txt", f"t{n}") for n in range(1, 5)]

    assert [c for c in project.codes(*jobs) if "-" in c or c == "placeholder"] == [
        "placeholder",
        "placeholder",
        "unexpanded-variable",
    ]


@pytest.mark.parametrize(
    "keys",
    [
        {"arguments": ["a.txt", "--api-key", "abcdef123456"]},
        {"arguments": ["a.txt", "--password=correct-horse"]},
        {"arguments": ["a.txt", "ghp_" + "a1" * 18]},
        {"arguments": ["a.txt", "https://me:pass@example.org/x"]},
        {"profiles": {"env": {"MY_SECRET_KEY": "abcdef123456"}}},
    ],
)
def test_secrets_are_found_and_not_repeated(project: LintedProject, keys: dict) -> None:
    (found,) = project.findings({**job("one", "a.txt", "a.txt", stdout="b.txt"), **keys})

    assert found.code == "secret"
    assert not any(text in found.message for text in ("abcdef123456", "correct-horse", "ghp_", "pass@"))


@pytest.mark.parametrize(
    "keys",
    [
        {"arguments": ["a.txt", "--tokens", "100"]},
        {"arguments": ["a.txt", "--token", "a.txt"]},
        {"arguments": ["a.txt", "--key", "name"]},
        {"profiles": {"env": {"API_KEY": "$API_KEY", "TOKENIZERS_PARALLELISM": "false-false"}}},
    ],
)
def test_what_is_no_secret_is_not_called_one(project: LintedProject, keys: dict) -> None:
    assert project.codes({**job("one", "a.txt", "a.txt", stdout="b.txt"), **keys}) == []


def test_an_image_of_a_few_bytes_is_none(project: LintedProject) -> None:
    image = project.directory / "tools.sif"
    image.write_text("version https://git-lfs.github.com/spec/v1\n")
    options = project.write(job("one", "a.txt", "a.txt", stdout="b.txt"))
    project.document["transformationCatalog"]["containers"] = [
        {"name": "tools", "type": "singularity", "image": f"file://{image}", "image.site": "local"}
    ]

    found = project.codes(*project.document.pop("jobs"), **project.document)
    assert options and found == ["small-image"]


def test_entries_that_no_job_uses_are_notes(project: LintedProject) -> None:
    project.data("b.txt", "c.txt")
    project.program("fit", "#!/bin/sh\n")
    program, files = project.findings(job("one", "a.txt", "a.txt", stdout="d.txt"))

    assert {program.severity, files.severity} == {"note"}
    assert sorted((program.code, files.code)) == ["unused-replica", "unused-transformation"]


def test_every_code_belongs_to_a_check_and_is_explained(project: LintedProject) -> None:
    assert len(CHECKS) == len(set(CHECKS))
    assert all(severity in ("error", "warning", "note") and meaning for severity, meaning in CODES.values())


def test_a_sub_workflow_whose_document_is_a_file_is_looked_into(tmp_path: Path) -> None:
    inner = {
        "pegasus": "5.0.4",
        "name": "inner",
        "jobs": [
            {
                "type": "job",
                "name": "no-such-program",
                "id": "x",
                "arguments": [],
                "uses": [{"lfn": "in.txt", "type": "input"}, {"lfn": "up.txt", "type": "output"}],
            }
        ],
    }
    uses = [
        {"lfn": "in.txt", "type": "input"},
        {"lfn": "inner.yml", "type": "input", "forPlanning": True},
        {"lfn": "other.txt", "type": "output"},
    ]
    outer = {
        "pegasus": "5.0.4",
        "name": "outer",
        "replicaCatalog": {
            "replicas": [
                {"lfn": name, "pfns": [{"site": "local", "pfn": str(tmp_path / name)}]}
                for name in ("inner.yml", "in.txt")
            ]
        },
        "jobs": [
            {"type": "pegasusWorkflow", "file": "inner.yml", "id": "s", "arguments": [], "uses": uses},
        ],
    }
    (tmp_path / "in.txt").write_text("")
    (tmp_path / "inner.yml").write_text(json.dumps(inner))
    (tmp_path / "workflow.yml").write_text(json.dumps(outer))

    report = operations.lint(PlanOptions(workflow=Path("workflow.yml"), directory=tmp_path))

    said = " ".join(finding.message for finding in report.findings)
    assert "no-such-program" in said and "declares 'other.txt' as an output of this one" in said
    assert "has no replica" not in said, "its parent brings in.txt"
