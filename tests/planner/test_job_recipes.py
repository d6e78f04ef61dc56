"""What identifies the program of a task whose results are reused by content."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from markab.planner.draft import Context, Draft
from markab.planner.job_recipes import Recipes, Unknown
from markab.planner.placement import Executable, Placement
from markab.reuse.content_key import RecipeProgram
from markab.spec.model import Container, Site, Transformation, TransformationSite

CONTAINER = Container("c", "docker", "docker:///image")


def found(
    version: str | None = None, staged_as: str | None = None, **more: Any
) -> tuple[RecipeProgram, dict[str, str]]:
    """What identifies /opt/tool, and the programs that are read for that."""
    context = cast("Context", SimpleNamespace(sites={"local": Site("local")}))
    recipes = Recipes(cast("Draft", None), context, more.pop("checksum_of", lambda path: f"sha of {path}"))
    site = TransformationSite("local", "installed", "/opt/tool")
    executable = Executable(Transformation("tool", [site], version=version), site, staged_as, **more)
    of_task = recipes._find_program(executable, cast("Placement", SimpleNamespace(site="local")))
    return of_task.program, of_task.paths


def test_an_installed_program_of_this_machine_is_its_content() -> None:
    program, paths = found(version="2")

    assert program == RecipeProgram("installed", "tool", "sha of /opt/tool")
    assert paths == {"/opt/tool": "sha of /opt/tool"}


def test_a_staged_program_is_one_of_the_inputs() -> None:
    assert found(staged_as="tool-1") == (RecipeProgram("staged", "tool-1"), {})


def test_a_program_of_an_image_is_its_path_there_and_not_the_file_of_that_path_on_this_machine() -> None:
    assert found(container=CONTAINER) == (RecipeProgram("declared", "/opt/tool"), {})


def test_a_program_that_cannot_be_read_is_not_known() -> None:
    def gone(path: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", path)

    with pytest.raises(Unknown, match="its program '/opt/tool' cannot be read: No such file"):
        found(checksum_of=gone)
