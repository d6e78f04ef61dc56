"""The properties `pegasus.dir.exec` and `pegasus.dir.storage`: other directories of all sites than the catalog says.

A relative path is a directory below that of the site; an absolute one takes its place, on the same file server. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import join

import msgspec

from markab.spec.model import Directory, Site
from markab.spec.properties import Properties

EXEC = "pegasus.dir.exec"
STORAGE = "pegasus.dir.storage"
_KEYS = {"sharedScratch": EXEC, "sharedStorage": STORAGE, "localStorage": STORAGE}


def with_property_directories(sites: Mapping[str, Site], properties: Properties) -> dict[str, Site]:
    """Return the sites with the directories that the properties give them."""
    given = {kind: properties.get(key, "").strip() for kind, key in _KEYS.items()}
    if not any(given.values()):
        return dict(sites)
    return {
        name: msgspec.structs.replace(
            site, directories=[_placed(each, given.get(each.type, "")) for each in site.directories]
        )
        for name, site in sites.items()
    }


def _placed(directory: Directory, given: str) -> Directory:
    if not given:
        return directory
    servers = [
        msgspec.structs.replace(server, url=_placed_url(server.url, given))
        for server in directory.file_servers
    ]
    return msgspec.structs.replace(directory, path=join(directory.path, given), file_servers=servers)


def _placed_url(url: str, given: str) -> str:
    scheme, mark, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}{mark}{host}{join('/' + path, given)}"
