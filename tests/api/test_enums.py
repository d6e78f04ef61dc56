"""The names of the API, and the words in documents that they stand for."""

from __future__ import annotations

from enum import Enum

import pytest

from markab.api import enums


@pytest.mark.parametrize(
    "names",
    [
        found
        for found in vars(enums).values()
        if isinstance(found, type) and issubclass(found, Enum) and found is not Enum
    ],
)
def test_a_word_of_a_document_is_written_as_its_name(names: type[Enum]) -> None:
    """`EC2` is "ec2", `SHARED_SCRATCH` is "sharedScratch"."""
    for name, member in names.__members__.items():
        assert str(member.value).lower().replace("_", "") == name.lower().replace("_", "")
