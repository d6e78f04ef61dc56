"""Site catalogs to start from, for computing centres by their names.

What is each user's own stands in them as variables such as ${PROJECT}: planning puts their values in, and refuses
without them. Partitions and directories change: the centres' user guides have the last word.
"""

from __future__ import annotations

from typing import NamedTuple

from markab.spec.suggestions import did_you_mean


class UnknownSite(ValueError):
    """A name for which there is no site catalog to start from."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no site {name!r} to start from")
        self.hint = did_you_mean(name, SITES, f"choose one of {', '.join(SITES)}")


class _Centre(NamedTuple):
    title: str
    scheduler: str
    """"slurm", or "" for a pool of HTCondor without a shared file system."""
    queue: str = ""
    scratch: str = ""
    """Where scratch directories usually are there; shown, not used."""


SITES = {
    "anvil": _Centre("Anvil, Purdue", "slurm", "shared", "/anvil/scratch/USER"),
    "bridges2": _Centre("Bridges-2, PSC", "slurm", "RM-shared", "/ocean/projects/PROJECT/USER"),
    "carc": _Centre("Discovery, USC CARC", "slurm", "main", "/scratch1/USER"),
    "delta": _Centre("Delta, NCSA", "slurm", "cpu", "/scratch/PROJECT/USER"),
    "expanse": _Centre("Expanse, SDSC", "slurm", "shared", "/expanse/lustre/scratch/USER/temp_project"),
    "frontera": _Centre("Frontera, TACC", "slurm", "small", "the directory of $SCRATCH"),
    "jetstream2": _Centre("a pool of HTCondor on Jetstream2", ""),
    "ospool": _Centre("the OSPool, OSG", ""),
    "perlmutter": _Centre("Perlmutter, NERSC", "slurm", "shared", "the directory of $SCRATCH"),
}
"""Name of a site → the centre."""

_SLURM = """\
# {title}: a site catalog to start from, for Markab on a login node there. Check it with the user guide.
# Set before planning:
#   SITE_SCRATCH  a directory that login and compute nodes share: {scratch}
#   SITE_PROJECT  the project or account to which jobs are charged
pegasus: 5.0.4
sites:
- name: {name}
  arch: x86_64
  os.type: linux
  directories:
  - type: sharedScratch
    path: ${{SITE_SCRATCH}}/markab
    sharedFileSystem: true
    fileServers:
    - url: file://${{SITE_SCRATCH}}/markab
      operation: all
  grids:
  - type: batch
    scheduler: {scheduler}
    contact: localhost
    jobtype: compute
  profiles:
    pegasus:
      style: glite
      queue: {queue}
      project: ${{SITE_PROJECT}}
      data.configuration: sharedfs
"""
_CONDOR = """\
# {title}: a site catalog to start from, for Markab on an access point of the pool.
# Set before planning:
#   SITE_PROJECT  the project to which jobs are charged
pegasus: 5.0.4
sites:
- name: {name}
  arch: x86_64
  os.type: linux
  profiles:
    pegasus:
      style: condor
      data.configuration: condorio
    condor:
      universe: vanilla
      +ProjectName: '"${{SITE_PROJECT}}"'
"""


def site_catalog(name: str) -> str:
    """Return the text of a site catalog to start from.

    Raises:
        UnknownSite: there is none of that name.
    """
    if name not in SITES:
        raise UnknownSite(name)
    centre = SITES[name]
    return (_SLURM if centre.scheduler else _CONDOR).format(name=name, **centre._asdict())
