"""Images are loaded once a run under a name of the run, and nothing of the user's images changes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kit.fake_podman import FakePodman
from markab.transfers.container_tool import ContainerTool, ToolFailed
from markab.worker import container_images
from markab.worker.container_images import load_image, repository_of, unload_images

UUID = "0b6e2f1c-1111-4222-8333-944455556666"


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePodman:
    return FakePodman(tmp_path / "podman", monkeypatch)


@pytest.fixture
def image(tmp_path: Path) -> str:
    """Return a file with an image that has a name."""
    manifest = json.dumps([{"RepoTags": ["localhost/tool:1"]}]).encode()
    path = tmp_path / "tool.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        archive.addfile(entry, io.BytesIO(manifest))
    return str(path)


def tool(podman: FakePodman) -> ContainerTool:
    return ContainerTool(str(podman.directory / "bin" / "podman"), "podman")


def test_an_image_is_loaded_once_however_many_ask(podman: FakePodman, image: str) -> None:
    name = repository_of(UUID, "box") + ":1"
    with ThreadPoolExecutor(4) as pool:
        ids = set(
            pool.map(lambda _: load_image(tool(podman), image, name, f"{image}.names", False, None), range(8))
        )

    assert ids == {f"id of {image}"}
    assert podman.count("load") == 1
    assert list(podman.images) == [name]


def test_the_name_in_the_file_stays_that_of_the_users_image(podman: FakePodman, image: str) -> None:
    podman.has("localhost/tool:1", "the user's")
    name = repository_of(UUID, "box") + ":1"

    load_image(tool(podman), image, name, f"{image}.names", False, None)

    assert podman.images == {name: f"id of {image}", "localhost/tool:1": "the user's"}


def test_another_attempt_looks_whether_it_is_still_there(podman: FakePodman, image: str) -> None:
    name = repository_of(UUID, "box") + ":1"
    load_image(tool(podman), image, name, f"{image}.names", False, None)
    (podman.directory / "images" / name.replace("/", "=")).unlink()

    load_image(tool(podman), image, name, f"{image}.names", True, None)

    assert podman.count("load") == 2


class Killed(BaseException):
    """In place of SIGKILL of this process."""


class MortalTool(ContainerTool):
    """Does so many commands, and is killed before the next, or right after it."""

    __slots__ = ("after", "left")

    def run(self, words: Sequence[str], *more: Any, **others: Any) -> str:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        printed = super().run(words, *more, **others)
        if self.left == 0:
            raise Killed
        return printed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("before", ["", "the user's"])
def test_killed_between_any_two_steps_the_next_attempt_leaves_the_users_names_as_they_were(
    podman: FakePodman, image: str, before: str, after: bool
) -> None:
    name, note, killed = repository_of(UUID, "box") + ":1", f"{image}.names", 0
    for number in range(1, 20):
        for path in (podman.directory / "images").iterdir():
            path.unlink()
        if before:
            podman.has("localhost/tool:1", before)
        mortal = MortalTool(tool(podman).path, "podman")
        mortal.left, mortal.after = number, after
        container_images._ids.clear()
        try:
            load_image(mortal, image, name, note, False, None)
        except Killed:
            killed += 1
        container_images._ids.clear()

        load_image(tool(podman), image, name, note, True, None)

        users = {"localhost/tool:1": before} if before else {}
        assert podman.images == {name: f"id of {image}", **users}, f"killed at command {number}"
        assert not Path(note).exists()
    assert killed >= 5


def test_a_run_unloads_its_own_images_only(podman: FakePodman) -> None:
    mine, other = repository_of(UUID, "box"), repository_of(UUID.replace("0", "1"), "box")
    for name in (f"{mine}:1", f"{mine}:2", f"{other}:1", "localhost/tool:1"):
        podman.has(name, "one")

    assert unload_images(UUID, {"box": "podman", "absent": "podman"}, None) == []
    assert sorted(podman.images) == sorted([f"{other}:1", "localhost/tool:1"])


def test_what_is_no_image_is_an_error(podman: FakePodman, tmp_path: Path) -> None:
    podman.refuses("Error: payload does not match any of the supported image formats\n")
    (tmp_path / "x.tar").write_bytes(b"no image")
    with pytest.raises(ToolFailed, match="payload does not match"):
        load_image(
            tool(podman),
            str(tmp_path / "x.tar"),
            repository_of(UUID, "x") + ":1",
            f"{tmp_path}/note",
            False,
            None,
        )
