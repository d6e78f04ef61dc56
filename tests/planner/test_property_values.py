"""Values of properties that planning cannot use."""

from __future__ import annotations

import pytest

from markab.errors import DocumentError
from markab.planner.property_values import submit_directory_mode, wrong_values
from markab.spec.properties import Properties

FLAGS = (
    "pegasus.register",
    "pegasus.transfer.links",
    "pegasus.transfer.bypass.input.staging",
    "pegasus.parser.dax.data.dependencies",
    "pegasus.dir.useTimestamp",
    "pegasus.dir.storage.deep",
    "markab.keep.failed",
    "markab.fail.fast",
    "markab.lfn.absolute",
)
CHOICES = (
    "pegasus.selector.site",
    "pegasus.mode",
    "pegasus.integrity.checking",
    "markab.reuse.policy",
)
FROM_0 = ("dagman.retry", "dagman.maxjobs", "dagman.big.maxjobs", "markab.slots.gpus")
FROM_1 = ("pegasus.transfer.threads", "pegasus.parser.document.size", "markab.slots.cores")


def wrong(**values: str) -> list[str]:
    return [problem.message for problem in wrong_values(Properties(values))]


def test_no_property_and_empty_ones_are_right() -> None:
    assert wrong() == wrong(**dict.fromkeys((*FLAGS, *CHOICES, *FROM_0, *FROM_1), " ")) == []


@pytest.mark.parametrize("key", FLAGS)
def test_a_switch_is_true_or_false(key: str) -> None:
    assert wrong(**{key: "true"}) == wrong(**{key: "no"}) == []
    (message,) = wrong(**{key: "perhaps"})
    assert message.startswith(f"property '{key}' is 'perhaps'")


@pytest.mark.parametrize("key", CHOICES)
def test_a_choice_is_one_of_the_words_that_there_are(key: str) -> None:
    (message,) = wrong(**{key: "unheard-of"})
    assert message.startswith(f"property '{key}' is 'unheard-of'; it must be one of ")
    first = message.partition("one of ")[2].partition(",")[0]
    assert wrong(**{key: first.upper()}) == []


@pytest.mark.parametrize(("key", "smallest"), [*((key, 0) for key in FROM_0), *((key, 1) for key in FROM_1)])
def test_a_number_is_whole_and_large_enough(key: str, smallest: int) -> None:
    assert wrong(**{key: str(smallest)}) == wrong(**{key: "7"}) == []
    for value in (str(smallest - 1), "1.5", "many"):
        assert wrong(**{key: value}) == [
            f"property '{key}' is '{value}'; it must be a whole number from {smallest}"
        ]


def test_an_amount_of_memory_is_at_least_one_megabyte() -> None:
    key = "markab.slots.memory"
    assert wrong(**{key: "1"}) == wrong(**{key: "2 GB"}) == wrong(**{key: " "}) == []
    for value in ("0", "much", "-2 GB"):
        (message,) = wrong(**{key: value})
        assert message.startswith(f"property '{key}' is '{value}'; it must be an amount")


@pytest.mark.parametrize(("text", "mode"), [("0700", 0o700), ("750", 0o750), ("2770", 0o2770)])
def test_permissions_of_submit_directories_are_octal(text: str, mode: int) -> None:
    assert submit_directory_mode(Properties({"markab.dir.submit.mode": text})) == mode
    assert submit_directory_mode(Properties()) == 0o700


@pytest.mark.parametrize("text", ["0600", "077", "rwx", "07000", "0780", ""])
def test_the_user_keeps_all_permissions_of_a_submit_directory(text: str) -> None:
    with pytest.raises(DocumentError, match="permissions in octal"):
        submit_directory_mode(Properties({"markab.dir.submit.mode": text}))
    (message,) = wrong(**{"markab.dir.submit.mode": text})
    assert "it must be permissions in octal, such as 0700, 0750 or 2770" in message


def test_all_wrong_values_are_told_at_once() -> None:
    values = {"pegasus.register": "x", "pegasus.mode": "x", "dagman.retry": "x", "markab.slots.memory": "x"}
    assert len(wrong(**values)) == 4
