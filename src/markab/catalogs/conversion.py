"""Converting catalogs from one form into another: YAML, XML, text, SQLite.

Variables stay as they are written unless they are to be expanded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from markab.catalogs.document_store import DocumentStore, document_text
from markab.catalogs.problem_list import ProblemList
from markab.catalogs.replica_store import Entry, ReplicaStore, catalog_of
from markab.catalogs.store_selection import open_store
from markab.errors import DocumentError, Problem, StorageError
from markab.plan.atomic_file import replacing
from markab.spec.catalog_checks import check_sites, check_transformations
from markab.spec.model import SiteCatalog, TransformationCatalog
from markab.spec.reader import read_sites, read_transformations
from markab.spec.transformation_text import read_transformation_text, transformation_text
from markab.spec.variables import MarkedVariables, restored
from markab.spec.writer import emit, to_document

CatalogNoun = Literal["sites", "transformations", "replicas"]
_VERSION = "5.0.4"


def convert_catalog(
    noun: CatalogNoun,
    inputs: Sequence[Path],
    output: Path,
    given: str | None = None,
    wanted: str = "YAML",
    *,
    expand: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Write the catalogs of `inputs` as one, and return how many entries it has. What `output` was is replaced.

    Args:
        given: form of the inputs; None: by their names and contents.
        wanted: form of the output.
        expand: replace variables by their values.

    Raises:
        DocumentError: with all problems of all inputs.
        StorageError: a file cannot be read or written.
    """
    if any(path.exists() and output.exists() and path.samefile(output) for path in inputs):
        raise StorageError(
            f"{str(output)!r} is an input and the output", "name another output, and rename it then"
        )
    if noun == "replicas":
        return _convert_replicas(inputs, output, given, wanted, expand=expand)
    variables: Mapping[str, str] = environment if expand else MarkedVariables()
    catalog = _joined(noun, inputs, given, variables)
    problems = check_sites(catalog) if isinstance(catalog, SiteCatalog) else check_transformations(catalog)
    if problems:
        raise DocumentError(*problems)
    if wanted == "Text":
        assert isinstance(catalog, TransformationCatalog)
        _write(output, restored(transformation_text(catalog)))
        return len(catalog.transformations)
    parts: list[str] = []
    emit(restored(to_document(catalog, _VERSION)), parts.append)
    _write(output, "".join(parts))
    return len(catalog.sites) if isinstance(catalog, SiteCatalog) else len(catalog.transformations)


def _joined(
    noun: CatalogNoun, inputs: Sequence[Path], given: str | None, variables: Mapping[str, str]
) -> SiteCatalog | TransformationCatalog:
    """Return all entries of the inputs; those that are there twice are found by the checks."""
    problems = ProblemList()
    if noun == "sites":
        read = [problems.attempt(partial(read_sites, path, variables)) for path in inputs]
        problems.raise_all()
        return SiteCatalog([site for catalog in read if catalog for site in catalog.sites])
    found = []
    for path in inputs:
        is_text = given == "Text" or (given is None and path.suffix.lower() not in (".yml", ".yaml", ".json"))
        reader = read_transformation_text if is_text else read_transformations
        found.append(problems.attempt(partial(reader, path, variables)))
    problems.raise_all()
    return TransformationCatalog(
        [each for catalog in found if catalog for each in catalog.transformations],
        [each for catalog in found if catalog for each in catalog.containers],
    )


def _convert_replicas(inputs: Sequence[Path], output: Path, given: Any, wanted: str, *, expand: bool) -> int:
    """Write replicas; a database expands nothing, so that in one variables are always expanded."""
    problems = ProblemList()
    entries: list[Entry] = []
    for path in inputs:
        if not path.exists():
            problems.add(Problem("there is no such file", "check its name", str(path), kind="unreadable"))
        elif store := problems.attempt(partial(open_store, path, given)):
            keeps_variables = not expand and wanted != "JDBCRC"
            entries += problems.attempt(partial(_entries, store, keeps_variables)) or []
    problems.raise_all()
    if wanted == "JDBCRC":
        output.unlink(missing_ok=True)
        open_store(output, "JDBCRC").insert(entries)
    else:
        _write(output, document_text(catalog_of(entries), is_yaml=wanted == "YAML"))
    return len(entries)


def _entries(store: ReplicaStore, keeps_variables: bool) -> list[Entry]:
    return list(store.written() if keeps_variables and isinstance(store, DocumentStore) else store.entries())


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
