"""The launcher of a task: a program that starts the task's own, such as `mpiexec -n 4`.

The profiles `pegasus.gridstart.launcher` and `pegasus.gridstart.launcher.arguments`, else the properties of these names.
"""

from __future__ import annotations

import shlex
import shutil

from markab.planner.draft import Context
from markab.planner.placement import TaskLauncher
from markab.spec.model import Profiles

LAUNCHER = "pegasus.gridstart.launcher"
ARGUMENTS = "pegasus.gridstart.launcher.arguments"


def launcher_of(profiles: Profiles, context: Context, needed_by: str) -> TaskLauncher | None:
    """Return what starts the program of a task; None: nothing else does, or it was noted as a problem."""
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


def launcher_in_container(profiles: Profiles, context: Context, needed_by: str) -> TaskLauncher | None:
    """Return what starts the program of a task in its container: a program of the image."""
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
