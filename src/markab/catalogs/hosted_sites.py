"""Site definitions that a facility publishes, below those of the user: read from a local copy, never fetched."""

from __future__ import annotations

from pathlib import Path

import msgspec

from markab.errors import DocumentError
from markab.spec.model import Site, SiteCatalog
from markab.spec.properties import Properties

_REPOSITORY = "pegasus.catalog.site.repo"
_FILE = "pegasus.catalog.site.repo.file"


def hosted_file(properties: Properties, directory: Path) -> Path | None:
    """Return the file of hosted sites; None if the properties name none.

    Its name is relative to the directory that `pegasus.catalog.site.repo` is, or else to `directory`.

    Raises:
        DocumentError: there is no such file here.
    """
    name = properties.get(_FILE, "").strip()
    if not name:
        return None
    repository = properties.get(_REPOSITORY, "").strip().removeprefix("file://")
    path = directory / ("" if "://" in repository else repository) / name
    if not path.is_file():
        raise DocumentError(
            properties.problem(
                _FILE,
                f"there is no file {str(path)!r}, and planning fetches nothing",
                f"download {name!r} from the repository of site catalogs, and set {_REPOSITORY!r} to the directory "
                "where you put it",
            )
        )
    return path


def over_hosted(own: SiteCatalog | None, hosted: SiteCatalog) -> SiteCatalog:
    """Return the hosted sites with what the user's catalog says of them, key by key, and its other sites."""
    found = {site.name: site for site in hosted.sites}
    for site in own.sites if own is not None else ():
        below = found.get(site.name)
        found[site.name] = site if below is None else _over(site, below)
    return SiteCatalog(list(found.values()))


def _over(site: Site, below: Site) -> Site:
    unset = Site(site.name)
    given = {
        name: getattr(site, name)
        for name in site.__struct_fields__
        if getattr(site, name) != getattr(unset, name)
    }
    profiles = {
        namespace: {**below.profiles.get(namespace, {}), **site.profiles.get(namespace, {})}
        for namespace in {**below.profiles, **site.profiles}
    }
    return msgspec.structs.replace(below, **{**given, "profiles": profiles})
