"""Reading the transformation catalog that the properties or an option name: YAML, text, or a directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from markab.catalogs.catalog_file import below, catalog_file
from markab.catalogs.problem_list import ProblemList
from markab.catalogs.replica_index import files_below
from markab.spec.model import Transformation, TransformationCatalog, TransformationSite
from markab.spec.properties import Properties
from markab.spec.reader import read_transformations
from markab.spec.transformation_text import read_transformation_text

_KIND = "pegasus.catalog.transformation"
_DIRECTORY = f"{_KIND}.directory"


def read_transformation_catalog(
    properties: Properties,
    directory: Path,
    problems: ProblemList,
    files: list[Path],
    environment: Mapping[str, str] = os.environ,
    given: str | os.PathLike[str] | None = None,
) -> TransformationCatalog | None:
    """Return the transformation catalog; None: there is none, or a problem was added. Adds what was read to `files`.

    Args:
        given: a directory of executables, which is then the catalog.
    """
    kind = problems.attempt(lambda: properties.choice(_KIND, ("YAML", "Text", "Directory"), "YAML"))
    if given is not None or kind == "Directory":
        name = os.fspath(given) if given is not None else properties.get(_DIRECTORY, "transformations")
        flat = problems.attempt(lambda: properties.flag(f"{_DIRECTORY}.flat.lfn"))
        site = properties.get(f"{_DIRECTORY}.site", "local")
        prefix = properties.get(f"{_DIRECTORY}.url.prefix", "file://")
        return problems.attempt(
            lambda: transformations_of_directory(below(directory, name), bool(flat), site, prefix),
            *(("", 0) if given is not None else properties.place(_DIRECTORY)),
        )
    default = "tc.txt" if kind == "Text" else "transformations.yml"
    path = catalog_file(properties, f"{_KIND}.file", directory, default, problems)
    if path is None:
        return None
    files.append(path)
    read = read_transformation_text if kind == "Text" else read_transformations
    return problems.attempt(lambda: read(path, environment))


def transformations_of_directory(
    path: str | os.PathLike[str], flat: bool = False, site: str = "local", url_prefix: str = "file://"
) -> TransformationCatalog:
    """Return a catalog in which every file below a directory is a stageable executable.

    Names are relative to `path`, or with `flat` only the last part (the first file of a
    name wins).

    Raises:
        StorageError: the directory cannot be read.
    """
    found: dict[str, Transformation] = {}
    for relative, full in files_below(os.path.abspath(path)):
        name = os.path.basename(relative) if flat else relative
        found.setdefault(
            name, Transformation(name, [TransformationSite(site, "stageable", url_prefix + full)])
        )
    return TransformationCatalog(list(found.values()))
