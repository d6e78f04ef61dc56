"""The programs of CWL tools as transformations, and what a transformation specification says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from markab.errors import DocumentError, Problem
from markab.importing.cwl_places import place_of
from markab.spec.model import Container, Transformation, TransformationCatalog, TransformationSite

ToolSpec = Mapping[str, Mapping[str, Any]]
"""Program → `site` and `is_stageable`: the transformation specification of `pegasus-cwl-converter`."""

_HERE = ("local", "condorpool")
"""The sites at which a program of this machine is said to be, if no specification says: those with which planning begins."""


@dataclass
class Programs:
    """The transformations and containers that the tools of a workflow need, each once."""

    spec: ToolSpec
    transformations: dict[tuple[str, str], Transformation] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)

    def catalog(self) -> TransformationCatalog:
        """Return them as a catalog."""
        return TransformationCatalog(list(self.transformations.values()), list(self.containers.values()))

    def name_of(
        self, program: str, pfn: str, container: Container | None, *, is_stageable: bool = False
    ) -> str:
        """Return the name of the transformation of a program, which is made when it is asked for first."""
        if container:
            self.containers[container.name] = container
        image = container.name if container else ""
        key = (pfn, image)
        if key not in self.transformations:
            taken = {each.name for each in self.transformations.values()}
            base = os.path.basename(program)
            name = next(
                each for each in chain([base], (f"{base}_{i}" for i in count(2))) if each not in taken
            )
            asked = self._asked(program)
            sites = [str(asked["site"])] if "site" in asked else list(_HERE[:1] if is_stageable else _HERE)
            entries = [
                TransformationSite(
                    site, "stageable" if is_stageable else "installed", pfn, container=image or None
                )
                for site in sites
            ]
            self.transformations[key] = Transformation(name, entries)
        return self.transformations[key].name

    def has(self, program: str) -> bool:
        """Return whether the specification names a program."""
        return program in self.spec or os.path.basename(program) in self.spec

    def is_stageable(self, program: str) -> bool:
        """Return whether the specification says that the program is taken to where it runs."""
        return bool(self._asked(program).get("is_stageable"))

    def _asked(self, program: str) -> Mapping[str, Any]:
        return self.spec.get(program) or self.spec.get(os.path.basename(program)) or {}


def unused_spec(spec: ToolSpec, programs: Programs, file: str) -> list[Problem]:
    """Return a note for each program of the specification that no tool has."""
    known = {each.name for each in programs.transformations.values()}
    return [
        Problem(f"{name!r} is the program of no tool", "", file, kind="cwl")
        for name in spec
        if os.path.basename(name) not in known
    ]


def checked_spec(spec: Any, file: str) -> ToolSpec:
    """Return a transformation specification: program → `site` and `is_stageable`.

    Raises:
        DocumentError: it is something else.
    """
    if not isinstance(spec, Mapping):
        raise DocumentError(Problem("not a mapping of programs to `site` and `is_stageable`", _SPEC, file, 1))
    problems = []
    for name, entry in spec.items():
        where = place_of(Path(file), file).at(str(name))
        if not isinstance(entry, Mapping):
            problems.append(where.problem(f"{name!r} must be a mapping", _SPEC))
            continue
        for key in sorted(entry.keys() - {"site", "is_stageable"}):
            problems.append(where.at(key).problem(f"unknown key {key!r} of {name!r}", _SPEC))
        if not isinstance(entry.get("site", ""), str) or not isinstance(
            entry.get("is_stageable", False), bool
        ):
            problems.append(
                where.problem(f"{name!r}: `site` is a name, and `is_stageable` true or false", _SPEC)
            )
    if problems:
        raise DocumentError(*problems)
    return spec


_SPEC = "write it as `PROGRAM: {site: local, is_stageable: false}`"
