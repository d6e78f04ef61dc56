"""Checks of the images of containers that are on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

from markab.formatting import count
from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.planner.places import local_path

_IMAGE_SUFFIXES = (".sif", ".simg", ".img")
_SMALLEST_IMAGE_BYTES = 1_000_000


def small_images(subject: Subject) -> Iterator[Found]:
    """Find images of containers on this machine that are too small to be one: mostly a pointer or an error page."""
    for container in subject.containers:
        path = local_path(container.image)
        if path is None or not path.endswith(_IMAGE_SUFFIXES) or not os.path.isfile(path):
            continue
        if (size := os.path.getsize(path)) < _SMALLEST_IMAGE_BYTES:
            yield Found(
                "small-image",
                subject.places.of("container", container.name),
                f"the image of container {container.name!r} has {count(size, 'byte')}, too few for an image: {path!r}",
                "fetch it again: the file may be a pointer of Git LFS, or a page with an error",
            )
