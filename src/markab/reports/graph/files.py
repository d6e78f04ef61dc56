"""Writing a drawing in a format; Graphviz is used where it is needed or gives a better result."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from markab.errors import DrawingError, StorageError
from markab.formatting import json_text
from markab.plan.atomic_file import user_output
from markab.reports.graph.dot import to_dot
from markab.reports.graph.drawing import Drawing
from markab.reports.graph.mermaid import to_mermaid
from markab.reports.graph.svg import to_svg

FORMATS = {
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".json": "json",
}
"""Suffix of a file → format. Any other suffix is passed to Graphviz."""

GRAPHVIZ_NODES = 1500
"""The time of Graphviz grows much faster than the graph: with more boxes than this, `layout` is used for SVG."""


def format_of(output: Path) -> str:
    """Return the format for the suffix of a file."""
    suffix = output.suffix.lower()
    return FORMATS.get(suffix, suffix.lstrip(".") or "png")


def rendered(drawing: Drawing, format: str, width: float | None = None, height: float | None = None) -> bytes:
    """Return a drawing in a format; `width` and `height` are in inches.

    Raises:
        DrawingError: the format needs Graphviz, and it is missing or failed.
    """
    if format == "mermaid":
        return to_mermaid(drawing).encode()
    if format == "json":
        return json_text(drawing.to_json(), indent=1).encode() + b"\n"
    if format == "svg" and (len(drawing.nodes) > GRAPHVIZ_NODES or shutil.which("dot") is None):
        return to_svg(drawing, width, height).encode()
    dot = to_dot(drawing, width, height)
    return dot.encode(errors="replace") if format == "dot" else run_graphviz(dot, format)


def write_drawing(
    drawing: Drawing,
    output: Path,
    format: str | None = None,
    width: float | None = None,
    height: float | None = None,
) -> None:
    """Write a drawing atomically, in the given format or that of the suffix of `output`.

    Raises:
        DrawingError: as `rendered`.
        StorageError: it cannot be written.
    """
    data = rendered(drawing, format or format_of(output), width, height)
    write_file(output, data)


def write_file(output: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises:
        StorageError: it cannot be written.
    """
    if output.exists() and not output.is_file():  # /dev/stdout, a named pipe
        try:
            output.write_bytes(data)
        except OSError as error:
            raise StorageError(f"cannot write {str(output)!r}: {error.strerror}") from error
        return
    with user_output(output) as file:
        file.write(data)


def run_graphviz(dot: str, format: str) -> bytes:
    """Return the output of `dot -T<format>` for DOT text.

    Raises:
        DrawingError: there is no Graphviz, or it failed.
    """
    program = shutil.which("dot")
    if program is None:
        raise DrawingError(
            f"drawing as {format} needs Graphviz, and there is no `dot` on PATH",
            "install it (`apt install graphviz`, `conda install graphviz`), or write .svg, .dot or .mmd, which need no other program",
        )
    done = subprocess.run(
        [program, f"-T{format}"], input=dot.encode(errors="replace"), capture_output=True, check=False
    )
    if done.returncode:
        stderr = done.stderr.decode(errors="replace").strip()
        raise DrawingError(
            f"dot failed with exit code {done.returncode}: {stderr}",
            "`dot -T?` lists its formats",
            done.returncode,
            stderr,
        )
    return done.stdout
