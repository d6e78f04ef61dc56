"""Images of registries: pulled into a file, with nothing left in between; limits and refusals are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.fake_podman import FakePodman
from markab.errors import ChecksumMismatch, MarkabError, StorageError, TransferRefused, TransferUnavailable
from markab.transfers.base import handler_for
from markab.transfers.image_registry import qualified

URL = "docker://lab/tool:1"


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePodman:
    return FakePodman(tmp_path / "podman", monkeypatch)


def test_an_image_is_pulled_into_a_file_and_leaves_nothing(podman: FakePodman, tmp_path: Path) -> None:
    moved = handler_for(URL).get(URL, str(tmp_path / "box"))

    assert (tmp_path / "box").read_text() == "id of docker.io/lab/tool:1\n"
    assert moved.size_bytes == (tmp_path / "box").stat().st_size
    assert podman.images == {}


def test_an_image_that_was_there_stays(podman: FakePodman, tmp_path: Path) -> None:
    podman.has("docker.io/lab/tool:1", "old")
    handler_for(URL).get(URL, str(tmp_path / "box"))
    assert list(podman.images) == ["docker.io/lab/tool:1"]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "Error: toomanyrequests: You have reached your pull rate limit.",
            TransferUnavailable,
            "the registry limits",
        ),
        ("Error: reading manifest 1 in lab/tool: manifest unknown", TransferRefused, "manifest unknown"),
        ("Error: unauthorized: authentication required", TransferRefused, "unauthorized"),
        ("Error: writing blob: no space left on device", StorageError, "no space left"),
        ("Error: dial tcp: connection refused", TransferUnavailable, "connection refused"),
    ],
)
def test_what_a_registry_refuses_is_told_apart(
    podman: FakePodman, tmp_path: Path, text: str, kind: type[MarkabError], words: str
) -> None:
    podman.refuses(text + "\n")
    with pytest.raises(kind, match=words):
        handler_for(URL).get(URL, str(tmp_path / "box"))
    assert not list(tmp_path.glob("*box*"))


def test_another_checksum_leaves_no_file(podman: FakePodman, tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        handler_for(URL).get(URL, str(tmp_path / "box"), sha256="0" * 64)
    assert not (tmp_path / "box").exists()


def test_images_of_singularity_are_pulled_by_its_own_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "apptainer"
    program.write_text('#!/bin/sh\necho "$1 $2 $4" > "$3"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for url, file in (("docker:///lab/tool:1", "box.sif"), ("library://lab/tool:1", "box")):
        handler_for(url).get(url, str(tmp_path / file))
        plain = url.replace(":///", "://")
        assert (tmp_path / file).read_text() == f"pull --force {plain}\n"


@pytest.mark.parametrize(
    ("reference", "whole"),
    [
        ("python:3.12", "docker.io/library/python:3.12"),
        ("lab/tool", "docker.io/lab/tool"),
        ("quay.io/lab/tool", "quay.io/lab/tool"),
        ("localhost/tool", "localhost/tool"),
        ("host:5000/tool", "host:5000/tool"),
    ],
)
def test_a_reference_without_a_registry_is_one_of_docker(reference: str, whole: str) -> None:
    assert qualified(reference) == whole
