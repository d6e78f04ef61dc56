"""The API of `pegasus-wms.api` and ours, asked the same: they write the same documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.official_packages import python_with
from integration.tools import environment

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parent / "random_documents.py"
NUMBER = 600


def answers(python: Path | str, **variables: str) -> list[dict[str, Any]]:
    words = [str(python), str(SCRIPT), "0", str(NUMBER)]
    done = subprocess.run(words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_random_workflows_and_catalogs_are_written_as_the_official_api_writes_them(tmp_path: Path) -> None:
    theirs = answers(python_with("pegasus-wms.api"), PATH="/usr/bin:/bin", HOME=str(tmp_path))
    ours = answers(sys.executable, **environment())

    assert [answer for answer, own in zip(theirs, ours, strict=True) if answer != own] == []
    assert sum(answer["document"] is not None for answer in theirs) > NUMBER * 0.9
    assert {"TypeError", "ValueError", "DuplicateError"} & {
        name for answer in theirs for name in answer["raised"]
    }
