"""Loading environment modules: what `module load` would change in a shell, as variables.

Both kinds of modules (Environment Modules and Lmod) print these changes as Python code when they are asked to;
only its assignments of texts to variables are read, nothing of it is run.
"""

import ast
import os
import re
import subprocess
from typing import Dict, Mapping, Optional, Sequence, Tuple

from markab.transfers.error_kinds import ErrorKind
from markab.worker.failure import AttemptFailed

TIMEOUT_S = 60.0
_PLACES = (
    "/usr/lib/x86_64-linux-gnu/modulecmd.tcl",
    "/usr/lib/aarch64-linux-gnu/modulecmd.tcl",
    "/usr/share/modules/libexec/modulecmd.tcl",
    "/usr/share/Modules/libexec/modulecmd.tcl",
    "/usr/share/lmod/lmod/libexec/lmod",
)
_ASSIGNMENT = re.compile(
    r"^os\.environ\[(?P<name>'[^'\n]*'|\"[^\"\n]*\")\] *= *(?P<value>['\"].*['\"]);?$", re.MULTILINE
)


def find_module_command(environ: Mapping[str, str]) -> str:
    """Return the program that prints what modules change; empty if there is none."""
    named = [environ.get(name, "") for name in ("MODULES_CMD", "LMOD_CMD")]
    folders = environ.get("PATH", "").split(os.pathsep)
    found = [os.path.join(folder, "modulecmd") for folder in folders if folder]
    return next((path for path in [*named, *found, *_PLACES] if path and os.access(path, os.X_OK)), "")


def load_modules(names: Sequence[str], environ: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables that loading modules sets.

    Raises:
        AttemptFailed: there are no modules here, or one of these cannot be loaded.
    """
    shown = " ".join(names)
    command = find_module_command(environ)
    if not command:
        raise AttemptFailed(
            ErrorKind.ENVIRONMENT,
            "the modules '%s' cannot be loaded: this machine has no environment modules" % shown,
            "install environment-modules or Lmod, or set MODULES_CMD to the path of modulecmd",
        )
    said, why = _ask([command, "python", "load", *names], environ)
    if why is not None:
        raise AttemptFailed(
            ErrorKind.ENVIRONMENT,
            "the modules '%s' cannot be loaded: %s" % (shown, why),
            "`module avail` lists those of this machine; MODULEPATH says where they are",
        )
    return changed_variables(said)


def changed_variables(code: str) -> Dict[str, str]:
    """Return the variables that Python code of a module command sets."""
    found = {}
    for line in _ASSIGNMENT.finditer(code):
        try:
            name, value = ast.literal_eval(line.group("name")), ast.literal_eval(line.group("value"))
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, str):
            found[name] = value
    return found


def _ask(words: Sequence[str], environ: Mapping[str, str]) -> Tuple[str, Optional[str]]:
    """Return what the command prints, and why it failed, if it did."""
    try:
        child = subprocess.Popen(
            words,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return "", "%s: %s" % (words[0], error.strerror)
    try:
        out, err = child.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return "", "%s did not answer within %d s" % (words[0], TIMEOUT_S)
    complaint = " ".join(err.decode("utf-8", "replace").split())
    if child.returncode or "ERROR" in complaint:
        return "", complaint or "%s ended with exit code %d" % (words[0], child.returncode)
    return out.decode("utf-8", "replace"), None
