"""The documents that describe sites, read as planning a workflow would read them: the site catalog, and what stands in the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markab.spec.model import Container, SiteCatalog, Workflow
    from markab.spec.properties import Properties

_WORKFLOW = "workflow.yml"
_CATALOGS = (b"siteCatalog", b"transformationCatalog")


@dataclass(frozen=True)
class SiteDocuments:
    """Which documents count."""

    directory: Path
    """Relative paths and default names start here."""
    conf: Path | None = None
    """The properties file; None: the default one."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Stronger than the file."""
    workflow: Path | None = None
    """A workflow that may have catalogs of its own; None: `workflow.yml`, if it is there."""

    def read_properties(self) -> Properties:
        """Read the properties. Raises as `load_properties`."""
        from markab.spec.properties import load_properties

        return load_properties(self.conf, dict(self.properties), directory=self.directory)

    def read_inline(self) -> Workflow | None:
        """Return the workflow if it has catalogs; of one that has none, only the bytes are looked at.

        Raises:
            DocumentError: it is wrong.
            StorageError: it cannot be read.
        """
        from markab.spec.document_file import read_bytes
        from markab.spec.reader import read_workflow

        path = self.directory / (self.workflow or _WORKFLOW)
        if self.workflow is None and not path.exists():
            return None
        content = read_bytes(path)
        return read_workflow(path) if any(key in content for key in _CATALOGS) else None

    def read_sites(self, properties: Properties, inline: Workflow | None) -> SiteCatalog:
        """Return the sites of the workflow and of the catalog.

        Raises:
            DocumentError: the catalog is wrong.
            StorageError: it cannot be read.
        """
        from markab.catalogs.loader import merged_sites
        from markab.catalogs.problem_list import ProblemList
        from markab.catalogs.site_catalogs import read_site_catalog

        problems = ProblemList()
        catalog = read_site_catalog(properties, self.directory, problems, [])
        problems.raise_all()
        return merged_sites(inline.site_catalog if inline else None, catalog)

    def containers_of(self, site: str, properties: Properties, inline: Workflow | None) -> list[Container]:
        """Return the containers in which executables would run at a site. Raises as `read_sites`."""
        from markab.catalogs.loader import merged_transformations
        from markab.catalogs.problem_list import ProblemList
        from markab.catalogs.transformation_catalogs import read_transformation_catalog

        problems = ProblemList()
        catalog = read_transformation_catalog(properties, self.directory, problems, [])
        problems.raise_all()
        found = merged_transformations(inline.transformation_catalog if inline else None, catalog)
        used = {
            entry.container
            for transformation in found.transformations
            for entry in transformation.sites
            if entry.container and (entry.name == site or entry.type == "stageable")
        }
        return [container for container in found.containers if container.name in used]


def find_site_documents(
    directory: Path | None = None,
    conf: str | Path | None = None,
    properties: Mapping[str, str] | None = None,
    workflow: str | Path | None = None,
) -> SiteDocuments:
    """Return the documents that count; a workflow that is a script is run, and what it builds counts.

    Raises:
        DocumentError: the script failed.
        StorageError: there is no such script.
    """
    from markab.operations.planning import run_script

    here = (directory or Path.cwd()).absolute()
    given = dict(properties or {})
    settings = Path(conf) if conf else None
    if workflow is None or not str(workflow).endswith(".py"):
        return SiteDocuments(here, settings, given, Path(workflow) if workflow else None)
    built = run_script(here / workflow)
    return SiteDocuments(
        here, settings or built.conf, {**built.properties, **given}, built.directory / built.workflow
    )
