"""The corpus of failures: the right rule first, and never certain of what is wrong."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from kit.failure_cases import COVERED, UNCOVERED, make_corpus
from markab.diagnosis.failure_rules import CERTAIN, LIKELY, RULES
from markab.insight.explanation import explain
from markab.insight.verdict import FailureVerdict

ELSEWHERE = ("markab", "cd", "ulimit", "python", "module", "Rscript", "julia", "cpan", "timedatectl")
"""What a step may type that need not be on the machine of this test; two of them are of the shell."""


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> list[FailureVerdict]:
    return _verdicts(tmp_path_factory.mktemp("covered"), COVERED)


@pytest.fixture(scope="module")
def uncovered(tmp_path_factory: pytest.TempPathFactory) -> list[FailureVerdict]:
    return _verdicts(tmp_path_factory.mktemp("uncovered"), UNCOVERED)


def _verdicts(directory: Path, cases: list) -> list[FailureVerdict]:  # type: ignore[type-arg]
    found = explain(make_corpus(directory, cases))
    by_job = {job: verdict for verdict in found.verdicts for job in verdict.jobs}
    return [by_job[f"wc_case{number}"] for number in range(len(cases))]


def test_the_corpus_is_large_enough() -> None:
    assert len(COVERED) >= 120 and len(UNCOVERED) >= 40
    assert {case.rule for case in COVERED} <= RULES.keys()


def test_the_first_verdict_is_the_right_one(covered: list[FailureVerdict]) -> None:
    wrong = [
        (case.rule, one.rule, one.cause)
        for case, one in zip(COVERED, covered, strict=True)
        if case.rule != one.rule
    ]
    assert not wrong


def test_nothing_is_certain_and_wrong(covered: list[FailureVerdict], uncovered: list[FailureVerdict]) -> None:
    for case, one in zip(COVERED + UNCOVERED, covered + uncovered, strict=True):
        assert one.certainty != CERTAIN or one.rule == case.rule, one


def test_of_what_no_rule_covers_nothing_is_likely(uncovered: list[FailureVerdict]) -> None:
    assert [(one.rule, one.cause) for one in uncovered if one.certainty in (CERTAIN, LIKELY)] == []


def test_what_a_program_prints_is_never_certain(covered: list[FailureVerdict]) -> None:
    for case, one in zip(COVERED, covered, strict=True):
        assert "stderr" not in case.record or one.certainty != CERTAIN, one


def test_every_verdict_has_evidence_with_its_place_and_a_step_that_can_be_typed(
    covered: list[FailureVerdict], uncovered: list[FailureVerdict]
) -> None:
    for one in covered + uncovered:
        assert all(found.source and found.text for found in one.evidence) and one.evidence
        assert one.evidence[0].line > 0
        assert 1 <= len(one.steps) <= 3 and any(step.command for step in one.steps), one
        for step in one.steps:
            if step.command:
                words = shlex.split(step.command)
                assert words[0] in ELSEWHERE or shutil.which(words[0]), words
                assert not re.search(r"\b(?:rm|rmdir|shred)\b", step.command)
                assert not re.search(r"\b(?:FILE|HOST|JOB|RUN)\b", step.command)
