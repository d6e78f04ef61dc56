"""The sites of the catalog that counts here: where their jobs would run, through which gateway, and with which directories."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from markab.errors import MarkabError

if TYPE_CHECKING:
    from markab.operations.site_documents import SiteDocuments
    from markab.spec.model import Site


class DirectoryFacts(NamedTuple):
    """A directory of a site."""

    type: str
    path: str
    url: str
    """By which the submit host writes to it; "": by its path."""


class SiteFacts(NamedTuple):
    """What is known of a site before a job goes there."""

    name: str
    executor: str
    """What runs its jobs, on this machine as it is now."""
    requested: str
    """What its entry asks for; the same, unless that is not there."""
    contact: str
    """Where its batch system takes jobs: a login node, a context of the kubeconfig, a region; "": on this machine, or the usual one."""
    program: str
    """The path of the program that submits; "": none is needed."""
    lacks: str
    """The program that is missing; "": none."""
    directories: list[DirectoryFacts]
    profiles: dict[str, dict[str, str]]
    data: str
    """The data configuration of its jobs, unless they say otherwise."""
    lacks_package: str = ""
    """The Python package that is missing; "": none."""
    extra: str = ""
    """The extra of Markab that installs it."""

    @property
    def title(self) -> str:
        """Where its jobs run, in a few words."""
        from markab.planner.site_executors import TITLES

        where = "this machine" if self.executor == "local" else TITLES.get(self.executor, self.executor)
        if self.contact:
            where += f" {'in' if self.executor == 'aws-batch' else 'through'} {self.contact}"
        if self.executor != self.requested:
            where += f" ({TITLES.get(self.requested, self.requested)} is not available here)"
        return where

    @property
    def lack(self) -> str:
        """What is missing here, as the end of a sentence; "": nothing."""
        if self.lacks_package:
            return f"the Python package {self.lacks_package!r} is not installed"
        return f"this machine has no {self.lacks!r} on PATH" if self.lacks else ""

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return self._asdict() | {"directories": [one._asdict() for one in self.directories]}


def list_sites(documents: SiteDocuments | None = None) -> list[SiteFacts]:
    """Return the sites of the workflow and of the catalog, and those that always exist, by name.

    Raises:
        DocumentError: the workflow, the catalog or the properties are wrong.
        StorageError: one of them cannot be read.
    """
    from markab.operations.site_documents import find_site_documents
    from markab.plan.model import DATA_CONFIGURATIONS
    from markab.planner.site_directories import all_sites
    from markab.planner.site_profiles import with_property_profiles

    documents = documents or find_site_documents()
    properties = documents.read_properties()
    catalog = documents.read_sites(properties, documents.read_inline())
    sites, _ = with_property_profiles(all_sites(catalog, documents.directory), properties)
    data = properties.get("pegasus.data.configuration", "").strip() or DATA_CONFIGURATIONS[0]
    return [_facts(site, data) for _, site in sorted(sites.items())]


def show_site(name: str, documents: SiteDocuments | None = None) -> SiteFacts:
    """Return one site.

    Raises:
        MarkabError: there is none of that name. Otherwise as `list_sites`.
    """
    from markab.spec.suggestions import did_you_mean

    sites = {site.name: site for site in list_sites(documents)}
    if name not in sites:
        raise MarkabError(
            f"site {name!r} is neither in the site catalog nor in the workflow",
            hint=did_you_mean(
                name,
                sites,
                f"known sites: {', '.join(sites)}; add it to sites.yml, or name its file (--sites-file, --workflow)",
            ),
        )
    return sites[name]


def _facts(site: Site, data: str) -> SiteFacts:
    from markab.planner.places import directory_place
    from markab.planner.site_executors import (
        PROGRAMS,
        contact_of,
        executor_of,
        missing_library,
        missing_submit_program,
        requested_executor,
    )
    from markab.spec.profiles import canonical

    executor, contact = executor_of(site), contact_of(site)
    lacks = missing_submit_program(site)
    program = "" if lacks or contact else shutil.which(PROGRAMS.get(executor, "")) or ""
    directories = []
    for each in site.directories:
        place = directory_place(site.name, each)
        directories.append(DirectoryFacts(each.type, place.path, "" if place.is_local else place.url))
    profiles = canonical(site.profiles)
    return SiteFacts(
        site.name,
        executor,
        requested_executor(site),
        contact,
        program,
        lacks,
        directories,
        profiles,
        profiles.get("pegasus", {}).get("data.configuration", "").lower() or data.lower(),
        *(missing_library(executor) or ("", "")),
    )
