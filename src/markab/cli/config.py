"""`markab config` and `pegasus-config`: the directories in which the parts of Markab are installed.

Generators of workflows call `pegasus-config --python` and add the result to
`sys.path`, so that directory is the one in which `import Pegasus` works.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from markab.cli.command import command
from markab.cli.common_options import json_option, options, pegasus_command
from markab.cli.output import echo, echo_json

PLACES = {
    "bin": "the commands",
    "conf": "configuration files",
    "java": "Java archives; there are none, the directory is empty or absent",
    "perl": "Perl modules; there are none",
    "python": "where `import Pegasus` works",
    "python-externals": "the libraries that Markab needs",
    "r": "R packages; there are none",
    "schema": "schemas of the documents",
    "share": "what is the same for all machines",
}
"""Name of a directory → its content."""


def places() -> dict[str, str]:
    """Return the directories by name."""
    import markab

    package = Path(markab.__file__).resolve().parent
    libraries = package.parent
    share = Path(sys.prefix) / "share" / "pegasus"
    return {
        "bin": str(_commands_directory()),
        "conf": str(Path(sys.prefix) / "etc"),
        "java": str(share / "java"),
        "perl": str(share / "perl"),
        "python": str(libraries),
        "python-externals": str(_externals_directory(libraries)),
        "r": str(share / "r"),
        "schema": str(share / "schema"),
        "share": str(share),
    }


def shown(wanted: list[str], style: str | None) -> list[str]:
    """Return the lines to print: bare values, or assignments in the syntax of a language."""
    known = places()
    if style is None:
        return [known[name] for name in wanted]
    names = {f"PEGASUS_{name.upper().replace('-', '_')}_DIR": path for name, path in known.items()}
    if style == "sh":
        import shlex

        return [
            line for name, path in names.items() for line in (f"{name}={shlex.quote(path)}", f"export {name}")
        ]
    if style == "python":
        return [f"{name.lower()} = {path!r}" for name, path in names.items()]
    quoted = {name: path.replace("'", r"\'") for name, path in names.items()}
    return [f"our ${name.lower()} = '{path}';" for name, path in quoted.items()]


def _commands_directory() -> Path:
    started = Path(sys.argv[0]).resolve().parent
    return started if (started / "markab").exists() else Path(sys.executable).parent


def _externals_directory(fallback: Path) -> Path:
    from importlib.util import find_spec

    found = find_spec("yaml")
    return Path(found.origin).resolve().parent.parent if found and found.origin else fallback


FLAGS = options(
    *(
        click.option(f"--{name}", name.replace("-", "_"), is_flag=True, help=f"Directory of {what}.")
        for name, what in PLACES.items()
    ),
    click.option("--classpath", is_flag=True, help="A Java class path; it is empty."),
    click.option("--python-dump", "--python-hash", is_flag=True, help="All directories, as Python."),
    click.option("--sh-dump", is_flag=True, help="All directories, for a shell to evaluate."),
    click.option("--perl-dump", is_flag=True, help="All directories, as Perl."),
    click.option("--noeoln", is_flag=True, help="Print no line end."),
    json_option("Print all directories as an object."),
)


@command()
@FLAGS
def config(**asked: bool) -> None:
    """Print where the parts of Markab are installed."""
    _print(**asked)


@pegasus_command("pegasus-config")
@FLAGS
def pegasus_config(**asked: bool) -> None:
    """Print where the parts of Markab are installed."""
    _print(**asked)


def _print(classpath: bool, noeoln: bool, as_json: bool, **asked: bool) -> None:
    if as_json:
        echo_json(places(), nl=not noeoln)
        return
    style = next((word for word in ("python", "sh", "perl") if asked[f"{word}_dump"]), None)
    wanted = [name for name in PLACES if asked[name.replace("-", "_")]]
    if not (wanted or style or classpath):
        raise click.UsageError("name a directory to print, such as --python; --help lists all")
    lines = shown(wanted, style) + ([""] if classpath else [])
    echo("\n".join(lines), nl=not noeoln)
