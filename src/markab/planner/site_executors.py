"""Which executor runs the jobs of a site, and where that takes them: the table of styles, gateways and schedulers.

How the jobs of a site are submitted follows from its profile `pegasus.style`, or else from
the type of its gateway (`grids`); for a style that means "the batch system of the site", the
scheduler of that gateway decides.

Only the executors in `AVAILABLE` exist in this version; jobs of a site that requests
another run on this machine. When an executor is added, its name is added there.

The services of clouds are named by the style alone: `kubernetes`, `aws-batch`. They have an API and no program here.

A batch system is never there by convention: a site that names one is planned for it, and a submit host that lacks its
programs is a problem. HTCondor is what a site has that says nothing, or that says `style = condor`, as nearly every document
does: its jobs go there where it is installed, and else run on this machine.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

from markab.plan.model import LOCAL
from markab.spec.model import Grid, Site
from markab.spec.profiles import canonical
from markab.spec.suggestions import did_you_mean

HTCONDOR = "htcondor"

BATCH_SYSTEMS = frozenset({"slurm", "pbs", "torque", "sge", "lsf", "cobalt", "moab", "flux"})
"""The executors that submit to a batch system, which moves no files: a directory that submit host and nodes share does."""

KUBERNETES = "kubernetes"
AWS_BATCH = "aws-batch"
CLOUDS = frozenset({KUBERNETES, AWS_BATCH})
"""The executors that submit through a web API, to containers that mount a directory which the submit host has too."""

SHARING = BATCH_SYSTEMS | CLOUDS
"""Those that move no files: a directory is shared."""

AVAILABLE = frozenset({LOCAL, HTCONDOR}) | SHARING

PROGRAMS = {
    HTCONDOR: "condor_submit",
    "slurm": "sbatch",
    "pbs": "qsub",
    "torque": "qsub",
    "sge": "qsub",
    "lsf": "bsub",
    "cobalt": "qsub",
    "moab": "msub",
    "flux": "flux",
}
"""Executor → the program that submits its jobs."""

LIBRARIES = {AWS_BATCH: ("botocore", "aws")}
"""Executor → the package that it needs, and the extra that installs it."""

DEFAULT_STYLE = "condor"
_BY_CONVENTION = ("condor", "glideinwms")
"""Styles that mean an HTCondor on the submit host, if there is one."""
_OVER_SSH = ("ssh", "bosco")
"""Styles that mean a batch system behind a login node."""

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
    ("glite", "torque"): "torque",
    ("glite", "sge"): "sge",
    ("glite", "lsf"): "lsf",
    ("glite", "cobalt"): "cobalt",
    ("glite", "moab"): "moab",
    ("glite", "flux"): "flux",
    ("glite", ""): "batch",
    **{(style, system): system for style in _OVER_SSH for system in sorted(BATCH_SYSTEMS)},
    ("ssh", ""): "ssh",
    ("bosco", ""): "ssh",
    ("creamce", ""): "cream",
    ("globus", ""): "globus",
    ("panda", ""): "panda",
    (KUBERNETES, ""): KUBERNETES,
    (AWS_BATCH, ""): AWS_BATCH,
}
"""(style, scheduler) → executor; a row with scheduler "" is for all others."""


TITLES = {
    "htcondor": "HTCondor",
    "slurm": "Slurm",
    "pbs": "PBS",
    "torque": "Torque",
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
    KUBERNETES: "Kubernetes",
    AWS_BATCH: "AWS Batch",
}
"""Executor → what messages call it."""


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
    gateway, style = _compute_gateway(site), _style_or_gateway(site)
    scheduler = _scheduler(gateway) if gateway else ""
    return EXECUTORS.get((style, scheduler)) or EXECUTORS.get((style, ""), EXECUTORS[DEFAULT_STYLE, ""])


def executor_of(site: Site) -> str:
    """Return the executor that runs the jobs of a site in this version, on this machine as it is now."""
    requested = requested_executor(site)
    if not is_available(requested):
        return LOCAL
    return LOCAL if requested == HTCONDOR and is_by_convention(site) and not has_htcondor() else requested


def contact_of(site: Site) -> str:
    """Return where the executor of a site takes its jobs, as `PlanSite.contact` has it; "": to a program of the submit host.

    The contact of a gateway counts if jobs are to go there: to a schedd elsewhere (`condorc`), to a login node (`ssh`, `bosco`),
    by a context of the kubeconfig (`kubernetes`), or to a region (`aws-batch`, which may also have it as a profile). With
    `glite`, the batch system is that of the submit host, whatever it is called.
    """
    gateway, style = _compute_gateway(site), _style_or_gateway(site)
    if style == AWS_BATCH and (
        region := canonical(site.profiles).get("pegasus", {}).get("aws.region", "").strip()
    ):
        return region
    if gateway is None or style not in ("condorc", *_OVER_SSH, *CLOUDS):
        return ""
    contact = gateway.contact.strip()
    return "" if contact in ("localhost", "local", site.name) else contact


def is_by_convention(site: Site) -> bool:
    """Return whether the jobs of a site go to the HTCondor of the submit host if there is one."""
    style = _style_or_gateway(site)
    is_known = any(style == known for known, _ in EXECUTORS)
    return requested_executor(site) == HTCONDOR and (style in _BY_CONVENTION or not is_known)


def has_htcondor() -> bool:
    """Return whether the submit host has an HTCondor to submit to."""
    return bool(os.environ.get("CONDOR_CONFIG", "").strip()) or shutil.which(PROGRAMS[HTCONDOR]) is not None


def missing_submit_program(site: Site) -> str:
    """Return the program of the submit host that the executor of a site lacks; "" if it lacks none."""
    executor = executor_of(site)
    if executor == HTCONDOR:
        return "" if has_htcondor() else PROGRAMS[HTCONDOR]
    program = "ssh" if executor in BATCH_SYSTEMS and contact_of(site) else PROGRAMS.get(executor, "")
    return "" if not program or shutil.which(program) else program


def missing_library(executor: str) -> tuple[str, str] | None:
    """Return the package that an executor lacks, and the extra that installs it; None: it lacks none."""
    library = LIBRARIES.get(executor)
    return library if library is not None and find_spec(library[0]) is None else None


def is_available(executor: str) -> bool:
    """Return whether this version has an executor of that name."""
    return executor in AVAILABLE


def batch_systems() -> list[str]:
    """Return the batch systems that this version submits to."""
    return sorted(BATCH_SYSTEMS & AVAILABLE)


def _style_or_gateway(site: Site) -> str:
    """Return the style of a site, else that of its gateway, else the default."""
    if style := _style(site):
        return style
    gateway = _compute_gateway(site)
    return STYLE_OF_GATEWAY.get(gateway.type.lower(), DEFAULT_STYLE) if gateway else DEFAULT_STYLE


def _scheduler(gateway: Grid) -> str:
    """Return the scheduler of a gateway; a gateway whose type is that of a batch system need not say it again."""
    scheduler, kind = gateway.scheduler.strip().lower(), gateway.type.strip().lower()
    return kind if scheduler in ("", "unknown") and kind in BATCH_SYSTEMS else scheduler


def _compute_gateway(site: Site) -> Grid | None:
    """Return the gateway for compute jobs, else the first."""
    return next((grid for grid in site.grids if grid.jobtype in ("compute", None)), None) or next(
        iter(site.grids), None
    )
