"""The file that says what a plan was made from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from markab.plan.sources import Sources, read_sources, write_sources


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = Sources("/home/ada", {"workflow.yml": "/home/ada/words/é.yml"}, ("--set", "n=5", "w.py"))
    write_sources(tmp_path / "sources.json", written)
    assert read_sources(tmp_path / "sources.json") == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"directory": 1, "documents": {}}',
        '{"directory": "/", "documents": 1}',
        '{"directory": "/", "documents": {"a": null}}',
        '{"directory": "/", "documents": {}, "script": 1}',
        '{"directory": "/", "documents": {}, "script": [1]}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_of_a_damaged_file_nothing_is_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.json").write_text(text)
    assert read_sources(tmp_path / "sources.json") == Sources()


def test_an_absent_file_and_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "sources.json") == Sources()
    os.mkfifo(tmp_path / "sources.json")
    assert read_sources(tmp_path / "sources.json") == Sources()
