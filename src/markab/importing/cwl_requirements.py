"""The requirements and hints of CWL that have a counterpart here; the others are errors, or notes if they are hints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from markab.errors import Problem
from markab.importing.cwl_places import CwlPlace, Inconvertible
from markab.importing.cwl_references import Scope, as_text
from markab.importing.cwl_values import UNKNOWN, FileValue
from markab.importing.word_quoting import quoted_word
from markab.spec.model import Container, Profiles

_NEEDS_NOTHING = frozenset(
    [
        "InlineJavascriptRequirement",
        "StepInputExpressionRequirement",
        "ScatterFeatureRequirement",
        "SubworkflowFeatureRequirement",
        "MultipleInputFeatureRequirement",
        "LoadListingRequirement",
        "NetworkAccess",
        "WorkReuse",
        "SchemaDefRequirement",
    ]
)
"""They permit features, each of which is converted, or is an error, where it is used; or ask for what is so anyway."""


class Requirement(NamedTuple):
    """One requirement or hint, and where it stands."""

    asked: Any
    place: CwlPlace
    is_hint: bool


@dataclass
class ToolSettings:
    """What the requirements of one tool make of its jobs."""

    container: Container | None = None
    profiles: Profiles = field(default_factory=dict)
    work_files: list[str] = field(default_factory=list)
    """Lines of shell that make the files which the tool expects in its directory."""
    uses_shell: bool = False
    runtime: dict[str, Any] = field(default_factory=dict)


def requirements_of(
    levels: Iterable[tuple[Any, CwlPlace]], notes: list[Problem], problems: list[Inconvertible]
) -> dict[str, Requirement]:
    """Return the requirements that hold for a tool, by class.

    `levels` are the workflow, the step and the tool: the more specific one counts, and a requirement before a hint.
    """
    found: dict[str, Requirement] = {}
    levels = list(levels)
    for kind in ("hints", "requirements"):
        for process, place in levels:
            for position, asked in enumerate(getattr(process, kind, None) or []):
                name = asked.get("class", "") if isinstance(asked, dict) else asked.class_
                where = _place(place.at(kind), name, position)
                if name in _CONVERTED:
                    found[name] = Requirement(asked, where, kind == "hints")
                elif kind == "hints":
                    notes.append(where.problem(f"the hint {name} has no effect"))
                elif name not in _NEEDS_NOTHING:
                    problems.append(
                        where.error(
                            f"{name} has no counterpart",
                            "remove it, or make it a hint, if the tool can do without",
                        )
                    )
    return found


def settings_of(
    found: dict[str, Requirement], scope: Scope, problems: list[Inconvertible], *, with_containers: bool
) -> ToolSettings:
    """Convert requirements; references in them are resolved in `scope`, whose runtime the result extends."""
    settings = ToolSettings(runtime={"cores": 1, "ram": 256, "outdir": ".", "tmpdir": "."})
    for name, convert in _CONVERTED.items():
        if name not in found or (name == "DockerRequirement" and not with_containers):
            continue
        inner = Scope(scope.inputs, settings.runtime)
        try:
            convert(found[name].asked, inner, found[name].place, settings)
        except Inconvertible as error:
            problems.append(error)
    return settings


def _place(place: CwlPlace, name: str, position: int) -> CwlPlace:
    named = place.at(name)
    return named if named != place else place.item(position)


def _resources(asked: Any, scope: Scope, place: CwlPlace, settings: ToolSettings) -> None:
    profiles = settings.profiles.setdefault("pegasus", {})
    cores = _amount(asked, "cores", scope, place)
    memory = _amount(asked, "ram", scope, place)
    disk = [_amount(asked, key, scope, place) for key in ("outdir", "tmpdir")]
    if cores is not None:
        profiles["cores"] = str(max(1, -(-int(cores * 1000) // 1000)))
        settings.runtime["cores"] = int(profiles["cores"])
    if memory is not None:
        profiles["memory"] = str(_whole(memory))
        settings.runtime["ram"] = _whole(memory)
    if any(each is not None for each in disk):
        profiles["diskspace"] = str(sum(_whole(each) for each in disk if each is not None))


def _amount(asked: Any, name: str, scope: Scope, place: CwlPlace) -> float | None:
    for key in (f"{name}Min", f"{name}Max"):
        given = scope.value(getattr(asked, key, None), place.at(key))
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return float(given)
        if given is not None:
            raise place.at(key).error(f"{key} {given!r} is not a number", "give a number")
    return None


def _whole(amount: float) -> int:
    return int(-(-amount // 1))


def _environment(asked: Any, scope: Scope, place: CwlPlace, settings: ToolSettings) -> None:
    for each in asked.envDef:
        where = place.at("envDef", each.envName)
        settings.profiles.setdefault("env", {})[each.envName] = scope.text(each.envValue, where)


def _shell(asked: Any, scope: Scope, place: CwlPlace, settings: ToolSettings) -> None:
    settings.uses_shell = True


def _container(asked: Any, scope: Scope, place: CwlPlace, settings: ToolSettings) -> None:
    for key in ("dockerFile", "dockerImport", "dockerOutputDirectory"):
        if getattr(asked, key, None):
            raise place.at(key).error(f"{key} has no counterpart", "make an image, and name it by dockerPull")
    if asked.dockerLoad:
        image = _local_path(asked.dockerLoad, Path(place.file).parent)
        name = asked.dockerImageId or image.name
        settings.container = Container(_container_name(name), "docker", f"file://{image}", "local")
    elif name := asked.dockerPull or asked.dockerImageId:
        settings.container = Container(_container_name(name), "docker", f"docker://{name}", "local")
    else:
        raise place.error("DockerRequirement names no image", "give it dockerPull")


def _container_name(image: str) -> str:
    """Return the name of a container: that of its image, with no character that a name must not have."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in image)


