"""Writing the reference pages of the commands and of the planner's options from their declarations.

`python -m markab.cli.reference docs/reference` updates them; a test fails when they
are out of date.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from markab.cli.main import COMMANDS, markab
from markab.cli.pegasus import FILES
from markab.planner.options import OPTIONS, PlannerOption, UsedBy

PEGASUS = (
    "init",
    "plan",
    "run",
    "status",
    "analyzer",
    "statistics",
    "remove",
    "halt",
    "version",
    "config",
    "graphviz",
    "metadata",
    "rc_client",
    "sc_converter",
    "tc_converter",
    "rc_converter",
    "cwl_converter",
    "exitcode",
    "submitdir",
    "db_admin",
    "monitord",
    "preflight_check",
)
"""Commands with a `pegasus-` name; those of `_program_pages` have a usage text instead of a table."""

CODES_MARKAB = "Exit codes: see [exit codes](../exit-codes.md)."
CODES_PEGASUS = (
    "Exit codes: 0 success, 1 an error, 2 a wrong command line. "
    "`markab` has more codes: see [exit codes](../exit-codes.md)."
)


PLANNER_OPTIONS = """\
# Options of the planner

Written by `python -m markab.cli.reference docs/reference`.

Each can be given to `markab plan`, to `markab run` with a workflow document and to `pegasus-plan`, as a flag;
those with a keyword also to `Workflow.plan` and `SubWorkflow.add_planner_args` in Python. A flag that takes
several values (`…`) may be repeated, and a list in Python is a list. `plan` delivers results to site `local`
unless it is called with `output_sites=None`. The options of a plan stand in its
`braindump.yml` as `planner_arguments`; of the properties, those whose values cannot be passwords or places of databases.

"""


COMMON = """\
# Commands

Written by `python -m markab.cli.reference docs/reference`.

In all `markab` commands:

- `RUN` is a submit directory. Inside one it may be left out, also before a job or a file: `markab why JOB`.
- `JOB` is the name of a job, or the id of the task that it runs.
- `-J` or `--json` prints the result as JSON, `-v` prints more, `-q` less.
- `NO_COLOR` in the environment disables colours and redrawn lines.

The `pegasus-…` commands have the option letters of Pegasus.

"""


def pages() -> dict[str, str]:
    """Return every page: name of its file, from the directory of reference pages → text."""
    made = {f"commands/{name}": text for name, text in command_pages().items()}
    return {**made, "planner-options.md": planner_options_page()}


def command_pages() -> dict[str, str]:
    """Return the page of every command: file name → text."""
    made = {}
    for name in COMMANDS:
        if name != "keg":
            command = markab.get_command(click.Context(markab), name)
            assert command is not None
            made[f"markab-{name}.md"] = page(f"markab {name}", command, CODES_MARKAB)
    for name in PEGASUS:
        module = import_module(f"markab.cli.{FILES.get(name, name)}")
        command = getattr(module, f"pegasus_{name}", None) or getattr(module, name)
        called = f"pegasus-{name.replace('_', '-')}"
        made[f"{called}.md"] = page(called, command, CODES_PEGASUS)
    made |= {f"{name}.md": text for name, text in _program_pages()}
    made["README.md"] = _index(made)
    return made


def page(name: str, command: click.Command, codes: str) -> str:
    """Return the page of one command; of a group with those of its commands."""
    return "\n".join([*_described(f"# {name}", name, command), codes, ""])


def _described(title: str, name: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [title, "", *_prose(command.help or ""), "", "```", usage, "```", ""]
    options = list(_options(command, context))
    if options:
        lines += ["| option | meaning |", "|---|---|", *options, ""]
    if isinstance(command, click.Group):
        for word, one in command.commands.items():
            lines += _described(f"## {word}", f"{name} {word}", one)
    return lines


def planner_options_page() -> str:
    """Return the page of the planner's options."""
    rows = [_planner_option(row) for row in OPTIONS if row.used_by is UsedBy.PLANNER]
    ignored = ", ".join(f"`{flag}`" for row in OPTIONS if row.used_by is UsedBy.NONE for flag in row.flags)
    table = ["| flag | keyword | meaning |", "|---|---|---|", *rows]
    return PLANNER_OPTIONS + "\n".join([*table, "", f"Accepted, and without effect: {ignored}.", ""])


def _planner_option(row: PlannerOption) -> str:
    metavar = (row.metavar + ("[,…]" if row.kind.has_commas else "")).replace("|", "\\|")
    flags = ", ".join(row.flags) + (f" {metavar}" if metavar else "")
    keyword = f"`{row.name}`" if row.is_keyword else ""
    same = f" Property: `{row.equal_property}`." if row.equal_property else ""
    return f"| `{flags}` | {keyword} | {row.help}{same} |"


def write_pages(directory: Path) -> None:
    """Write all pages into `directory`."""
    (directory / "commands").mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text)


def _prose(text: str) -> Iterator[str]:
    r"""Yield the lines of a docstring; a paragraph after `\b` is set as it stands."""
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ""
        if paragraph.startswith("\b"):
            yield from ["```", *paragraph.split("\n")[1:], "```"]
        else:
            yield from paragraph.split("\n")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            # Of the record only the names: what click adds to the meaning changes from version to version.
            names, meaning = (text.replace("|", "\\|") for text in (record[0], parameter.help or ""))
            yield f"| `{names}` | {meaning} |"


def _program_pages() -> Iterator[tuple[str, str]]:
    """Yield name and page of each program that has no table of options, only a usage text."""
    from markab.cli import keg_program
    from markab.worker import kickstart_options, pegasus_checkpoint, pegasus_cluster, pegasus_integrity

    for name, usage, summary in (
        ("pegasus-keg", keg_program.USAGE, "Simulate a program of a job; `markab keg` is the same."),
        ("pegasus-cluster", pegasus_cluster.USAGE, "Run a list of commands."),
        ("pegasus-kickstart", kickstart_options.USAGE, "Run a program, and write a record of it."),
        (
            "pegasus-checkpoint",
            pegasus_checkpoint.USAGE,
            "Pack files of a job into a checkpoint while it runs.",
        ),
        ("pegasus-integrity", pegasus_integrity.USAGE, "Compute checksums of files, or verify them."),
    ):
        yield name, "\n".join([f"# {name}", "", summary, "", "```", usage.rstrip(), "```", ""])


def _index(made: dict[str, str]) -> str:
    lines = COMMON.splitlines()
    lines += [f"- [{text.split(chr(10))[0][2:]}]({name})" for name, text in sorted(made.items())]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
