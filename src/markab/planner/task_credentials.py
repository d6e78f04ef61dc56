"""Credentials of tasks: secret files of the submit host, named by profiles such as `pegasus.X509_USER_PROXY`.

The task finds the path of the file in the variable with the name of the key. The file itself is neither read nor copied:
plan, journal and database have its path and nothing of what is in it. A profile of the namespace `env` with the same name
wins. A file that others could read, and a job that could not see the file, are problems.
"""

from __future__ import annotations

import stat
from pathlib import Path

from markab.errors import quoted
from markab.plan.model import LOCAL
from markab.planner.draft import Context
from markab.planner.site_executors import executor_of
from markab.spec.model import Profiles, Site
from markab.spec.profile_keys import CREDENTIALS


def with_credentials(
    profiles: Profiles, site: Site, context: Context, needed_by: str, *, in_container: bool
) -> Profiles:
    """Return the profiles of a task, with a variable for each credential that they name and no `env` profile has."""
    pegasus, env = profiles.get("pegasus", {}), profiles.get("env", {})
    found: dict[str, str] = {}
    for key in CREDENTIALS:
        name = pegasus.get(key, "").strip()
        if not name or key in env:
            continue
        what = f"the credential of profile pegasus.{key} is a file of this machine"
        if executor_of(site) != LOCAL:
            message = f"{what}, and site {site.name!r} is not this machine (needed by {needed_by})"
            context.problem("credential", message, f"put it there, and say where with the profile env.{key}")
        elif in_container:
            message = f"{what}, and not in the container (needed by {needed_by})"
            hint = f"mount its directory (`mounts` of the container), and say where it is with the profile env.{key}"
            context.problem("credential", message, hint)
        elif (path := _private_file(name, key, context, needed_by)) is not None:
            found[key] = path
    return {**profiles, "env": {**found, **env}} if found else profiles


def _private_file(name: str, key: str, context: Context, needed_by: str) -> str | None:
    """Return the path of a file that only its owner can read; None: it was noted as a problem."""
    context.trace.saw_other()  # its mode can change while all documents stay as they are
    path = (context.options.directory / Path(name.removeprefix("file://")).expanduser()).absolute()
    what = f"the credential {str(path)!r} of profile pegasus.{key}"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        message = f"{what} cannot be used: {error.strerror} (needed by {needed_by})"
        context.problem("credential", message, "correct the profile, or remove it")
        return None
    if not stat.S_ISREG(mode):
        message = f"{what} is no file (needed by {needed_by})"
        context.problem("credential", message, "correct the profile, or remove it")
        return None
    if stat.S_IMODE(mode) & 0o077:
        message = f"{what} has mode {stat.S_IMODE(mode):03o}: others could read it (needed by {needed_by})"
        context.problem("credential", message, f"chmod 600 {quoted(str(path))}")
        return None
    return str(path)
