"""The container of a task that HTCondor starts, where the profile `condor.universe` is `container` or `docker`.

Then the whole job runs in the image, the worker too, and Markab starts no container in it:

| universe | image in the catalog | command |
|---|---|---|
| `container` | `docker://`, `oras://`, `library://`, `shub://` | `container_image`, as it is |
| `container` | of type singularity: a file or directory of this machine, or another URL | `container_image`: path or URL; HTCondor moves files |
| `docker` | `docker://` | `docker_image`, without the scheme |

An image that a profile names goes before that of the catalog. Source: "Container Universe Jobs" in the HTCondor manual.
"""

from __future__ import annotations

from markab.plan.condor_commands import IMAGE_COMMANDS, lacks_image, universe_of
from markab.planner.draft import Context
from markab.planner.places import local_path
from markab.planner.site_executors import HTCONDOR
from markab.spec.container_checks import SHIFTER, image_lfn, registry_reference
from markab.spec.model import Container, Profiles

_UNUSED = ("container.arguments", "container.launcher", "container.launcher.arguments", "container.program")


def is_started_by_pool(profiles: Profiles, executor: str) -> bool:
    """Return whether HTCondor starts the container of a job with these profiles."""
    return executor == HTCONDOR and universe_of(profiles.get("condor", {})) in IMAGE_COMMANDS


def with_image(container: Container, profiles: Profiles, needed_by: str, context: Context) -> Profiles:
    """Return profiles that name the image for HTCondor; what it cannot do with the container is noted."""
    condor = profiles.get("condor", {})
    command = IMAGE_COMMANDS[universe_of(condor)]
    title = f"container {container.name!r}, which HTCondor starts (condor.universe, needed by {needed_by})"
    if container.mounts:
        context.unsupported(
            "container",
            f"mounts of {title} cannot be asked for: the administrators of a pool say what is mounted",
            "remove the mounts, or the profile condor.universe: then Markab starts the container",
        )
    pegasus = profiles.get("pegasus", {})
    if unused := [f"pegasus.{key}" for key in _UNUSED if pegasus.get(key, "").strip()]:
        context.warn("unsupported", f"{', '.join(unused)} do nothing for {title}", "remove them")
    if not lacks_image(condor):
        return profiles
    image = _docker_image(container) if command == "docker_image" else _container_image(container)
    if image is None:
        context.unsupported(
            "container",
            f"HTCondor cannot use the image {container.image!r} of {title}",
            "name an image of a registry (docker://…)"
            + ("" if command == "docker_image" else " or, with the type singularity, a .sif file")
            + f"; or give the profile condor.{command}",
        )
        return profiles
    return {**profiles, "condor": {**condor, command: image.replace("$", "$(DOLLAR)")}}


def _docker_image(container: Container) -> str | None:
    reference = registry_reference(container.image)
    return reference[1] if reference and reference[0] == "docker" else None


def _container_image(container: Container) -> str | None:
    if container.type == SHIFTER or image_lfn(container.image) is not None:
        return None
    if reference := registry_reference(container.image):
        return "://".join(reference)
    if container.type != "singularity":
        return None  # HTCondor loads no archive of Docker
    return local_path(container.image) or container.image
