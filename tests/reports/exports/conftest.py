from __future__ import annotations

from pathlib import Path

import pytest

from reports.exports.real_run import plan, run


@pytest.fixture(scope="session")
def failed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("exports") / "w")


@pytest.fixture(scope="session")
def planned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plan(tmp_path_factory.mktemp("exports") / "p")
