"""The cause of an attempt that failed because of a checksum: which file is wrong, without the checksums."""

from __future__ import annotations

import pytest

from kit.made_run import compute
from markab.diagnosis.causes import cause_of


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (
            "input 'a: b' of job 'j' is not what was recorded: '/in/a: b' is not the file that was recorded: "
            "its sha256 is 12, expected 34",
            "input 'a: b' of job 'j' is not what was recorded",
        ),
        (
            "'/in/a: b' is not the file that was recorded: its sha256 is 12, expected 34",
            "'/in/a: b' is not the file that was recorded",
        ),
        ("the file is wrong", "the file is wrong"),
    ],
)
def test_the_name_of_a_file_is_whole_whatever_is_in_it(message: str, title: str) -> None:
    record = {"ok": False, "error": {"kind": "checksum", "message": message}}
    assert cause_of(record, compute("a")).title == title
