"""The explanation of a run as data: verdicts, each with its evidence and what to do next. Text and JSON are both made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markab.diagnosis.failure_rules import RULES, UNKNOWN_RULE, rule_text


@dataclass(frozen=True)
class Evidence:
    """A fact on which a verdict rests, and where it can be read."""

    source: str
    """A file, as it is typed."""
    line: int
    """Of the file, from 1; 0: the whole of it, or it is a directory or a file system."""
    text: str
    within: str = ""
    """Where in that line, if it has the output of a job in it: "line 3 of stderr"."""

    @property
    def place(self) -> str:
        """Return the file with the line."""
        at = f"{self.source}:{self.line}" if self.line else self.source
        return f"{at}, {self.within}" if self.within else at

    def to_json(self, number: int) -> dict[str, Any]:
        """Return it as plain data."""
        entry = {"id": f"E{number}", "source": self.source, "line": self.line, "text": self.text}
        return entry | ({"within": self.within} if self.within else {})


@dataclass(frozen=True)
class NextStep:
    """Something to do next."""

    text: str
    command: str = ""
    """As it is typed; empty: it cannot be typed."""
    mutating: bool = False
    """The command changes something."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        command = {"command": self.command} if self.command else {}
        return {"text": self.text, **command, "mutating": self.mutating}


@dataclass
class FailureVerdict:
    """A cause, the jobs that failed for it, why it is believed, and what to do."""

    rule: str
    certainty: str
    jobs: list[str]
    what: str
    """What failed, and where."""
    cause: str
    evidence: list[Evidence] = field(default_factory=list)
    steps: list[NextStep] = field(default_factory=list)
    blocked: int = 0
    """Jobs that do not start because of it."""
    behind: list[str] = field(default_factory=list)
    """The first few of them."""
    workflow: str = ""
    """The jobs on the way to the sub-workflow in which it happened, with slashes between; empty: the run itself."""
    note: str = ""
    """What has become of the jobs, if they have not failed for good."""

    @property
    def title(self) -> str:
        """The rule with its certainty."""
        return rule_text(self.rule, self.certainty)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "rule": self.rule,
            "title": RULES[self.rule].title,
            "certainty": self.certainty,
            "class": RULES[self.rule].category,
            "workflow": self.workflow,
            "jobs": self.jobs,
            "blocked_count": self.blocked,
            "what": self.what,
            "evidence": [one.to_json(number) for number, one in enumerate(self.evidence, 1)],
            "cause": self.cause,
            "steps": [step.to_json() for step in self.steps],
            **({"note": self.note} if self.note else {}),
        }


@dataclass
class Explanation:
    """What is to be said of a run, or of one job of it."""

    run: str
    """The submit directory, as it is typed."""
    workflow: str
    state: str
    """Of the run; see `RunReader.state`."""
    verdicts: list[FailureVerdict]
    failed: int = 0
    """Jobs that failed for good."""
    notes: list[str] = field(default_factory=list)
    goes_on: str = ""
    """The command that continues the run; empty: there is nothing to continue."""
    remarks: list[FailureVerdict] = field(default_factory=list)
    """With `--all`: what did not fail, and is not as it should be."""

    @property
    def not_explained(self) -> list[str]:
        """The jobs for whose failure no rule holds."""
        return [job for one in self.verdicts if one.rule == UNKNOWN_RULE for job in one.jobs]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "run": self.run,
            "workflow": self.workflow,
            "state": self.state,
            "failed": self.failed,
            "verdicts": [one.to_json() for one in self.verdicts],
            "not_explained": self.not_explained,
            "remarks": [one.to_json() for one in self.remarks],
            "notes": self.notes,
            **({"continue": self.goes_on} if self.goes_on else {}),
        }
