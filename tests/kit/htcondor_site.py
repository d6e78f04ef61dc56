"""A site that is the HTCondor pool of the tests, and workflows that run there."""

from __future__ import annotations

import json
from pathlib import Path


def write_sites(top: Path, **profiles: dict[str, str]) -> None:
    """Write a catalog with the site `pool`, whose scratch this machine reaches by a URL."""
    scratch = {
        "type": "sharedScratch",
        "path": f"{top}/scratch",
        "fileServers": [{"operation": "all", "url": f"file://{top}/scratch"}],
    }
    pegasus = {"style": "condor", **profiles.pop("pegasus", {})}
    site = {"name": "pool", "directories": [scratch], "profiles": {"pegasus": pegasus, **profiles}}
    (top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": [site]}))


def shell_catalog() -> dict[str, object]:
    """Return the part of a workflow that says where `sh` is."""
    program = {"name": "sh", "sites": [{"name": "pool", "pfn": "/bin/sh", "type": "installed"}]}
    return {"transformationCatalog": {"transformations": [program]}}
