"""`markab convert`, and the converters with names of Pegasus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from markab import operations
from markab.cli.command import Command, command
from markab.cli.common_options import Decorator, options, pegasus_command, verbose_option
from markab.cli.output import echo

if TYPE_CHECKING:
    from markab.operations import CatalogNoun

FORMS = {
    "sites": (("YAML", "XML"), ("YAML",)),
    "transformations": (("YAML", "Text"), ("YAML", "Text")),
    "replicas": (("YAML", "File", "JDBCRC"), ("YAML", "File", "JDBCRC")),
}
"""Kind of catalog → the forms that can be read, and those that can be written."""
_ALL_FORMS = ("YAML", "XML", "Text", "File", "JDBCRC")


def _conversion_options(
    given: Sequence[str],
    read: Sequence[str],
    wanted: Sequence[str],
    written: Sequence[str],
    expand: Sequence[str],
) -> Decorator:
    """Return the options of a converter: the names of three of them, and the forms that two of them take."""

    def form(names: Sequence[str], key: str, forms: Sequence[str], **attributes: Any) -> Decorator:
        return click.option(*names, key, type=click.Choice(forms, case_sensitive=False), **attributes)

    return options(
        click.option(
            *("-o", "--output"),
            required=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The new catalog.",
        ),
        form(given, "given", read, help="Form of the inputs; found out by default."),
        form(wanted, "wanted", written, default="YAML", show_default=True, help="Form of the new catalog."),
        click.option(*expand, is_flag=True, help="Replace ${VARIABLE} by its value."),
    )


@command()
@click.argument("kind", type=click.Choice(list(FORMS)))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@_conversion_options(["--from"], _ALL_FORMS, ["--to"], _ALL_FORMS, ["--expand"])
def convert(
    kind: str, inputs: Sequence[Path], output: Path, given: str | None, wanted: str, expand: bool
) -> None:
    """Convert a catalog into another form; several become one.

    \b
    sites            from YAML, XML; to YAML
    transformations  from and to YAML, Text
    replicas         from and to YAML, File (text), JDBCRC (SQLite)

    Comments are lost. A file that exists is replaced.
    """
    _convert(kind, inputs, output, given, wanted, expand)


def _convert(
    kind: str, inputs: Sequence[Path], output: Path, given: str | None, wanted: str, expand: bool
) -> None:
    for option, form, known in (("--from", given, FORMS[kind][0]), ("--to", wanted, FORMS[kind][1])):
        if form is not None and form not in known:
            raise click.UsageError(
                f"{option} {form}: {kind} are {'read' if option == '--from' else 'written'} as {', '.join(known)}"
            )
    number = operations.convert_catalog(
        cast("CatalogNoun", kind), inputs, output, given, wanted, expand=expand
    )
    from markab.formatting import count

    noun = "place" if kind == "replicas" else kind[:-1]
    echo(f"{output}: {count(number, noun)}")


def _converter(name: str, kind: str) -> Command:
    """Make the converter of one kind of catalog with the options of Pegasus."""
    read, written = FORMS[kind]

    @pegasus_command(name)
    @click.option(
        "-i", "--input", "inputs", required=True, metavar="FILE[,…]", help="The catalogs to convert into one."
    )
    @_conversion_options(["-I", "--iformat"], read, ["-O", "--oformat"], written, ["-e", "--expand"])
    @click.option("-c", "--conf", metavar="FILE", hidden=True)
    @verbose_option
    def converter(inputs: str, output: Path, given: str | None, wanted: str, expand: bool, **_: Any) -> None:
        paths = [Path(part.strip()) for part in inputs.split(",") if part.strip()]
        _convert(kind, paths, output, given, wanted, expand)

    converter.help = (
        f"Convert a catalog of {kind} into another form; several become one.\n\n"
        "Comments are lost. A file that exists is replaced."
    )
    return converter


pegasus_sc_converter = _converter("pegasus-sc-converter", "sites")
pegasus_tc_converter = _converter("pegasus-tc-converter", "transformations")
pegasus_rc_converter = _converter("pegasus-rc-converter", "replicas")
