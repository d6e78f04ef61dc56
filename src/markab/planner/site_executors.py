"""Which executor runs the jobs of a site: the table of styles, gateways and schedulers.

How the jobs of a site are submitted follows from its profile `pegasus.style`, or else from
the type of its gateway (`grids`); for a style that means "the batch system of the site", the
scheduler of that gateway decides.

Only the executors in `AVAILABLE` exist in this version; jobs of a site that requests
another run on this machine. When an executor is added, its name is added there.
"""

from __future__ import annotations

from markab.plan.model import LOCAL
from markab.spec.model import Grid, Site

AVAILABLE = frozenset({LOCAL})

DEFAULT_STYLE = "condor"

STYLE_OF_GATEWAY = {
    "condor": "condorc",
    "cream": "creamce",
    "gt2": "globus",
    "gt4": "globus",
    "gt5": "globus",
    "batch": "glite",
    "pbs": "glite",
    "lsf": "glite",
    "sge": "glite",
}
"""Type of a gateway → style, where no profile is set."""

EXECUTORS = {
    ("local", ""): LOCAL,
    ("condor", ""): "htcondor",
    ("condorc", ""): "htcondor",
    ("glideinwms", ""): "htcondor",
    ("glite", "slurm"): "slurm",
    ("glite", "pbs"): "pbs",
    ("glite", "sge"): "sge",
    ("glite", "lsf"): "lsf",
    ("glite", "cobalt"): "cobalt",
    ("glite", "moab"): "moab",
    ("glite", "flux"): "flux",
    ("glite", ""): "batch",
    ("ssh", ""): "ssh",
    ("bosco", ""): "ssh",
    ("creamce", ""): "cream",
    ("globus", ""): "globus",
    ("panda", ""): "panda",
}
"""(style, scheduler) → executor; a row with scheduler "" is for all others."""


def requested_executor(site: Site) -> str:
    """Return the executor that a site requests, whether or not it exists in this version."""
    if site.name == "local":
        return LOCAL
    gateway = _compute_gateway(site)
    style = site.profiles.get("pegasus", {}).get("style", "").lower()
    if not style:
        style = STYLE_OF_GATEWAY.get(gateway.type.lower(), DEFAULT_STYLE) if gateway else DEFAULT_STYLE
    scheduler = gateway.scheduler.lower() if gateway else ""
    return EXECUTORS.get((style, scheduler)) or EXECUTORS.get((style, ""), EXECUTORS[DEFAULT_STYLE, ""])


def executor_of(site: Site) -> str:
    """Return the executor that runs the jobs of a site in this version."""
    requested = requested_executor(site)
    return requested if requested in AVAILABLE else LOCAL


def _compute_gateway(site: Site) -> Grid | None:
    """Return the gateway for compute jobs, else the first."""
    return next((grid for grid in site.grids if grid.jobtype in ("compute", None)), None) or next(
        iter(site.grids), None
    )
