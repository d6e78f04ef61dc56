"""Reading the site catalog that the properties name, with the published sites below it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from markab.catalogs.catalog_file import catalog_file
from markab.catalogs.hosted_sites import hosted_file, over_hosted
from markab.catalogs.problem_list import ProblemList
from markab.spec.document_file import note_missing, note_other_read
from markab.spec.model import SiteCatalog
from markab.spec.properties import Properties
from markab.spec.reader import read_sites

_KIND = "pegasus.catalog.site"


def read_site_catalog(
    properties: Properties,
    directory: Path,
    problems: ProblemList,
    files: list[Path],
    environment: Mapping[str, str] = os.environ,
) -> SiteCatalog | None:
    """Return the site catalog; None: there is none, or a problem was added. Adds what was read to `files`.

    The kind is only checked: XML is recognised by its content.
    """
    kind = problems.attempt(lambda: properties.choice(_KIND, ("YAML", "XML"), "YAML"))
    default = "sites.xml" if kind == "XML" and not (directory / "sites.yml").exists() else "sites.yml"
    if default == "sites.xml":
        note_missing(directory / "sites.yml")
    path = catalog_file(properties, f"{_KIND}.file", directory, default, problems)
    own = None
    if path is not None:
        files.append(path)
        own = problems.attempt(lambda: read_sites(path, environment))
    hosted = problems.attempt(lambda: hosted_file(properties, directory))
    if hosted is None:
        return own
    note_other_read()  # of its variables, new ones are not noted
    files.append(hosted)
    variables = {**environment, **properties.under("env")}
    below = problems.attempt(lambda: read_sites(hosted, variables))
    return own if below is None else over_hosted(own, below)
