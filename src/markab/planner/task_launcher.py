"""The launcher of a task: a program that starts the task's own, such as `mpiexec -n 4`.

The profiles `pegasus.gridstart.launcher` and `pegasus.gridstart.launcher.arguments`, else the properties of these names.
With the profile `pegasus.pegasus_lite_env_source`, a shell reads that script of the submit host first, and becomes the
program: the only shell that is started for a task, because that is what is asked for.
"""

from __future__ import annotations

import shlex
import shutil

from markab.plan.model import LOCAL
from markab.planner.draft import Context
from markab.planner.placement import TaskLauncher
from markab.planner.site_executors import executor_of
from markab.spec.model import Profiles, Site

LAUNCHER = "pegasus.gridstart.launcher"
ARGUMENTS = "pegasus.gridstart.launcher.arguments"
ENVIRONMENT = "pegasus_lite_env_source"

_ENV = "/usr/bin/env"
"""Starts a program that is on PATH where the job runs."""
_SOURCE = '. "$0" && exec "$@"'


def launcher_of(profiles: Profiles, site: Site, context: Context, needed_by: str) -> TaskLauncher | None:
    """Return what starts the program of a task; None: nothing else does, or it was noted as a problem."""
    if executor_of(site) != LOCAL:
        return _launcher_elsewhere(profiles, site, context, needed_by)
    launcher = _given(profiles, context, needed_by)
    name = profiles.get("pegasus", {}).get(ENVIRONMENT, "").strip()
    if not name:
        return launcher
    context.trace.saw_other()
    script = (context.options.directory / name.removeprefix("file://")).absolute()
    if not script.is_file():
        message = (
            f"the script {str(script)!r}, which sets the environment, is no file (needed by {needed_by})"
        )
        context.problem("launcher", message, f"correct the profile pegasus.{ENVIRONMENT}, or remove it")
        return launcher
    words = shlex.join(["-c", _SOURCE, str(script)])
    if launcher is not None:
        words += f" {shlex.quote(launcher.executable)} {launcher.arguments}"
    return TaskLauncher(shutil.which("bash") or "/bin/sh", words)


def _given(profiles: Profiles, context: Context, needed_by: str) -> TaskLauncher | None:
    if (asked := _asked(profiles, context, needed_by)) is None:
        return None
    name, arguments = asked
    context.trace.saw_other()  # its place depends on PATH
    program = str(context.options.directory / name) if "/" in name else shutil.which(name)
    if program is None or shutil.which(program) is None:
        message = f"the launcher {name!r} is no program of this machine (needed by {needed_by})"
        context.problem("launcher", message, f"install it, or correct {LAUNCHER}")
        return None
    return TaskLauncher(program, arguments)


def _launcher_elsewhere(
    profiles: Profiles, site: Site, context: Context, needed_by: str
) -> TaskLauncher | None:
    """Return what starts the program of a task at a site that is not this machine: a program that is found on PATH there."""
    if profiles.get("pegasus", {}).get(ENVIRONMENT, "").strip():
        context.problem(
            "launcher",
            f"the script of profile pegasus.{ENVIRONMENT} is one of this machine, and site {site.name!r} is not "
            f"this machine (needed by {needed_by})",
            "set its variables with profiles of the namespace env of the site",
        )
    if (asked := _asked(profiles, context, needed_by)) is None:
        return None
    name, arguments = asked
    if "/" in name:
        return TaskLauncher(name, arguments)
    return TaskLauncher(_ENV, f"{shlex.quote(name)} {arguments}".strip())


def launcher_in_container(profiles: Profiles, context: Context, needed_by: str) -> TaskLauncher | None:
    """Return what starts the program of a task in its container: a program of the image."""
    if profiles.get("pegasus", {}).get(ENVIRONMENT, "").strip():
        what = f"profile pegasus.{ENVIRONMENT} does nothing for a task in a container ({needed_by})"
        context.warn("useless-profile", what, "set its variables with profiles of the namespace env")
    asked = _asked(profiles, context, needed_by)
    return TaskLauncher(*asked) if asked else None


def _asked(profiles: Profiles, context: Context, needed_by: str) -> tuple[str, str] | None:
    """Return the name and the arguments of the launcher; None: there is none, or they were noted as a problem."""
    pegasus = profiles.get("pegasus", {})
    name = pegasus.get("gridstart.launcher", "").strip() or context.properties.get(LAUNCHER, "").strip()
    arguments = pegasus.get("gridstart.launcher.arguments") or context.properties.get(ARGUMENTS, "")
    if not name:
        return None
    try:
        shlex.split(arguments)
    except ValueError as error:
        message = (
            f"the arguments of the launcher {name!r} cannot be split into words: {error}: {arguments} "
            f"(needed by {needed_by})"
        )
        context.problem("launcher", message, f"correct {ARGUMENTS}")
        return None
    return name, arguments
