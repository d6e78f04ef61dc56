"""Converting catalogs from one form into another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markab.catalogs.conversion import CatalogNoun


def convert_catalog(
    noun: CatalogNoun,
    inputs: Sequence[Path],
    output: Path,
    given: str | None = None,
    wanted: str = "YAML",
    *,
    expand: bool = False,
) -> int:
    """Write catalogs as one in another form; return how many entries it has.

    `given` is the form of the inputs (None: by their names and contents), `wanted` that of the output.
    With `expand`, variables are replaced by their values.

    Raises:
        DocumentError: with all problems of all inputs.
        StorageError: a file cannot be read or written.
    """
    from markab.catalogs import conversion

    return conversion.convert_catalog(noun, inputs, output, given, wanted, expand=expand)
