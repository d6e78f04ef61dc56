"""`markab init` and `pegasus-init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, options, pegasus_command, verbose_option
from markab.cli.completion_values import directories, words
from markab.cli.output import echo, echo_json
from markab.formatting import shown_path


def _list_templates(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        sites = "\n".join(f"{name:<16} {centre.title}" for name, centre in operations.SITES.items())
        echo(f"{_templates()}\n\nSites (--site):\n{sites}")
        context.exit()


def _templates() -> str:
    return "\n".join(f"{name:<16} {what}" for name, what in operations.TEMPLATES.items())


_FLAGS = options(
    click.option("--name", metavar="NAME", help="Name of the workflow; by default that of the directory."),
    click.option(
        "--site",
        "sites",
        multiple=True,
        metavar="NAME",
        shell_complete=words(*operations.SITES),
        help="Write a site catalog to start from too, as sites/NAME.yml; without TEMPLATE, it alone.",
    ),
    click.option(
        "-l",
        "--list",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_templates,
        help="List the templates and the sites, and exit.",
    ),
    verbose_option,
)


@command()
@click.argument("template", required=False, metavar="[TEMPLATE]", shell_complete=words(*operations.TEMPLATES))
@click.argument(
    "directory", required=False, metavar="[DIR]", type=click.Path(path_type=Path), shell_complete=directories
)
@_FLAGS
@json_option("Print the files that were written.")
def init(template: str | None, directory: Path | None, verbose: int, **flags: Any) -> None:
    """Start a project in DIR, by default a new directory with the name of TEMPLATE.

    It is a workflow that runs as it is, with programs, data, tests and a README, to be changed into your own. No
    file is overwritten. On a terminal, what is not given is asked for.
    """
    _init(template, directory, flags)


@pegasus_command("pegasus-init")
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("-t", "--template", metavar="TEMPLATE", help="What to start from; --list lists them.")
@_FLAGS
@json_option("Print the files that were written.")
def pegasus_init(directory: Path | None, template: str | None, verbose: int, **flags: Any) -> None:
    """Start a project in DIR from a template. On a terminal, what is not given is asked for."""
    _init(template, directory, flags)


def _init(template: str | None, directory: Path | None, flags: dict[str, Any]) -> None:
    if template is None and flags["sites"]:
        directory, name = directory or Path(), ""
    else:
        template, directory, name = _answers(template, directory, flags["name"])
    try:
        files = operations.make_project(template, directory, name, flags["sites"])
    except (operations.WrongStarter, operations.UnknownSite) as error:
        raise click.UsageError(f"{error}; {error.hint}") from None
    if flags["as_json"]:
        echo_json({"directory": str(directory), "template": template, "files": [str(file) for file in files]})
        return
    if template is None:
        echo("\n".join(shown_path(file) for file in files))
        return
    place = shown_path(directory)
    echo(f"{place}: {len(files)} files from the template {template}")
    into = "" if directory.resolve() == Path.cwd() else f"cd {place} && "
    echo(f"\nrun it:   {into}markab run workflow.py")


def _is_at_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _answers(template: str | None, directory: Path | None, name: str | None) -> tuple[str, Path, str]:
    """Return what was given, and the answers to the other questions; without a terminal, the defaults."""
    asks = template is None and _is_at_terminal()
    if template is None:
        if not asks:
            raise click.UsageError(f"name a template:\n{_templates()}")
        echo(_templates())
        template = click.prompt(
            "\nTemplate", type=click.Choice(list(operations.TEMPLATES)), show_choices=False
        )
    if directory is None:
        directory = Path(click.prompt("Directory", default=template) if asks else template)
    if name is None:
        name = operations.default_name(directory)
        name = click.prompt("Name of the workflow", default=name) if asks else name
    return str(template), directory, str(name)
