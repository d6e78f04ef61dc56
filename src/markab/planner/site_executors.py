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
from markab.spec.profiles import canonical
from markab.spec.suggestions import did_you_mean

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


TITLES = {
    "htcondor": "HTCondor",
    "slurm": "Slurm",
    "pbs": "PBS",
    "sge": "SGE",
    "lsf": "LSF",
    "cobalt": "Cobalt",
    "moab": "Moab",
    "flux": "Flux",
    "batch": "a batch system",
    "ssh": "SSH",
    "cream": "CREAM",
    "globus": "Globus",
    "panda": "PanDA",
}
"""Executor → what messages call it, where this version does not have it."""


def is_explicit(site: Site) -> bool:
    """Return whether a site says how its jobs are submitted; if not, it is by convention a site of HTCondor."""
    return bool(site.grids) or bool(_style(site))


def unknown_style(site: Site) -> tuple[str, str] | None:
    """Return the warning and the hint for a style that is none; None if there is nothing to warn of."""
    style, styles = _style(site), {style for style, _ in EXECUTORS}
    if not style or style in styles:
        return None
    return (
        f"profile pegasus.style of site {site.name!r} is {style!r}, which is no style: it counts as {DEFAULT_STYLE!r}",
        did_you_mean(style, styles, f"use one of {', '.join(sorted(styles))}"),
    )


def _style(site: Site) -> str:
    return canonical(site.profiles).get("pegasus", {}).get("style", "").strip().lower()


def requested_executor(site: Site) -> str:
    """Return the executor that a site requests, whether or not it exists in this version."""
    if site.name == "local":
        return LOCAL
    gateway = _compute_gateway(site)
    style = _style(site)
    if not style:
        style = STYLE_OF_GATEWAY.get(gateway.type.lower(), DEFAULT_STYLE) if gateway else DEFAULT_STYLE
    scheduler = gateway.scheduler.lower() if gateway else ""
    return EXECUTORS.get((style, scheduler)) or EXECUTORS.get((style, ""), EXECUTORS[DEFAULT_STYLE, ""])


def executor_of(site: Site) -> str:
    """Return the executor that runs the jobs of a site in this version."""
    requested = requested_executor(site)
    return requested if is_available(requested) else LOCAL


def is_available(executor: str) -> bool:
    """Return whether this version has an executor of that name."""
    return executor in AVAILABLE


def _compute_gateway(site: Site) -> Grid | None:
    """Return the gateway for compute jobs, else the first."""
    return next((grid for grid in site.grids if grid.jobtype in ("compute", None)), None) or next(
        iter(site.grids), None
    )
