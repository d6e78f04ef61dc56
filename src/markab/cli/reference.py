"""Writes the reference pages of the commands, from what the commands say of themselves.

`python -m markab.cli.reference docs/reference` brings them up to date; a test
fails when they are not.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from markab.cli.main import COMMANDS
from markab.cli.pegasus import FILES

PEGASUS = (
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
)
"""Commands with a `pegasus-` name; `pegasus-keg` is a program of its own and gets its text from itself."""

CODES_MARKAB = "Exit codes: see [exit codes](../exit-codes.md)."
CODES_PEGASUS = (
    "Exit codes: 0 when all went well, 1 when something went wrong, 2 when the command line is wrong. "
    "`markab` tells more apart: see [exit codes](../exit-codes.md)."
)


def pages() -> dict[str, str]:
    """Return every page: file name → text."""
    made = {}
    for name in COMMANDS:
        if name != "keg":
            command = getattr(import_module(f"markab.cli.{name}"), name)
            made[f"markab-{name}.md"] = page(f"markab {name}", command, CODES_MARKAB)
    for name in PEGASUS:
        module = import_module(f"markab.cli.{FILES.get(name, name)}")
        command = getattr(module, f"pegasus_{name}", None) or getattr(module, name)
        called = f"pegasus-{name.replace('_', '-')}"
        made[f"{called}.md"] = page(called, command, CODES_PEGASUS)
    made["pegasus-keg.md"] = _keg_page()
    made["README.md"] = _index(made)
    return made


def page(name: str, command: click.Command, codes: str) -> str:
    """Return the page of one command."""
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"# {name}", "", *_prose(command.help or ""), "", "```", usage, "```", ""]
    options = list(_options(command, context))
    if options:
        lines += ["| option | meaning |", "|---|---|", *options, ""]
    return "\n".join([*lines, codes, ""])


def write_pages(directory: Path) -> None:
    """Write all pages into `directory`/commands."""
    target = directory / "commands"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text)


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


def _keg_page() -> str:
    from markab.cli.keg_program import USAGE

    return "\n".join(
        [
            "# pegasus-keg",
            "",
            "A program that stands in for a real one, in workflows that try something else out.",
            "`markab keg` is the same.",
            "",
            "```",
            USAGE.rstrip(),
            "```",
            "",
        ]
    )


def _index(made: dict[str, str]) -> str:
    lines = ["# Commands", "", "Written by `python -m markab.cli.reference docs/reference`.", ""]
    lines += [f"- [{text.split(chr(10))[0][2:]}]({name})" for name, text in sorted(made.items())]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
