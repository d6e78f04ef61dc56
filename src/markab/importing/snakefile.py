"""The steps of a Snakefile, as a dry run of Snakemake itself prints them: each job with a shell command is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from markab.errors import DocumentError, MarkabError, Problem
from markab.importing.step_jobs import StepSource
from markab.importing.steps import Step
from markab.spec.document_file import read_bytes

_JOB = re.compile(r"^(?:local)?(?P<kind>rule|checkpoint) (?P<name>\w+):$")
_FIELD = re.compile(r"^    (?P<key>[\w-]+): (?P<value>.*)$")
_STAMP = re.compile(r"^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]$|^Job stats:$")
_COMMAND = "Shell command: "
_REMOVED = "Would remove temporary output "
_RULE = re.compile(r"^\s*(?:rule|checkpoint)\s+(\w+)\s*:", re.M)
_OLDEST = 9
_WAIT_S = 300


def read_snakemake_steps(path: Path, targets: Sequence[str] = (), program: str = "snakemake") -> StepSource:
    """Return the steps that Snakemake would run for some targets if nothing had been made yet.

    Snakemake runs the Python code of the Snakefile, as it always does, and none of its rules.

    Raises:
        DocumentError: Snakemake cannot read it.
        MarkabError: it is not installed, or older than version 9.
        StorageError: the Snakefile cannot be read.
    """
    text = read_bytes(path).decode(errors="replace")
    lines = {found[1]: text.count("\n", 0, found.start(1)) + 1 for found in _RULE.finditer(text)}
    source = StepSource(path)
    found = shutil.which(program)
    if found is None:
        raise MarkabError(
            f"{program!r} is not installed, which reads the Snakefile",
            "pip install snakemake, in an environment of its own, and name the program with --snakemake",
        )
    _check_version(found)
    printed = _run(
        [found, "-s", path.name, "-n", "-p", "--forceall", "--nocolor", "--cores", "1024", *targets],
        path,
        lines,
    )
    for block in _blocks(printed):
        _add(source, block, lines)
    return source


def _check_version(program: str) -> None:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    if not re.match(r"\d+", version) or int(version.split(".")[0]) < _OLDEST:
        raise MarkabError(
            f"Snakemake {version or '?'} is too old: {_OLDEST} or newer reads the Snakefile",
            "pip install -U snakemake",
        )


def _run(words: Sequence[str], path: Path, lines: dict[str, int]) -> str:
    done = subprocess.run(
        words,
        cwd=path.absolute().parent,
        env={**os.environ, "COLUMNS": "100000"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_WAIT_S,
    )
    text = done.stdout.decode(errors="surrogateescape")
    if done.returncode:
        tail = [line for line in text.splitlines() if line.strip()]
        place = re.search(r"line (\d+)", text)
        rule = re.search(r"in rule (\w+)", text)
        line = lines.get(rule[1], 0) if rule else int(place[1]) if place else 0
        message = "; ".join(line.strip() for line in tail[-4:])
        raise DocumentError(Problem(f"Snakemake cannot plan it: {message}", "", str(path), line, "import"))
    return text


def _blocks(printed: str) -> list[list[str]]:
    """Return the lines of each job: from its first line to the next time stamp."""
    blocks: list[list[str]] = []
    is_inside = False
    for line in printed.splitlines():
        if _JOB.match(line) and not is_inside:
            blocks.append([line])
            is_inside = True
        elif _STAMP.match(line):
            is_inside = False
        elif is_inside:
            blocks[-1].append(line)
    return blocks


def _add(source: StepSource, block: list[str], lines: dict[str, int]) -> None:
    head = _JOB.match(block[0])
    assert head is not None
    line = lines.get(head["name"], 0)
    position = next((i for i, each in enumerate(block) if each.startswith(_COMMAND)), len(block))
    fields = {found["key"]: found["value"] for each in block[:position] if (found := _FIELD.match(each))}
    removed = {each.removeprefix(_REMOVED).strip() for each in block[position:] if each.startswith(_REMOVED)}
    said = [each for each in block[position:] if not each.startswith(_REMOVED)]
    command = "\n".join(said).removeprefix(_COMMAND).rstrip()
    reads, writes = (
        _names(fields, "input"),
        _names(fields, "output") | _names(fields, "log"),
    )
    what = f"rule {head['name']}"
    if head["kind"] == "checkpoint" or "<TBD>" in reads | writes:
        source.leave_out(
            line,
            f"{what}: jobs that are known only after a checkpoint",
            "make it a rule, if its outputs are known",
        )
        return
    if removed:
        source.steps.append(Step("rm", line, "", removes=removed, is_job=False))
    if command in ("None", ""):
        if writes:
            hint = "run it as a program by `shell:`"
            source.leave_out(
                line, f"{what} has no shell command, but Python code, a script, a notebook or a wrapper", hint
            )
        return
    if "benchmark" in fields:
        source.note(line, f"{what}: its benchmark is not made; `markab statistics` tells what jobs used")
    for key in ("conda-env", "container", "envmodules"):
        if key in fields:
            source.note(line, f"{what}: {key} has no effect; its programs must be on this machine")
    resources = dict(each.split("=", 1) for each in fields.get("resources", "").split(", ") if "=" in each)
    memory = resources.get("mem_mb", "")
    source.steps.append(
        Step(
            head["name"],
            line,
            f"set -euo pipefail\n{command}",
            reads,
            writes,
            cores=int(fields.get("threads", "1")) if fields.get("threads", "1").isdigit() else 1,
            memory_mb=int(memory) if memory.isdigit() else 0,
        )
    )


def _names(fields: dict[str, str], key: str) -> set[str]:
    """Return the files of a line of a job; a directory or a temporary file has that behind its name."""
    given = [each.strip() for each in fields.get(key, "").split(", ")]
    return {
        re.sub(
            r" \((?:temp|pipe|update|protected|before update|retrieve from storage|send to storage)\)$",
            "",
            each,
        )
        for each in given
        if each
    }
