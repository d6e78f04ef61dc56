"""The sites of the catalog that counts here: where their jobs would run, through which gateway, and with which directories."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markab.errors import MarkabError

if TYPE_CHECKING:
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
    """Where its batch system takes jobs; "": on this machine."""
    program: str
    """The path of the program that submits; "": none is needed."""
    lacks: str
    """The program that is missing; "": none."""
    directories: list[DirectoryFacts]
    profiles: dict[str, dict[str, str]]
    data: str
    """The data configuration of its jobs, unless they say otherwise."""

    @property
    def title(self) -> str:
        """Where its jobs run, in a few words."""
        from markab.planner.site_executors import TITLES

        where = "this machine" if self.executor == "local" else TITLES.get(self.executor, self.executor)
        if self.contact:
            where += f" through {self.contact}"
        if self.executor != self.requested:
            where += f" ({TITLES.get(self.requested, self.requested)} is not available here)"
        return where

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return self._asdict() | {"directories": [one._asdict() for one in self.directories]}


def list_sites(conf: str | None = None, directory: Path | None = None) -> list[SiteFacts]:
    """Return the sites of the catalog, and those that always exist, by name.

    Raises:
        DocumentError: the catalog or the properties are wrong.
        StorageError: one of them cannot be read.
    """
    from markab.catalogs.problem_list import ProblemList
    from markab.catalogs.site_catalogs import read_site_catalog
    from markab.plan.model import DATA_CONFIGURATIONS
    from markab.planner.site_directories import all_sites
    from markab.planner.site_profiles import with_property_profiles
    from markab.spec.model import SiteCatalog
    from markab.spec.properties import load_properties

    here = (directory or Path.cwd()).absolute()
    properties = load_properties(conf, directory=here)
    problems = ProblemList()
    catalog = read_site_catalog(properties, here, problems, [])
    problems.raise_all()
    sites, _ = with_property_profiles(all_sites(catalog or SiteCatalog(), here), properties)
    data = properties.get("pegasus.data.configuration", "").strip() or DATA_CONFIGURATIONS[0]
    return [_facts(site, data) for _, site in sorted(sites.items())]


def show_site(name: str, conf: str | None = None, directory: Path | None = None) -> SiteFacts:
    """Return one site.

    Raises:
        MarkabError: there is none of that name. Otherwise as `list_sites`.
    """
    from markab.spec.suggestions import did_you_mean

    sites = {site.name: site for site in list_sites(conf, directory)}
    if name not in sites:
        raise MarkabError(
            f"site {name!r} is not in the site catalog",
            hint=did_you_mean(name, sites, f"known sites: {', '.join(sites)}; add it to sites.yml"),
        )
    return sites[name]


def _facts(site: Site, data: str) -> SiteFacts:
    from markab.planner.places import directory_place
    from markab.planner.site_executors import (
        PROGRAMS,
        contact_of,
        executor_of,
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
    )
