"""The arguments for the transfer tool that properties and profiles give."""

from __future__ import annotations

import pytest

from markab.spec.transfer_arguments import TransferArguments, transfer_arguments


@pytest.mark.parametrize("text", ["-n 4 -m 2", "-m2 -n4", "--threads=4 --max-attempts 2"])
def test_numbers_of_threads_and_tries_are_read_in_every_spelling(text: str) -> None:
    assert TransferArguments(4, 2) == transfer_arguments(text)


def test_other_words_are_named_and_ask_for_nothing() -> None:
    assert TransferArguments(0, 0, ("-d", "--symlink")) == transfer_arguments("-d --symlink")
    assert TransferArguments() == transfer_arguments("")


@pytest.mark.parametrize("text", ["-n", "-n few", "-m 0", "-n 'x"])
def test_a_number_that_is_missing_or_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        transfer_arguments(text)
