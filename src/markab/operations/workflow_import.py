"""Importing the workflow of another system: converted, and written as a project that runs as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from markab.errors import DocumentError, Problem
from markab.formatting import count
from markab.importing.converted_workflow import ConvertedWorkflow
from markab.operations.project_directory import ProjectFile, write_project
from markab.plan.atomic_file import replacing
from markab.spec.document_file import read_bytes
from markab.spec.model import Workflow
from markab.spec.writer import emit, to_document

if TYPE_CHECKING:
    from markab.importing.step_jobs import StepSource

FORMATS = {
    "cwl": "a CWL workflow or tool, v1.0 to v1.2",
    "script": "a shell script",
    "make": "a Makefile",
    "snakemake": "a Snakefile",
}
"""Name of a format → what it is."""
_SUFFIXES = {".cwl": "cwl", ".sh": "script", ".bash": "script", ".mk": "make", ".smk": "snakemake"}
_FILE_NAMES = {"makefile": "make", "gnumakefile": "make", "snakefile": "snakemake"}
_SHELL_LINE = re.compile(rb"#!\s*\S*[/ ](ba|da)?sh\b")
_VERSION = "5.0.4"


class UnknownFormat(ValueError):
    """A document of which neither its name nor its beginning tell the format."""


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported, and how; what a format does not know has no effect there."""

    source: Path
    directory: Path | None = None
    """None: one beside the present directory's files, with the name of the source."""
    format: str | None = None
    """One of FORMATS; None: by the name of the source, or its first line."""
    name: str = ""
    inputs: Path | None = None
    """CWL: the input object."""
    programs: Path | None = None
    """CWL: the transformation specification."""
    with_containers: bool = True
    """CWL: False ignores DockerRequirement."""
    trace: bool = False
    """Run each step once in a copy of the directory, to see which files it reads and writes."""
    arguments: Sequence[str] = ()
    """A shell script: its arguments."""
    targets: Sequence[str] = ()
    """Make and Snakemake: what is to be made."""
    snakemake: str = "snakemake"
    """The program."""


@dataclass(frozen=True)
class ImportReport:
    """What was written, and what is otherwise than in the original."""

    directory: Path
    format: str
    files: list[Path]
    jobs: int
    left_out: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


def import_workflow(request: ImportRequest) -> ImportReport:
    """Convert a workflow of another system, and write it as a project; nothing is overwritten.

    Raises:
        UnknownFormat: the format is neither given nor known from the source.
        DocumentError: with everything that makes a conversion impossible; nothing was written.
        StorageError: the source cannot be read, or a file of the project exists already.
        MarkabError: a package or program that reads the format is not installed.
    """
    format = format_of(request)
    directory = request.directory or Path(f"{_stem(request.source)}-workflow")
    converted = _converted(request, format, directory.absolute())
    files = write_project(directory, list(_project(converted, request.source, directory.absolute())))
    return ImportReport(
        directory, format, files, len(converted.workflow.jobs), converted.left_out, converted.notes
    )


def convert_cwl_document(document: Path, inputs: Path, programs: Path, output: Path) -> ImportReport:
    """Convert a CWL workflow into one document with its catalogs, as `pegasus-cwl-converter` does; `output` is replaced.

    Raises: as `import_workflow`.
    """
    request = ImportRequest(document, inputs=inputs, programs=programs)
    converted = _converted_cwl(request)
    workflow = converted.workflow
    workflow.replica_catalog, workflow.transformation_catalog = converted.replicas, converted.transformations
    with replacing(output) as file:
        file.write(_text(workflow).encode())
    return ImportReport(output.parent, "cwl", [output], len(workflow.jobs), [], converted.notes)


def _converted(request: ImportRequest, format: str, directory: Path) -> ConvertedWorkflow:
    if format == "cwl":
        return _converted_cwl(request)
    from markab.importing.step_jobs import workflow_of
    from markab.importing.traced_files import trace_steps

    source = _STEPS[format](request)
    if request.trace:
        trace_steps(source)
    name = request.name or _stem(request.source)
    return workflow_of(source, name, directory)


def _script_steps(request: ImportRequest) -> StepSource:
    from markab.importing.shell_script import read_script

    return read_script(request.source, request.arguments, is_traced=request.trace)


def _make_steps(request: ImportRequest) -> StepSource:
    from markab.importing.makefile import read_make_steps

    return read_make_steps(request.source, request.targets)


def _snakemake_steps(request: ImportRequest) -> StepSource:
    from markab.importing.snakefile import read_snakemake_steps

    return read_snakemake_steps(request.source, request.targets, request.snakemake)


_STEPS: dict[str, Callable[[ImportRequest], StepSource]] = {
    "script": _script_steps,
    "make": _make_steps,
    "snakemake": _snakemake_steps,
}


def _converted_cwl(request: ImportRequest) -> ConvertedWorkflow:
    from markab.importing.cwl_programs import checked_spec
    from markab.importing.cwl_workflow import CwlRequest, convert_cwl

    spec = _read_yaml(request.programs) if request.programs else {}
    return convert_cwl(
        CwlRequest(
            request.source,
            request.inputs,
            checked_spec(spec or {}, str(request.programs)),
            str(request.programs or ""),
            request.name,
            request.with_containers,
        )
    )


def format_of(request: ImportRequest) -> str:
    """Return the format of the source, one of FORMATS.

    Raises:
        UnknownFormat: it is neither given nor known from the source.
        StorageError: the source cannot be read.
    """
    source = request.source
    known = request.format or _FILE_NAMES.get(source.name.lower()) or _SUFFIXES.get(source.suffix.lower())
    if known:
        return known
    if _SHELL_LINE.match(read_bytes(source)[:200]):
        return "script"
    raise UnknownFormat(f"{source.name!r} does not tell what it is; name its format with --from")


def _stem(source: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", source.stem).strip("-.").lower() or "imported"


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(read_bytes(path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DocumentError(Problem(f"not YAML: {error.problem}", "", str(path), line)) from error


def _project(converted: ConvertedWorkflow, source: Path, directory: Path) -> Iterator[ProjectFile]:
    yield ProjectFile("workflow.yml", _text(converted.workflow).encode())
    yield ProjectFile("replicas.yml", _text(converted.replicas, _VERSION).encode())
    yield ProjectFile("transformations.yml", _text(converted.transformations, _VERSION).encode())
    yield ProjectFile("README.md", _readme(converted, source).encode())
    yield ProjectFile(".gitignore", b"/runs/\n/results/\n/wf-scratch/\n/wf-output/\n")
    for path, text in converted.programs.items():
        yield ProjectFile(path, text.encode("utf-8", "surrogateescape"), 0o777)


def _text(document: Any, version: str | None = None) -> str:
    parts: list[str] = []
    if isinstance(document, Workflow):
        emit(to_document(document), parts.append)
    else:
        emit(to_document(document, version), parts.append)
    return "".join(parts)


def _readme(converted: ConvertedWorkflow, source: Path) -> str:
    jobs = count(len(converted.workflow.jobs), "job")
    lines = [f"# {converted.workflow.name}", "", f"{jobs}, imported from `{source.absolute()}`. Run it:", ""]
    lines += ["    markab run --dir runs --output-dir results workflow.yml", ""]
    lines += [
        "The catalogs name the inputs and programs by their absolute paths: change them when you move these.",
        "",
    ]
    for title, problems in (
        ("Left out", converted.left_out),
        ("Otherwise than in the original, or guessed", converted.notes),
    ):
        if problems:
            lines += [f"## {title}", "", *(f"* {problem}" for problem in problems), ""]
    return "\n".join(lines)
