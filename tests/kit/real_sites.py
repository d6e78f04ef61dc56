"""A site catalog with all sites that tests have: this machine, the HTCondor pool, Slurm and Grid Engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SITES = ("local", "condorpool", "slurm", "sge")
BATCH_SITES = SITES[1:]


def write_real_sites(top: Path, **profiles: dict[str, str]) -> None:
    """Write `sites.yml` in a directory, below which each site has its scratch; all have the `profiles`."""
    sites = [_site(name, top / "scratch" / name, profiles) for name in BATCH_SITES]
    (top / "sites.yml").write_text(json.dumps({"pegasus": "5.0", "sites": sites}))


def _site(name: str, scratch: Path, profiles: dict[str, dict[str, str]]) -> dict[str, Any]:
    server = {"operation": "all", "url": f"file://{scratch}"}
    pegasus = {"style": "condor" if name == "condorpool" else "glite", **profiles.get("pegasus", {})}
    site: dict[str, Any] = {
        "name": name,
        "arch": "x86_64",
        "os.type": "linux",
        "directories": [{"type": "sharedScratch", "path": str(scratch), "fileServers": [server]}],
        "profiles": {**profiles, "pegasus": pegasus},
    }
    if name != "condorpool":
        site["grids"] = [{"type": "batch", "scheduler": name, "contact": "localhost", "jobtype": "compute"}]
    return site
