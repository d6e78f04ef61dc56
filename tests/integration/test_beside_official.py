"""Markab and the official packages in one environment: the last one installed is imported, and planning says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.official_packages import VERSION
from integration.tools import SRC, write_workflow

pytestmark = pytest.mark.integration

OFFICIAL = f"pegasus-wms.api=={VERSION}"
CODE = (
    "import Pegasus.api as a; print('Markab' if a.Workflow.__module__.startswith('markab') else 'official')"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", directory, SRC.parent],
        check=True,
    )
    [made] = directory.glob("markab-*.whl")
    return made


@pytest.mark.parametrize("last", ["Markab", "official"])
def test_the_package_installed_last_is_imported_and_planning_names_the_other(
    wheel: Path, tmp_path: Path, last: str
) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for package in (OFFICIAL, wheel) if last == "Markab" else (wheel, OFFICIAL):
        subprocess.run([*pip, package], check=True)
    workflow = write_workflow(
        tmp_path, [{"type": "job", "name": "true", "id": "a", "arguments": [], "uses": []}]
    )

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert run(python, "-c", CODE).stdout == f"{last}\n"
    said = run(python.parent / "pegasus-plan", workflow).stderr
    assert f"{OFFICIAL.replace('==', ' ')}, " in said and "and Markab have the same modules" in said
    assert ("those of Markab" in said) == (last == "Markab")

    subprocess.run(
        [python, "-m", "pip", "uninstall", "-qy", "pegasus-wms.api", "pegasus-wms.common"], check=True
    )
    subprocess.run([*pip, "--no-deps", "--force-reinstall", wheel], check=True)
    assert run(python, "-c", CODE).stdout == "Markab\n"
    assert run(python.parent / "pegasus-plan", workflow).stderr == ""
