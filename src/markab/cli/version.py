"""`markab version` and `pegasus-version`: the versions of Markab and of compatible Pegasus."""

from __future__ import annotations

import click

from markab.cli.command import command
from markab.cli.common_options import json_option, pegasus_command
from markab.cli.output import echo, echo_json


@command()
@click.option("-f", "--full", "-l", "--long", "full", is_flag=True, help="Also Python's and the libraries'.")
@json_option()
def version(full: bool, as_json: bool) -> None:
    """Print Markab's version."""
    from markab import PEGASUS_VERSION, __version__

    facts = {"markab": __version__, "pegasus": PEGASUS_VERSION, **(_libraries() if full else {})}
    if as_json:
        echo_json(facts)
    elif full:
        echo("\n".join(f"{name} {number}" for name, number in facts.items()))
    else:
        echo(f"markab {__version__}")


@pegasus_command("pegasus-version")
@click.option("-D", "properties", multiple=True, metavar="KEY=VALUE", hidden=True)
@click.option("-f", "--full", "-l", "--long", "full", is_flag=True, help="Also the version of Markab.")
@click.option("-q", "--quiet", is_flag=True, hidden=True)
@click.option("-m", "--match", is_flag=True, hidden=True)
def pegasus_version(full: bool, **_: object) -> None:
    """Print the version of Pegasus with which Markab is compatible."""
    from markab import PEGASUS_VERSION, __version__

    echo(f"{PEGASUS_VERSION} markab {__version__}" if full else PEGASUS_VERSION)


def _libraries() -> dict[str, str]:
    from importlib import metadata
    from platform import platform, python_version

    facts = {"python": python_version(), "platform": platform()}
    for name in ("msgspec", "PyYAML", "rapidyaml", "click", "rich"):
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            facts[name] = "not installed"
    return facts
