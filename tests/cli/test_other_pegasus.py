"""Packages of Pegasus in the directory of our modules `Pegasus`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import Pegasus
from markab.cli import other_pegasus as module
from markab.cli.other_pegasus import other_pegasus


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    shutil.copytree(Path(Pegasus.__file__).parent, tmp_path / "Pegasus")
    return tmp_path / "Pegasus"


def installed(directory: Path, name: str, version: str) -> None:
    info = directory.parent / f"{name.replace('-', '_').replace('.', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_our_own_modules_are_no_reason_for_a_warning(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_installed", None)  # not even looked for
    assert other_pegasus() is other_pegasus(str(ours)) is None


def test_modules_of_others_beside_ours_are_named_with_their_package(ours: Path) -> None:
    installed(ours, "pegasus-wms.common", "5.1.3")
    installed(ours, "pegasus-wms.api", "5.1.3")
    installed(ours, "other", "1")
    (ours / "expressions.py").touch()

    found = other_pegasus(str(ours))
    assert found is not None
    assert str(found).startswith(
        "pegasus-wms.api 5.1.3, pegasus-wms.common 5.1.3 and Markab have the same modules"
    )
    assert "scripts import those of Markab" in str(found)


def test_modules_of_others_in_place_of_ours_are_said_whether_or_not_their_package_is_known(
    ours: Path,
) -> None:
    (ours / "api" / "__init__.py").write_text("from .workflow import Workflow\n")
    found = other_pegasus(str(ours))
    assert found is not None and str(found).startswith("modules in") and "not Markab's" in str(found)

    shutil.rmtree(ours)
    assert "not Markab's" in str(other_pegasus(str(ours)))
