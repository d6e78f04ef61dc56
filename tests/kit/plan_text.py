"""Changing a plan on disk, as only a test does."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

_CRC = ',"crc":"'


def replace_in_plan(path: Path, old: str, new: str) -> None:
    """Replace a text in all lines of a `plan.jsonl`, and correct their checksums."""
    text = path.read_text()
    assert old in text
    lines = [line.rpartition(_CRC)[0].replace(old, new) + "}" for line in text.splitlines()]
    path.write_text("".join(f'{line[:-1]}{_CRC}{crc32(line.encode()):08x}"}}\n' for line in lines))
