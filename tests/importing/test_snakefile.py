"""The steps of a Snakefile, from what a dry run of Snakemake prints; here a program that prints the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import DocumentError, MarkabError
from markab.importing.snakefile import read_snakemake_steps
from markab.importing.step_jobs import StepSource

SNAKEFILE = "rule all:\n    input: 'x'\n\nrule sort:\n    output: 'x'\n    shell: 'sort'\n\ncheckpoint later:\n    output: 'z'\n"


def read(directory: Path, printed: str, code: int = 0, version: str = "9.27.1") -> StepSource:
    program = directory / "snakemake"
    (directory / "printed").write_text(printed)
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\ncat {directory}/printed\nexit {code}\n'
    )
    program.chmod(0o755)
    (directory / "Snakefile").write_text(SNAKEFILE)
    return read_snakemake_steps(directory / "Snakefile", (), str(program))


def job(rule: str, command: str, *fields: str, kind: str = "rule") -> str:
    lines = "".join(f"    {field}\n" for field in fields)
    return f"[Mon Nov 30 18:39:24 2026]\n{kind} {rule}:\n{lines}Shell command: {command}\n\n"


def test_each_job_with_a_shell_command_is_a_step(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        "Building DAG of jobs...\n"
        + job(
            "sort",
            "\n        sort a b \\\n          > out/x\n        echo done\n        ",
            "input: a, b",
            "output: out/x, t (temp)",
            "log: logs/x",
            "threads: 4",
            "resources: tmpdir=/tmp, mem_mb=100",
        )
        + job("all", "None", "input: out/x", kind="localrule")
        + "Job stats:\njob  count\n",
    )

    (step,) = source.steps
    assert (step.reads, step.writes) == ({"a", "b"}, {"out/x", "t", "logs/x"})
    assert (step.line, step.cores, step.memory_mb) == (4, 4, 100)
    assert step.text == "set -euo pipefail\n\n        sort a b \\\n          > out/x\n        echo done"
    assert source.left_out == []


def test_rules_in_python_and_checkpoints_are_left_out(tmp_path: Path) -> None:
    printed = job("sort", "None", "output: x") + job("later", "touch z", "output: z", kind="checkpoint")

    source = read(tmp_path, printed)

    assert source.steps == []
    assert [problem.line for problem in source.left_out] == [4, 8]
    assert "no shell command" in source.left_out[0].message and "checkpoint" in source.left_out[1].message


def test_what_snakemake_refuses_is_refused_with_the_line_of_the_rule(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"Snakefile:4: Snakemake cannot plan it: .*MissingInput"):
        read(
            tmp_path,
            "MissingInputException in rule sort in file Snakefile, line 2:\nMissing input files",
            code=1,
        )


def test_an_old_snakemake_and_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(MarkabError, match=r"Snakemake 7\.1 is too old"):
        read(tmp_path, "", version="7.1")
    with pytest.raises(MarkabError, match="not installed") as caught:
        read_snakemake_steps(tmp_path / "Snakefile", (), str(tmp_path / "gone"))
    assert "--snakemake" in caught.value.hint
