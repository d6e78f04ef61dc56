"""The text of an explanation: the same data as its JSON, in at most sixty lines unless all is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markab.diagnosis.failure_rules import UNKNOWN_RULE
from markab.formatting import clipped, count
from markab.insight.verdict import Explanation, FailureVerdict

LINES = 60
JOBS_NAMED = 3
EVIDENCE_SHOWN = 4
LINES_OF_UNKNOWN = 12
WIDTH = 200


def explanation_text(found: Explanation, *, verbose: bool = False) -> str:
    """Return the text; with `verbose`, all verdicts and all evidence."""
    lines = [*_head(found)]
    shown = found.verdicts + found.remarks
    hidden = 0
    room = LINES - len(lines) - 3
    for number, verdict in enumerate(shown):
        if number == len(found.verdicts):
            lines += ["", "Not failed, and not as it should be:"]
            room -= 2
        block = ["", *_block(verdict, found.run, is_failure=number < len(found.verdicts), verbose=verbose)]
        if not verbose and number and len(block) > room:
            hidden = len(shown) - number
            break
        room -= len(block)
        lines += block
    if hidden:
        lines += ["", f"… and {count(hidden, 'more entry', 'more entries')}: markab explain -v {found.run}"]
    return "\n".join(lines) + "\n"


def _head(found: Explanation) -> Iterator[str]:
    yield f"{found.workflow} in {found.run}: {_state(found)}"
    if found.verdicts:
        blocked = sum(verdict.blocked for verdict in found.verdicts)
        causes = sum(verdict.rule != UNKNOWN_RULE for verdict in found.verdicts)
        parts = [count(causes, "cause"), f"{count(found.failed, 'job')} failed"]
        if unknown := len(found.verdicts) - causes:
            parts.append(f"{count(unknown, 'failure')} without a known cause")
        if blocked:
            parts.append(
                f"{count(blocked, 'job')} {'waits' if blocked == 1 else 'wait'} behind {'it' if causes + unknown == 1 else 'them'}"
            )
        if found.goes_on:
            parts.append("the run can be continued")
        yield "  " + " · ".join(parts)
    yield from (f"  note: {clipped(note, 2 * WIDTH)}" for note in found.notes)


def _state(found: Explanation) -> str:
    words = {
        "Success": "succeeded",
        "Failure": "failed",
        "Running": "is running",
        "Not started": "not started yet",
        "Halted": "stopped before its end",
    }
    state = words.get(found.state, found.state.lower())
    if not found.verdicts and not found.failed:
        return f"{state}; nothing failed"
    return state


def _block(verdict: FailureVerdict, run: str, *, is_failure: bool, verbose: bool) -> Iterator[str]:
    yield f"{'●' if is_failure else '○'} {_who(verdict)}    {verdict.title}" + (
        f" ({verdict.note})" if verdict.note else ""
    )
    yield from _labelled("What", [clipped(verdict.what, 10**6 if verbose else WIDTH)])
    if len(verdict.jobs) > 1:
        most = len(verdict.jobs) if verbose else JOBS_NAMED
        yield from _labelled("Jobs", [_some(verdict.jobs, len(verdict.jobs), most)])
    limit = 10**6 if verbose else LINES_OF_UNKNOWN if verdict.rule == UNKNOWN_RULE else EVIDENCE_SHOWN
    evidence = verdict.evidence
    if len(evidence) > limit:  # of a log its end says most
        evidence = [evidence[0], *evidence[len(evidence) - limit + 1 :]]
    seen = []
    last = ""
    for one in evidence:
        if one.place != last:
            seen.append(one.place)
            last = one.place
        seen.append(f"  {clipped(one.text, 10**6 if verbose else 2 * WIDTH)}")
    yield from _labelled("Seen", seen)
    yield from _labelled("Cause", [clipped(verdict.cause, 10**6 if verbose else 2 * WIDTH)])
    steps = []
    for number, step in enumerate(verdict.steps, 1):
        if step.command and step.command in step.text:
            steps.append(f"{number}  {step.text}")
        elif step.command:
            steps += [f"{number}  {step.text}:", f"   {step.command}"]
        else:
            steps.append(f"{number}  {step.text}")
    yield from _labelled("Do", steps)
    if verdict.blocked:
        yield from _labelled("Behind", [_some(verdict.behind, verdict.blocked, JOBS_NAMED)])


def _who(verdict: FailureVerdict) -> str:
    inside = f" in {verdict.workflow}" if verdict.workflow else ""
    if not verdict.jobs:
        return f"the run{inside}"
    if len(verdict.jobs) == 1:
        return f"{verdict.jobs[0]}{inside}"
    return f"{count(len(verdict.jobs), 'job')}{inside}, with the same cause"


def _some(names: Sequence[str], number: int, most: int) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, … ({number:,})" if number > len(names[:most]) else shown


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {label if number == 0 else '':<7} {line}"
