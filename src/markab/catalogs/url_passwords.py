"""Taking the passwords out of the URLs of documents, so that only one private file of a run has them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from markab.spec.model import ReplicaCatalog, SiteCatalog, TransformationCatalog
from markab.transfers.run_passwords import Passwords, take_password

# What the URL of a text can have around it in YAML, JSON, XML and text catalogs ends it. A password
# that is one variable is not written in the document.
_IN_TEXT = re.compile(
    r"""(?<!docker)(:\\?/\\?/[^\s/?#:"'<>,]*):(?!\$\{\w+\}@)[^\s/?#"'<>,]+@""",
)


def take_passwords(
    replicas: Iterable[ReplicaCatalog],
    sites: Iterable[SiteCatalog],
    transformations: Iterable[TransformationCatalog],
) -> Passwords:
    """Return the passwords in the URLs of catalogs, which have them no longer."""
    passwords: Passwords = {}
    for replica in (replica for catalog in replicas for replica in catalog.replicas):
        for place in replica.pfns:
            if "@" in place.pfn:
                place.pfn = take_password(place.pfn, passwords)
    for directory in (found for catalog in sites for site in catalog.sites for found in site.directories):
        for server in directory.file_servers:
            server.url = take_password(server.url, passwords)
    for catalog in transformations:
        for program in (site for one in catalog.transformations for site in one.sites):
            program.pfn = take_password(program.pfn, passwords)
        for container in catalog.containers:
            container.image = take_password(container.image, passwords)
    return passwords


def copy_document(document: Path, copy: Path, passwords: Mapping[str, str]) -> None:
    """Copy a document; if URLs of the run have passwords, without those of all URLs in it.

    Raises:
        OSError: it cannot be copied.
    """
    if not passwords:
        shutil.copyfile(document, copy)
        return
    text = document.read_bytes().decode(errors="surrogateescape")
    for password in passwords.values():  # also one that the expression takes for the end of a URL
        text = text.replace(f":{password}@", "@")
    copy.write_bytes(_IN_TEXT.sub(r"\1@", text).encode(errors="surrogateescape"))
