"""The glossary of ARCHITECTURE.md, made of the first line of each module's docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "markab"
PAGE = ROOT / "ARCHITECTURE.md"
MARKER, END = "<!-- glossary: written by `make glossary` from the docstrings -->", "<!-- end of glossary -->"


def glossary() -> str:
    """Return the glossary: a heading for each folder, a line for each file."""
    return "".join(f"\n**`{name}`**\n\n{''.join(lines)}" for name, lines in _folders()) + "\n"


def written_glossary() -> str:
    """Return what the page has between its markers."""
    return _parts()[1]


def _parts() -> tuple[str, str, str]:
    """Return the page in three: up to the first marker, the glossary, the rest."""
    head, marker, rest = PAGE.read_text().partition(MARKER + "\n")
    body, end, tail = rest.partition(END)
    return head + marker, body, end + tail


def _folders() -> Iterator[tuple[str, list[str]]]:
    for folder in sorted({path.parent for path in SOURCE.rglob("*.py")}):
        files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        if files:
            name = f"{folder.relative_to(SOURCE)}/" if folder != SOURCE else "markab/"
            yield name, [f"* `{path.name}`: {_first_line(path)}\n" for path in files]


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    if not docstring:
        raise ValueError(f"{path} has no docstring")
    return docstring.partition("\n")[0].rstrip(".")


def main() -> None:
    """Write it into the page."""
    head, _, tail = _parts()
    PAGE.write_text(head + glossary() + tail)


if __name__ == "__main__":
    main()
