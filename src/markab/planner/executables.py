"""Which executable a transformation means at a site: catalog, Pegasus' own tools, or PATH."""

from __future__ import annotations

import difflib
import os
import shutil
import sysconfig
from collections.abc import Iterable, Iterator

from markab.errors import quoted
from markab.plan.model import LOCAL
from markab.planner.draft import Context
from markab.planner.placement import Executable
from markab.planner.places import local_path
from markab.planner.request_trace import RequestTrace
from markab.planner.site_executors import executor_of
from markab.spec.model import Site, Transformation, TransformationSite, transformation_name

_Key = tuple[str | None, str, str | None]

MAPPER = "pegasus.catalog.transformation.mapper"
MAPPERS = ("All", "Installed", "Staged", "Submit")
DELIMITER = "pegasus.transfer.staging.delimiter"
SELECTOR = "pegasus.selector.transformation"
SELECTORS = ("Random", "Installed", "Staged", "Submit")
"""`Random` is the first that fits: installed before stageable, in the order of the catalog."""


def find_transformation(key: _Key, context: Context) -> Transformation | None:
    """Return the catalog entry of a transformation; or one made for a tool of Pegasus or a program on PATH.

    What is on PATH of this machine is expected at the same path at every site.
    """
    if found := context.transformations.get(key):
        return found
    namespace, name, version = key
    path = None
    if namespace == "pegasus":
        path = _own_tool(f"pegasus-{name}", context.trace)
    elif namespace is None and version is None:
        path = program_on_path(name, context.trace)
    if path is None:
        return None
    found = Transformation(
        name=name,
        namespace=namespace,
        version=version,
        sites=[
            TransformationSite(name=site, type="installed", pfn=os.path.abspath(path))
            for site in context.sites
        ],
    )
    context.transformations[key] = found
    return found


def _own_tool(name: str, trace: RequestTrace) -> str | None:
    beside = os.path.join(sysconfig.get_path("scripts"), name)
    if os.access(beside, os.X_OK):
        return beside
    trace.saw_nothing(beside)
    return program_on_path(name, trace)


def program_on_path(name: str, trace: RequestTrace) -> str | None:
    """Return the path of a program on PATH; None: there is none."""
    path = shutil.which(name)
    for folder in () if os.path.dirname(name) else os.get_exec_path():
        candidate = os.path.join(folder, name)
        if candidate == path:
            break
        trace.saw_nothing(candidate)
    return path


def executables_at(transformation: Transformation, site: Site, context: Context) -> Iterator[Executable]:
    """Yield the entries that can serve at a site, installed ones first.

    An installed program serves at its own site only, unless it is installed in a
    container; a stageable one wherever its platform fits. The properties can leave entries out.
    """
    words = _chosen_entries(context)
    installed = [at for at in transformation.sites if at.type == "installed" and _counts(at, words)]
    for at in sorted(installed, key=lambda at: at.name != site.name):
        if at.name == site.name or at.container is not None:
            yield Executable(transformation, at, None, context.containers.get(at.container or ""))
    delimiter = context.properties.get(DELIMITER, "").strip() or "-"
    for at in transformation.sites:
        if at.type == "stageable" and _counts(at, words) and _platform_fits(at, site):
            name = staged_name(transformation, delimiter)
            yield Executable(transformation, at, name, context.containers.get(at.container or ""))


def _chosen_entries(context: Context) -> set[str]:
    """Return which entries of the catalog the properties choose: the names of all that must hold."""
    properties = context.properties
    return {properties.choice(MAPPER, MAPPERS, "All"), properties.choice(SELECTOR, SELECTORS, "Random")}


def _counts(at: TransformationSite, words: set[str]) -> bool:
    """Return whether an entry of the catalog is one of those chosen."""
    if "Installed" in words and at.type != "installed":
        return False
    if ("Staged" in words or "Submit" in words) and at.type != "stageable":
        return False
    return "Submit" not in words or at.name == "local"


