"""The container in which a task runs: its image, its mounts, and what starts it."""

from __future__ import annotations

import os
import shlex

from markab.plan.model import LOCAL, TaskContainer
from markab.planner.draft import Context
from markab.planner.executables import program_on_path
from markab.planner.placement import ContainerImage
from markab.planner.places import local_path
from markab.planner.site_executors import executor_of
from markab.spec.container_checks import (
    SHIFTER,
    image_lfn,
    registry_reference,
    source_fault,
    split_container_arguments,
)
from markab.spec.model import Container, Profiles, Site
from markab.transfers.container_tool import TOOLS
from markab.transfers.image_registry import SINGULARITY_SUFFIXES


def image_of(container: Container) -> ContainerImage | None:
    """Return the image of a container as it is staged; None: it is a file of the workflow, or used where it is."""
    if image_lfn(container.image) is not None:
        return None
    path = local_path(container.image)
    if container.type == SHIFTER or (path is not None and os.path.isdir(path)):
        return None
    if container.type == "docker":
        return ContainerImage(container, container.name)
    suffix = os.path.splitext(container.image)[1]
    return ContainerImage(container, container.name + (suffix if suffix in SINGULARITY_SUFFIXES else ".sif"))


def container_of(
    container: Container, profiles: Profiles, site: Site, needed_by: str, context: Context
) -> TaskContainer:
    """Return the container of a task; what is wrong with it is noted."""
    pegasus = profiles.get("pegasus", {})
    title = f"container {container.name!r}"
    program = pegasus.get("container.program", "").strip()
    _check_program(container, program, needed_by, context)
    if executor_of(site) == LOCAL:
        _check_mounts(container, needed_by, context)
    arguments = split_container_arguments(pegasus.get("container.arguments", ""), container.type)
    if isinstance(arguments, tuple):
        message = f"the arguments of {title} {arguments[0]} (needed by {needed_by})"
        context.problem("container-arguments", message, arguments[1])
        arguments = []
    image = image_of(container)
    lfn = image.lfn if image else image_lfn(container.image)
    return TaskContainer(
        name=container.name,
        type=container.type,
        image=_image_in_place(container) if lfn is None else lfn,
        is_staged=lfn is not None,
        mounts=container.mounts,
        arguments=arguments,
        launcher=_launcher(pegasus, title, needed_by, context),
        program=program,
    )


def _image_in_place(container: Container) -> str:
    reference = registry_reference(container.image)
    return reference[1] if reference else local_path(container.image) or container.image


def _launcher(pegasus: dict[str, str], title: str, needed_by: str, context: Context) -> list[str]:
    """Return the words before the command that starts the container."""
    name, arguments = (
        pegasus.get("container.launcher", "").strip(),
        pegasus.get("container.launcher.arguments", ""),
    )
    if not name:
        return []
    try:
        return [name, *shlex.split(arguments)]
    except ValueError as error:
        message = f"the arguments of the launcher of {title} cannot be split into words: {error}: {arguments}"
        context.problem(
            "launcher", f"{message} (needed by {needed_by})", "correct container.launcher.arguments"
        )
        return []


def _check_program(container: Container, wanted: str, needed_by: str, context: Context) -> None:
    """Note a program that cannot start a container of this type."""
    known = TOOLS[container.type]
    if wanted and wanted not in known:
        message = f"the program {wanted!r} cannot start container {container.name!r} (needed by {needed_by})"
        hint = f"set the profile pegasus.container.program to {' or '.join(known)}, or leave it out"
        context.problem("container-program", message, hint)


def missing_program(container: TaskContainer, context: Context) -> str:
    """Return which program would have to be on PATH to start a container on this machine; "" if one is."""
    names = [container.program] if container.program else list(TOOLS[container.type])
    return "" if any(program_on_path(name, context.trace) for name in names) else " or ".join(names)


def _check_mounts(container: Container, needed_by: str, context: Context) -> None:
    """Note mounts of what is not on this machine, or is something else behind its links."""
    for mount in container.mounts:
        source, _, options = mount.partition(":")
        if not os.path.exists(source):
            context.trace.saw_nothing(source)
            context.problem(
                "bad-mount",
                f"mount {mount!r} of container {container.name!r}: there is no {source!r} (needed by {needed_by})",
                "make it, or correct the mount",
            )
        elif fault := source_fault(os.path.realpath(source), is_read_only=options.endswith(":ro")):
            context.problem(
                "bad-mount", f"mount {mount!r} of container {container.name!r} {fault[0]}", fault[1]
            )
