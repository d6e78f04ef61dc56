"""Which entries of the transformation catalog can serve at a site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from markab.planner.draft import Context
from markab.planner.executables import check_local_executable, executables_at, staged_name
from markab.planner.placement import Executable
from markab.spec.model import Container, Site, Transformation, TransformationSite
from markab.spec.properties import Properties

BOX = Container("box", "docker", "docker:///image")


class Noted:
    """A context that keeps the problems."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str, str]] = []
        self.containers = {"box": BOX}
        self.properties = Properties()
        self.sites: dict[str, Site] = {}

    def problem(self, kind: str, message: str, hint: str) -> None:
        self.problems.append((kind, message, hint))


def installed(site: str, pfn: str = "/bin/tool", container: str | None = None) -> TransformationSite:
    return TransformationSite(site, "installed", pfn, container=container)


def stageable(
    pfn: str, arch: str | None = None, os: str | None = None, box: str | None = None
) -> TransformationSite:
    return TransformationSite("web", "stageable", pfn, arch=arch, os_type=os, container=box)


def at(site: Site, *entries: TransformationSite) -> list[Executable]:
    return list(executables_at(Transformation("tool", list(entries)), site, cast("Context", Noted())))


def test_what_is_installed_serves_at_its_own_site_before_what_can_be_staged() -> None:
    found = at(Site("here"), stageable("http://w/tool"), installed("there"), installed("here"))

    assert [(one.at.pfn, one.at.name, one.staged_as) for one in found] == [
        ("/bin/tool", "here", None),
        ("http://w/tool", "web", "tool"),
    ]


def test_what_is_installed_in_an_image_serves_everywhere_after_that_of_the_site() -> None:
    found = at(Site("here"), installed("there", "/in/image", "box"), installed("here"))

    assert [(one.at.pfn, one.container) for one in found] == [("/bin/tool", None), ("/in/image", BOX)]


def test_a_staged_program_runs_in_the_container_of_its_entry() -> None:
    assert [one.container for one in at(Site("here"), stageable("/a", box="box"), stageable("/b"))] == [
        BOX,
        None,
    ]


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        (stageable("/a"), True),
        (stageable("/a", "x86_64"), True),
        (stageable("/a", "x86_64", "linux"), True),
        (stageable("/a", "aarch64"), False),
        (stageable("/a", "x86_64", "macosx"), False),
    ],
)
def test_a_program_is_staged_where_its_platform_fits(entry: TransformationSite, fits: bool) -> None:
    assert bool(at(Site("here", arch="x86_64", os_type="linux"), entry)) == fits
    assert at(Site("anywhere"), entry), "what is not given fits everything"


def test_the_name_of_a_staged_program_has_namespace_and_version() -> None:
    assert staged_name(Transformation("tool")) == "tool"
    assert staged_name(Transformation("tool", namespace="n", version="1")) == "n-tool-1"


def gone(path: Path) -> None:
    pass


def not_executable(path: Path) -> None:
    path.write_text("")
    path.chmod(0o644)


def program(path: Path) -> None:
    path.write_text("")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (program, {"installed": None, "stageable": None}),
        (not_executable, {"installed": "not-executable", "stageable": None}),
        (gone, {"installed": "missing-executable", "stageable": "missing-executable"}),
        (Path.mkdir, {"installed": "missing-executable", "stageable": "missing-executable"}),
    ],
)
@pytest.mark.parametrize("type", ["installed", "stageable"])
def test_a_program_of_this_machine_is_there_and_can_be_run(
    tmp_path: Path, make: Callable[[Path], None], kinds: dict[str, str | None], type: str
) -> None:
    make(tmp_path / "tool")
    entry = TransformationSite("local", type, str(tmp_path / "tool"))  # type: ignore[arg-type]
    noted = Noted()

    check_local_executable(
        Executable(Transformation("tool", [entry]), entry, None), "job x", cast("Context", noted)
    )

    assert [kind for kind, _, _ in noted.problems] == ([kinds[type]] if kinds[type] else [])
    assert all("(needed by job x)" in message for _, message, _ in noted.problems)


def test_a_program_in_an_image_or_at_a_url_is_not_looked_for_on_this_machine() -> None:
    noted = Noted()
    for entry, container in (
        (installed("local", "/no/tool", "box"), BOX),
        (stageable("http://w/tool"), None),
    ):
        executable = Executable(Transformation("tool", [entry]), entry, None, container)
        check_local_executable(executable, "job x", cast("Context", noted))

    assert not noted.problems
