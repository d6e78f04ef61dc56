"""`markab graph` and `pegasus-graphviz`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, options, pegasus_command, verbose_option
from markab.cli.completion_values import words
from markab.cli.output import echo, echo_bytes

KINDS = ("label", "xform", "id", "xform-id", "label-xform", "label-id")
FLAGS = options(
    click.option(
        "-s",
        "--nosimplify",
        is_flag=True,
        help="Keep arrows that a longer path implies (left out by default).",
    ),
    click.option("-l", "--label", type=click.Choice(KINDS), default="label", help="The text in a job's box."),
    click.option("-o", "--output", metavar="FILE", help="Write to FILE; its suffix is the format."),
    click.option(
        "-r",
        "--remove",
        multiple=True,
        metavar="NAME",
        help="Leave out jobs of this transformation or kind, such as cleanup.",
    ),
    click.option("-W", "--width", type=click.FloatRange(min=0.1), metavar="INCHES", help="Width."),
    click.option("-H", "--height", type=click.FloatRange(min=0.1), metavar="INCHES", help="Height."),
    click.option("-f", "--files", is_flag=True, help="Draw files too, and arrows through them."),
    click.option("--full", is_flag=True, help="Draw every job, however many there are."),
)


@command()
@click.argument("what", required=False, metavar="[WORKFLOW|RUN]")
@FLAGS
@click.option(
    "-F",
    "--format",
    metavar="FORMAT",
    shell_complete=words("dot", "mermaid", "svg", "png", "pdf", "json"),
    help="dot, mermaid, svg, png, pdf or json; by default the suffix of FILE, or dot.",
)
@click.option("--recursive", is_flag=True, help="Of a run, draw the jobs of its sub-workflows too.")
@json_option("The same as `--format json`.")
@verbose_option
def graph(what: str | None, verbose: int, **flags: Any) -> None:
    """Draw the jobs of a workflow and their dependencies.

    Of a document the jobs as written, of a run the planned jobs, coloured by state. Jobs of one
    transformation are one box on levels of more than 12 jobs, and everywhere if there are more than 150. SVG is drawn with Graphviz if it is installed, and
    without it otherwise; PNG and PDF need it.
    """
    format = "json" if flags["as_json"] else flags["format"]
    _draw(what, flags, format)


@pegasus_command("pegasus-graphviz")
@click.argument("file", metavar="FILE")
@FLAGS
@verbose_option
def pegasus_graphviz(file: str, verbose: int, **flags: Any) -> None:
    """Draw FILE, a workflow document or a submit directory (also named by the .dag in it); DOT by default."""
    _draw(file, flags, None)


def _draw(what: str | None, flags: dict[str, Any], format: str | None) -> None:
    drawing = operations.draw(
        what,
        files=flags["files"],
        simplify=not flags["nosimplify"],
        label=flags["label"],
        remove=flags["remove"],
        full=flags["full"],
        recursive=flags.get("recursive", False),
    )
    size = flags["width"], flags["height"]
    output = flags["output"]
    if output and output != "-":
        operations.write_drawing(drawing, Path(output), format, *size)
    else:
        echo_bytes(operations.render_drawing(drawing, format or "dot", *size))
    if drawing.summarised:
        from markab.formatting import count

        echo(
            f"{count(drawing.jobs, 'job')} drawn as {count(len(drawing.nodes), 'box', 'boxes')}; `--full` draws each",
            err=True,
        )
