"""`status.json`."""

from __future__ import annotations

import json
from pathlib import Path

from markab.journal.progress import Progress, read_progress, write_progress


def test_what_is_left_out_is_nothing(tmp_path: Path) -> None:
    """Other programs read it too."""
    progress = Progress(workflow="w", uuid="u", time=1.5, total=3)
    write_progress(tmp_path / "status.json", progress)

    written = json.loads((tmp_path / "status.json").read_text())
    assert written == {"workflow": "w", "uuid": "u", "time": 1.5, "total": 3}
    assert read_progress(tmp_path / "status.json") == progress
    nothing = {name: getattr(progress, name) for name in progress.__struct_fields__ if name not in written}
    assert not any(nothing.values()) and len(nothing) >= 15


def test_a_file_that_cannot_be_read_is_no_progress(tmp_path: Path) -> None:
    assert read_progress(tmp_path / "none") is None
    (tmp_path / "status.json").write_text("{")
    assert read_progress(tmp_path / "status.json") is None