def _local_path(given: str, directory: Path) -> Path:
    path = unquote(urlsplit(given).path) if given.startswith("file:") else given
    return (directory / path).absolute()


def _work_files(asked: Any, scope: Scope, place: CwlPlace, settings: ToolSettings) -> None:
    where = place.at("listing")
    listing = scope.value(asked.listing, where)
    for position, each in enumerate(listing if isinstance(listing, list) else [listing]):
        settings.work_files += _entry(each, scope, where.item(position))


def _entry(each: Any, scope: Scope, place: CwlPlace) -> Iterator[str]:
    """Yield the lines of shell that make one entry of a working directory."""
    each = scope.value(each, place)
    if isinstance(each, list):
        for one in each:
            yield from _entry(one, scope, place)
    elif isinstance(each, FileValue):
        yield _copied(each, each.attribute("basename"))
    elif hasattr(each, "entry"):
        name = scope.text(each.entryname, place.at("entryname")) if each.entryname else ""
        content = scope.value(each.entry, place.at("entry"))
        if content is UNKNOWN:
            return
        if isinstance(content, FileValue):
            yield _copied(content, name or content.attribute("basename"))
        elif name and not name.startswith("/") and ".." not in name.split("/"):
            yield f"printf %s {quoted_word(as_text(content))} > {quoted_word(name)}"
        else:
            raise place.error("an entry of a working directory needs an entryname below it", "give it one")
    elif each is not None and each is not UNKNOWN:
        raise place.error(
            "this entry of a working directory cannot be converted", "name a file, or give its text"
        )


def _copied(file: FileValue, name: str) -> str:
    """Return the line that puts a file where a tool expects it: a copy, because the tool may write to it."""
    source, target = quoted_word(file.path), quoted_word(name)
    return f"[ {source} = {target} ] || cp -r {source} {target}"


_CONVERTED = {
    "ResourceRequirement": _resources,
    "EnvVarRequirement": _environment,
    "ShellCommandRequirement": _shell,
    "DockerRequirement": _container,
    "InitialWorkDirRequirement": _work_files,
}
"""In this order: what stands below may refer to the cores and the memory of the first."""
