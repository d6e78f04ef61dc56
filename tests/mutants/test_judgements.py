"""Changes that were judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants.changes import Change
from mutants.judgements import VERDICTS, read_judgements, to_judge

CHANGE = Change("f.py", "A.b", "x = 'é: #'", "'é: #'", "(2)", (1, 0, 1, 3))


def test_a_printed_entry_that_was_completed_is_found_again(tmp_path: Path) -> None:
    entry = to_judge(CHANGE).replace("verdict: ''", "verdict: speed").replace("reason: ''", "reason: why")
    (tmp_path / "judged.yml").write_text(entry * 2)

    first, second = read_judgements(tmp_path / "judged.yml")

    assert first == second and first.key == CHANGE.key
    assert (first.verdict, first.reason) == ("speed", "why")


@pytest.mark.parametrize("missing", [("verdict", "speed"), ("reason", "why"), ("verdict", "no matter")])
def test_a_verdict_without_a_reason_is_refused(tmp_path: Path, missing: tuple[str, str]) -> None:
    key, value = missing
    entry = to_judge(CHANGE).replace(f"{key}: ''", f"{key}: {value}")
    (tmp_path / "judged.yml").write_text(entry)

    with pytest.raises(ValueError, match="needs a verdict of"):
        read_judgements(tmp_path / "judged.yml")


def test_every_judgement_has_a_reason_and_is_given_once() -> None:
    judgements = read_judgements()

    assert len({judgement.key for judgement in judgements}) == len(judgements) > 0
    assert {judgement.verdict for judgement in judgements} <= set(VERDICTS)
