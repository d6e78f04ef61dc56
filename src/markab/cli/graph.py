"""`markab graph` and `pegasus-graphviz`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from markab.cli.command import command

KINDS = ("label", "xform", "id", "xform-id", "label-xform", "label-id")
FLAGS = (
    click.option(
        "-s",
        "--nosimplify",
        is_flag=True,
        help="Keep arrows that a longer way implies (left out by default).",
    ),
    click.option(
        "-l", "--label", type=click.Choice(KINDS), default="label", help="What stands in a job's box."
    ),
    click.option("-o", "--output", metavar="FILE", help="Write to FILE; its ending says the format."),
    click.option(
        "-r",
        "--remove",
        multiple=True,
        metavar="NAME",
        help="Leave out jobs of this transformation or kind, such as cleanup.",
    ),
    click.option("-W", "--width", type=click.FloatRange(min=0.1), metavar="INCHES", help="How wide."),
    click.option("-H", "--height", type=click.FloatRange(min=0.1), metavar="INCHES", help="How high."),
    click.option("-f", "--files", is_flag=True, help="Draw files too, and arrows through them."),
    click.option("--full", is_flag=True, help="Draw every job, however many there are."),
)


def _flags(function: Any) -> Any:
    for flag in reversed(FLAGS):
        function = flag(function)
    return function


@command()
@click.argument("what", default="", metavar="[WORKFLOW|SUBMIT_DIR]")
@_flags
@click.option(
    "-F",
    "--format",
    metavar="FORMAT",
    help="dot, mermaid, svg, png, pdf, json; without it, what FILE ends in, or dot.",
)
@click.option("-J", "--json", "as_json", is_flag=True, help="The same as `--format json`.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def graph(what: str, verbose: int, **flags: Any) -> None:
    """Draw a workflow: what leads to what.

    Of a document the jobs as written, of a submit directory those that run, coloured by state. More than
    150 jobs are summarised by transformation and level. SVG is drawn with Graphviz where it is installed and
    without it elsewhere; PNG and PDF need it.
    """
    format = "json" if flags["as_json"] else flags["format"]
    _draw(what or None, flags, format, "dot")


@command(name="pegasus-graphviz")
@click.argument("file", metavar="FILE")
@_flags
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
@click.option(
    "-V", "--version", is_flag=True, is_eager=True, expose_value=False, callback=lambda *a: _version(*a)
)
def pegasus_graphviz(file: str, verbose: int, **flags: Any) -> None:
    """Draw FILE, a workflow document or a submit directory (also named by the .dag in it); DOT by default."""
    _draw(file, flags, None, "dot")


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        ctx.exit()


def _draw(what: str | None, flags: dict[str, Any], format: str | None, otherwise: str) -> None:
    from markab.reports.graph.drawing import draw
    from markab.reports.graph.files import rendered, write_drawing
    from markab.reports.graph.sources import open_graph

    drawing = draw(
        open_graph(what),
        files=flags["files"],
        simplify=not flags["nosimplify"],
        label=flags["label"],
        remove=flags["remove"],
        full=flags["full"],
    )
    size = flags["width"], flags["height"]
    output = flags["output"]
    if output and output != "-":
        write_drawing(drawing, Path(output), format, *size)
    else:
        data = rendered(drawing, format or otherwise, *size)
        sys.stdout.buffer.write(data)
    if drawing.summarised:
        from markab.formatting import count

        click.echo(
            f"{count(drawing.jobs, 'job')} drawn as {count(len(drawing.nodes), 'group')}; `--full` draws each",
            file=sys.stderr,
        )
