"""`markab import` and `pegasus-cwl-converter`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, pegasus_command, verbose_option
from markab.cli.completion_values import directories, words
from markab.cli.output import echo, echo_json
from markab.errors import Problem
from markab.formatting import count, shown_path

LEFT_OUT = 1
_FILE = click.Path(path_type=Path)
_ONLY_FOR = {
    "inputs": ("cwl",),
    "programs": ("cwl",),
    "no_container": ("cwl",),
    "arguments": ("script",),
    "targets": ("make", "snakemake"),
    "snakemake": ("snakemake",),
    "trace": ("script", "make", "snakemake"),
}
"""Option → the formats that know it."""
_FORMATS = ("cwl", "script", "make", "snakemake")


@command(name="import")
@click.argument("source", metavar="FILE", type=_FILE)
@click.argument("directory", required=False, metavar="[DIR]", type=_FILE, shell_complete=directories)
@click.option(
    "--from",
    "format",
    type=click.Choice(_FORMATS),
    shell_complete=words(*_FORMATS),
    help="What FILE is; by default its name tells.",
)
@click.option("--name", default="", metavar="NAME", help="Name of the workflow; by default that of FILE.")
@click.option("--inputs", type=_FILE, metavar="FILE", help="CWL: the input object, YAML or JSON.")
@click.option(
    "--programs", type=_FILE, metavar="FILE", help="CWL: sites of the programs, as for pegasus-cwl-converter."
)
@click.option(
    "--no-container", is_flag=True, help="CWL: use the programs of this machine, and no containers."
)
@click.option(
    "--trace", is_flag=True, help="Run each step in a copy of the directory, to see which files it uses."
)
@click.option("--argument", "arguments", multiple=True, metavar="WORD", help="Script: an argument of it.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME",
    help="Make, Snakemake: what to make; by default the first.",
)
@click.option(
    "--snakemake", metavar="PROGRAM", help="Snakemake: the program that reads FILE; by default `snakemake`."
)
@json_option("Print what was written, what was left out, and what was guessed.")
@verbose_option
def import_workflow(source: Path, directory: Path | None, format: str | None, **flags: Any) -> int:
    """Import a CWL workflow, a shell script, a Makefile or a Snakefile as a project in DIR that runs as it is.

    FILE is only read, and nothing is overwritten. What has no counterpart is an error in CWL, and nothing is written. Of
    the other formats it is left out and listed, with its line; then the exit code is 1.
    """
    request = operations.ImportRequest(
        source,
        directory,
        format,
        flags["name"],
        flags["inputs"],
        flags["programs"],
        not flags["no_container"],
        flags["trace"],
        flags["arguments"],
        flags["targets"],
        flags["snakemake"] or "snakemake",
    )
    try:
        chosen = operations.format_of(request)
        _refuse_options_of_others(chosen, flags)
        report = operations.import_workflow(request)
    except operations.UnknownFormat as error:
        raise click.UsageError(str(error)) from None
    if flags["as_json"]:
        echo_json(_object(report))
    else:
        _print(report, source)
    return LEFT_OUT if report.left_out else 0


@pegasus_command("pegasus-cwl-converter")
@click.argument("cwl_workflow_file_path", type=_FILE)
@click.argument("workflow_inputs_file_path", type=_FILE)
@click.argument("transformation_spec_file_path", type=_FILE)
@click.argument("output_file_path", type=_FILE)
@click.option("-d", "--debug", is_flag=True, help="Of an unexpected error, print the traceback.")
def pegasus_cwl_converter(
    cwl_workflow_file_path: Path,
    workflow_inputs_file_path: Path,
    transformation_spec_file_path: Path,
    output_file_path: Path,
    debug: bool,
) -> None:
    """Convert a CWL workflow into one document with its catalogs. A file that exists is replaced."""
    report = operations.convert_cwl_document(
        cwl_workflow_file_path, workflow_inputs_file_path, transformation_spec_file_path, output_file_path
    )
    _print_problems("note", report.notes)
    echo(f"{output_file_path}: {count(report.jobs, 'job')}")


def _refuse_options_of_others(format: str, flags: dict[str, Any]) -> None:
    for name, formats in _ONLY_FOR.items():
        if flags[name] and format not in formats:
            option = {"arguments": "argument", "targets": "target"}.get(name, name).replace("_", "-")
            raise click.UsageError(f"--{option} is for {' and '.join(formats)}, and this is {format}")


def _print(report: operations.ImportReport, source: Path) -> None:
    _print_problems("left out", report.left_out)
    _print_problems("note", report.notes)
    place = shown_path(report.directory)
    echo(
        f"{place}: {count(len(report.files), 'file')}, {count(report.jobs, 'job')} from {shown_path(source)}"
    )
    into = "" if report.directory.resolve() == Path.cwd() else f"cd {place} && "
    echo(f"\nrun it:   {into}markab run --dir runs --output-dir results workflow.yml")


def _print_problems(what: str, problems: Sequence[Problem]) -> None:
    for problem in problems:
        echo(f"{what}: {problem}", err=True)
        if problem.hint:
            echo(f"  hint: {problem.hint}", err=True)


def _object(report: operations.ImportReport) -> dict[str, object]:
    return {
        "directory": str(report.directory),
        "format": report.format,
        "jobs": report.jobs,
        "files": [str(file) for file in report.files],
        "left_out": [_problem(each) for each in report.left_out],
        "notes": [_problem(each) for each in report.notes],
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {"message": problem.message, "hint": problem.hint, "file": problem.file, "line": problem.line}