def staged_name(transformation: Transformation, delimiter: str = "-") -> str:
    """Return the name of a staged executable in a job's directory: `name`, `namespace-name-version`."""
    parts = (transformation.namespace, transformation.name, transformation.version)
    return delimiter.join(part for part in parts if part)


def _platform_fits(at: TransformationSite, site: Site) -> bool:
    """Return whether an executable made for one platform runs at a site; what is not given fits everything."""
    return all(
        wanted is None or offered is None or wanted == offered
        for wanted, offered in ((at.arch, site.arch), (at.os_type, site.os_type))
    )


def check_local_executable(executable: Executable, needed_by: str, context: Context) -> None:
    """Note a problem if an executable that should be on this machine is not, or cannot be run."""
    path = local_path(executable.at.pfn)
    if path is None or (executable.at.type == "installed" and _is_elsewhere(executable, context)):
        return
    name = executable.transformation.full_name
    if not os.path.exists(path):
        context.problem(
            "missing-executable",
            f"transformation {name!r} is registered at {path!r}, and there is no such file (needed by {needed_by})",
            "correct the pfn in the transformation catalog, or put the program there",
        )
    elif os.path.isdir(path):
        context.problem(
            "missing-executable",
            f"transformation {name!r} is registered at {path!r}, which is a directory (needed by {needed_by})",
            "name the program itself in the transformation catalog",
        )
    elif executable.at.type == "installed" and not os.access(path, os.X_OK):
        context.problem(
            "not-executable",
            f"transformation {name!r} is registered at {path!r}, which is not executable (needed by {needed_by})",
            f"make it executable: chmod +x {quoted(path)}",
        )
    elif not os.access(path, os.R_OK | os.X_OK if executable.at.type == "installed" else os.R_OK):
        context.problem(
            "not-readable",
            f"transformation {name!r} is registered at {path!r}, which you may not read (needed by {needed_by})",
            f"ask its owner, or: chmod u+r {quoted(path)}",
        )


def _is_elsewhere(executable: Executable, context: Context) -> bool:
    """Return whether an installed program is in an image, or at a site that is not this machine."""
    site = context.sites.get(executable.at.name)
    return executable.container is not None or (site is not None and executor_of(site) != LOCAL)


def no_executable(key: _Key, sites: Iterable[str], needed_by: str, context: Context) -> None:
    """Note that a transformation cannot run at any of the sites, with the closest name as a hint."""
    name = transformation_name(*key)
    where = ", ".join(sites)
    found = context.transformations.get(key)
    if context.doubts.executables or (found is not None and context.doubts.sites):
        return
    if found is None:
        known = {transformation_name(*other) for other in context.transformations}
        near = difflib.get_close_matches(name, known, 1)
        hint = (
            f"did you mean {near[0]!r}? or add it to the transformation catalog"
            if near
            else "add it to the transformation catalog, or put the program on PATH"
        )
        context.problem(
            "missing-executable",
            f"transformation {name!r} is in no catalog and not on PATH (needed by {needed_by})",
            hint,
        )
        return
    if not found.sites:
        context.problem(
            "missing-executable",
            f"transformation {name!r} has no executable in the catalog (needed by {needed_by})",
            "add an entry to its `sites`: name, type and pfn",
        )
        return
    words = _chosen_entries(context)
    if not any(_counts(at, words) for at in found.sites):
        given = [key for key in (MAPPER, SELECTOR) if key in context.properties]
        context.problem(
            "missing-executable",
            f"transformation {name!r} has no executable that counts: "
            f"{', '.join(f'{key} = {context.properties[key]}' for key in given)} (needed by {needed_by})",
            f"remove {given[0]}, or add an entry that counts to the catalog",
        )
        return
    has = ", ".join(f"{at.type} at {at.name}{_platform(at)}" for at in found.sites)
    context.problem(
        "missing-executable",
        f"transformation {name!r} cannot run at {where}: it is {has} (needed by {needed_by})",
        f"plan with `--sites {found.sites[0].name}`, or add an entry for one of these sites to the catalog",
    )


def _platform(at: TransformationSite) -> str:
    platform = "/".join(part for part in (at.arch, at.os_type) if part)
    return f" for {platform}" if platform else ""
