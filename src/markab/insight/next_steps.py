"""What to do about a failure: at most three steps, from the remedy of its cause and from what was found on the disk. Deletes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markab.diagnosis.causes import Cause
from markab.insight.verdict import NextStep

MOST = 3

_NEEDS_PLAN = frozenset(
    (
        "F01",
        "F02",
        "F03",
        "F04",
        "F05",
        "F06",
        "F07",
        "F09",
        "F10",
        "F11",
        "F14",
        "F31",
        "F38",
        "F42",
        "F44",
        "F47",
        "F48",
        "F51",
        "F52",
        "F56",
        "F58",
        "F63",
        "F71",
        "F72",
        "F75",
        "F89",
    )
)
"""Rules that are mended in the workflow or a catalog: the plan does not see that."""
_IN_PROGRAM = frozenset(
    ("F48", "F49", "F50", "F54", "F55", "F57", "F64", "F66", "F68", "F69", "F70", "F84", "F86", "F88")
)
"""Rules for which the output of the job, or running it by hand, says more."""

_CONTINUES = re.compile(
    r"[;,]? ?`markab run [^`]*` ?(?:then )?(?:continues[^;]*|makes or fetches the file again)"
)
_TICKED = re.compile(r"`([^`]+)`")
_TYPED = re.compile(r"(?:^|: )((?:chmod|ls|df|curl|ldd|mv|fuser|sed|ssh|file) [^;,]+)")
_READS = ("ls ", "df ", "curl -sI", "ldd ", "fuser ", "file ", "ssh -v", "module avail", "ulimit -")
_MARKAB_READS = ("logs", "why", "show", "status", "explain", "trace", "lint")


def step_of_remedy(remedy: str) -> NextStep | None:
    """Return a remedy as a step, with the command in it; None: it says only that the run is to be continued."""
    text = _CONTINUES.sub("", remedy).strip(" ;,")
    if not text:
        return None
    command = ""
    if (ticked := _TICKED.search(text)) is not None:
        command = ticked[1]
    elif (typed := _TYPED.search(text)) is not None:
        command = typed[1].strip()
    if not is_typable(command):
        command = ""
    return NextStep(text, command, bool(command) and is_mutating(command))


def is_typable(command: str) -> bool:
    """Return whether a command can be typed as it is: it has no word to be replaced, and deletes nothing."""
    has_blank = re.search(r"\b(?:FILE|HOST|JOB|RUN|DIR)\b|[<>…]|\badd_\w+\b|^\S+$", command)
    return bool(command) and has_blank is None and not re.search(r"(?:^|[;&|] *)(?:rm|rmdir) ", command)


def is_mutating(command: str) -> bool:
    """Return whether a command changes something."""
    words = command.split()
    if words[0] == "markab":
        return words[1] not in _MARKAB_READS
    return not command.startswith(_READS)


def next_steps(
    cause: Cause, first: Sequence[NextStep], *, look: str, by_hand: str, plan_again: str, goes_on: str
) -> list[NextStep]:
    """Return what to do, at most three steps.

    Args:
        first: what was found out for this failure; it comes first.
        look: the command that shows the output of the job.
        by_hand: the command that prepares to run it by hand; empty: it has no program.
        plan_again: the command that plans the workflow anew and runs it; empty: not known.
        goes_on: the command that continues the run; empty: an engine does already.
    """
    steps = list(first)
    remedy = step_of_remedy(cause.remedy) if cause.remedy else None
    if remedy is not None and steps and cause.rule == "F52":  # the amount is named already
        remedy = None
    is_look = remedy is not None and remedy.text == remedy.command and not remedy.mutating
    if (
        remedy is not None
        and not (is_look and steps)
        and all(remedy.command != step.command or not step.command for step in steps)
    ):
        steps.append(remedy)
    if cause.rule in _IN_PROGRAM and len(steps) < MOST - 1:
        if by_hand and len(steps) == 1:
            steps.append(NextStep("run it by hand, with its inputs beside it", by_hand, mutating=True))
        else:
            steps.append(NextStep("read all that it printed", look))
    if not steps:
        steps.append(NextStep("read all that it printed", look))
    del steps[MOST - 1 :]
    if cause.rule in _NEEDS_PLAN and plan_again:
        steps.append(NextStep("plan again, and run it", plan_again, mutating=True))
    elif goes_on:
        steps.append(NextStep("continue: what succeeded is kept", goes_on, mutating=True))
    elif not any(step.command for step in steps):
        steps.append(NextStep("read all that it printed", look))
    return steps
