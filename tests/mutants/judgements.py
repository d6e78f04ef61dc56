"""Changes that no test need notice, each with the reason: `judgements.yml`, written by who looked at them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

from mutants.changes import Change

FILE = Path(__file__).with_name("judgements.yml")
VERDICTS = ("equal", "message", "speed")
"""It changes nothing that can be seen; only what a person reads; only how fast it is, or what it costs."""


class Judgement(NamedTuple):
    """One change that was looked at."""

    file: str
    scope: str
    line_text: str
    before: str
    after: str
    verdict: str
    reason: str

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """As `Change.key`."""
        return self[:5]


def read_judgements(file: Path = FILE) -> list[Judgement]:
    """All of the file. Raises ValueError for one without a verdict or a reason."""
    found = [Judgement(**entry) for entry in yaml.safe_load(file.read_text()) or []]
    for judgement in found:
        if judgement.verdict not in VERDICTS or not judgement.reason:
            raise ValueError(f"{file}: {judgement} needs a verdict of {VERDICTS} and a reason")
    return found


def to_judge(change: Change) -> str:
    """The entry of the file for a change, to be completed by hand."""
    entry = {**dict(zip(Judgement._fields, change.key, strict=False)), "verdict": "", "reason": ""}
    return yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1000)
