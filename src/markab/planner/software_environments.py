"""Software environments: what the profiles `environment.*` of the namespace `markab` ask for.

| profile | value |
|---|---|
| `environment.requirements` | a requirements file or lock file that pip reads, with all of it in that one file |
| `environment.conda` | an environment file of conda (YAML), or a manifest of pixi (TOML) |
| `environment.modules` | names of environment modules, separated by blanks |

The plan has the text of the file, and each text once; the worker makes the environment of it, or finds
it made (`worker/software_environment.py`). Modules can be loaded together with either of the others.

After the sites are chosen, because profiles depend on them; before results are reused by content, which depend on
the environment. Each task of a cluster has its own. Without these profiles, this pass reads nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from markab.plan.model import LOCAL, SoftwareEnvironment, Tool
from markab.planner.draft import Context, Draft, RequestedEnvironment
from markab.planner.noop_tasks import is_noop
from markab.planner.placement import Program
from markab.planner.site_executors import executor_of

NAMESPACE = "markab"
REQUIREMENTS, CONDA, MODULES = "environment.requirements", "environment.conda", "environment.modules"
LARGEST_BYTES = 4 << 20

_OTHER_FILE = re.compile(
    r"^\s*(-r|-c|-e|--requirement|--constraint|--editable)\b.*$|^\s*(?:\./|\.\./|file:|[^#\s]+ @ file:).*$",
    re.MULTILINE,
)
"""A line that refers to a file beside: its content would not be part of what the environment is known by."""


def read_environments(draft: Draft, context: Context) -> None:
    """Fill `environments` and `environment_names`; what is wrong is said once."""
    seen: set[int] = set()
    reader = _Reader(context)
    for job, _ in draft.task_jobs():
        placement = draft.placements[job]
        if id(placement) in seen:
            continue
        seen.add(id(placement))
        for program in placement.programs:
            asked = requested_environment(program)
            if any(asked) and (found := reader.environment(asked, program, placement.site)) is not None:
                draft.environment_names[asked] = name = _name_of(found)
                draft.environments[name] = found


def requested_environment(program: Program) -> RequestedEnvironment:
    """Return what a program asks for: a requirements file, a file of conda, and modules; "" what it does not, or what is not run."""
    asked = None if is_noop(program.profiles) else program.profiles.get(NAMESPACE)
    return (
        (asked.get(REQUIREMENTS, ""), asked.get(CONDA, ""), asked.get(MODULES, "")) if asked else ("", "", "")
    )


class _Reader:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._texts: dict[str, str | None] = {}

    def environment(
        self, asked: RequestedEnvironment, program: Program, site: str
    ) -> SoftwareEnvironment | None:
        requirements, conda, modules_text = map(str.strip, asked)
        modules = modules_text.split()
        of = f"transformation {program.executable.transformation.full_name!r}"
        context = self._context
        if (requirements or conda) and executor_of(context.sites[site]) != LOCAL:
            self._refuse(
                f"the software environment of {of} cannot be made at site {site!r}, which is not this machine",
                f"install the programs there, load modules ({NAMESPACE}.{MODULES}), or use a container",
            )
            return None
        if program.executable.container is not None:
            self._refuse(
                f"{of} has a container and a software environment",
                "leave out one of them: put the programs into the image",
            )
            return None
        if requirements and conda:
            self._refuse(
                f"{of} has both {NAMESPACE}.{REQUIREMENTS} and {NAMESPACE}.{CONDA}",
                "leave out one of them; a conda file can have a section `pip`",
            )
            return None
        wrong = [name for name in modules if not re.fullmatch(r"[A-Za-z0-9][\w.+/-]*", name)]
        if wrong:
            self._refuse(
                f"{NAMESPACE}.{MODULES} of {of} has {wrong[0]!r}, which is no name of a module",
                "separate the names by blanks",
            )
            return None
        name = requirements or conda
        if not name:
            return SoftwareEnvironment(modules=modules) if modules else None
        text = self._text(name, REQUIREMENTS if requirements else CONDA, of)
        if text is None:
            return None
        tool: Tool = "pip" if requirements else "pixi" if name.endswith(".toml") else "conda"
        return SoftwareEnvironment(tool, Path(name).name, text, modules)

    def _text(self, name: str, key: str, of: str) -> str | None:
        if name not in self._texts:
            self._texts[name] = self._read(name, key, of)
        return self._texts[name]

    def _read(self, name: str, key: str, of: str) -> str | None:
        context = self._context
        path = context.options.directory / Path(name).expanduser()
        context.trace.saw_other()
        what = f"{NAMESPACE}.{key} of {of} names {str(path)!r}"
        try:
            if path.stat().st_size > LARGEST_BYTES:
                raise ValueError(f"it has more than {LARGEST_BYTES >> 20} MB")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            self._refuse(
                f"{what}, which cannot be read: {error.strerror}", "correct the profile, or write the file"
            )
            return None
        except ValueError as error:
            self._refuse(f"{what}, which is no such file: {error}", "name a text file with the packages")
            return None
        if key == REQUIREMENTS and (other := _OTHER_FILE.search(text)):
            self._refuse(
                f"{what}, which refers to other files: {other[0].strip()}",
                "write all packages into one file, as `pip-compile`, `uv pip compile` and `pip freeze` do",
            )
            return None
        return text

    def _refuse(self, message: str, remedy: str) -> None:
        self._context.problem("environment", message, remedy)


def environment_digest(environment: SoftwareEnvironment) -> str:
    """Return a sha256 over what an environment is made of; the Python that makes it is not known here."""
    parts = (environment.tool, environment.file, environment.text, *environment.modules)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _name_of(environment: SoftwareEnvironment) -> str:
    shown = environment.file or "modules"
    return f"{shown}:{environment_digest(environment)[:12]}"
