"""The text of `analyze`: the failures of a run, short, those that block most jobs first."""

from __future__ import annotations

import json as json_text
from pathlib import Path

from markab.diagnosis.failed_job import FailedJob, examine_failed_job
from markab.diagnosis.failure_analysis import Analysis, Analyzer, CauseGroup
from markab.formatting import clipped, count, duration, tail
from markab.reports.pegasus_analyzer import OUTPUT_LINES, to_json
from markab.reports.status import status_of

GROUPS_SHOWN = 10
NAMES_SHOWN = 5
LINE_CHARACTERS = 300
_WIDTH = 10


def report(submit_dir: str | Path, *, json: bool = False) -> str:
    """Return the failures of a run, as text or as JSON.

    Raises:
        NotARun: no submit directory.
        CorruptJournal, CorruptPlan: it is damaged.
    """
    run = Analyzer(submit_dir)
    try:
        analysis = run.analyze()
        if json:
            return json_text.dumps(to_json(run, analysis), indent=2)
        return failures_text(run, analysis).rstrip("\n")
    finally:
        run.close()


def failures_text(
    run: Analyzer, analysis: Analysis, *, verbose: int = 0, quiet: int = 0, summary: bool = False
) -> str:
    """Return the failures as text.

    `verbose` leaves out no cause, job or line of output; `quiet` prints one line a
    cause; `summary` only the first lines.
    """
    lines = headline(run, analysis)
    if summary:
        return "\n".join(lines) + "\n"
    shown = analysis.groups if verbose else analysis.groups[:GROUPS_SHOWN]
    for number, group in enumerate(shown, 1):
        if quiet:
            lines.append(f"{number}. {_title(run, group)}")
        else:
            lines += ["", *_group_lines(run, group, number, len(shown), verbose)]
    if hidden := len(analysis.groups) - len(shown):
        jobs = sum(len(group.jobs) for group in analysis.groups[len(shown) :])
        lines += [
            "",
            f"… and {count(hidden, 'more kind', 'more kinds')} of failure, {count(jobs, 'job')}: see -v",
        ]
    if analysis.groups and not quiet:
        place = _shown(run.place.path)
        lines += [
            "",
            f"all about one job:     markab why {place} JOB",
            f"run it again by hand:  markab analyze {place} --debug-job JOB",
        ]
        if analysis.state != "Running":
            lines.append(f"after the correction:  markab run {place}    (what succeeded is kept)")
    return "\n".join(lines) + "\n"


def headline(run: Analyzer, analysis: Analysis) -> list[str]:
    """Return the state of the run in a few lines."""
    status, left = status_of(run), analysis.left
    parts = [f"{left['succeeded']:,} of {count(status.total, 'job')} succeeded"]
    if left["failed"]:
        special = [
            f"{number:,} {word}"
            for number, word in ((analysis.timed_out, "by time-out"), (analysis.held, "held"))
            if number
        ]
        parts.append(f"{left['failed']:,} failed" + (f" ({', '.join(special)})" if special else ""))
    for word, shown in (
        ("failing", "failed and will be tried again"),
        ("running", "under way"),
        ("cancelled", "cancelled"),
        ("lost", "lost when the engine stopped"),
        ("blocked", "never started because of a failure"),
    ):
        if left[word]:
            parts.append(f"{left[word]:,} {shown}")
    if left["unsubmitted"]:
        parts.append(f"{left['unsubmitted']:,} {'waiting' if status.state == 'Running' else 'not started'}")
    took = ""
    if status.started and status.ended:
        took = f" after {duration(status.ended - status.started)}"
    lines = [f"{status.workflow}: {_state_words(analysis)}{took}", "  " + ", ".join(parts)]
    if status.note:
        lines.append(f"  {status.note}")
    for word in ("lost", "cancelled", "failing"):
        if left[word] and (names := analysis.examples.get(word)):
            more = ", …" if left[word] > len(names) else ""
            lines.append(f"  {word}: {', '.join(names)}{more}")
    return lines


def _state_words(analysis: Analysis) -> str:
    state = analysis.state
    words = {
        "Success": "succeeded",
        "Failure": "failed",
        "Running": "still running",
        "Not started": "not started yet",
        "Removed": "removed by the user",
        "Halted": "stopped before its end",
    }[state]
    if analysis.left["failed"] and state in ("Running", "Halted", "Removed"):
        words += ", with failures"
    return words


def _title(run: Analyzer, group: CauseGroup) -> str:
    if len(group.jobs) == 1:
        name = run.plan.outline[group.jobs[0]].id
    else:
        name = f"{count(len(group.jobs), 'job')} of {group.transformation}, with the same error"
    blocked = f" [holds up {count(group.blocked, 'job')}]" if group.blocked else ""
    return f"{name}: {clipped(group.cause.title, LINE_CHARACTERS)}{blocked}"


def _group_lines(run: Analyzer, group: CauseGroup, number: int, of: int, verbose: int) -> list[str]:
    found = examine_failed_job(run, group.jobs[0])
    numbered = f"{number}. " if of > 1 else ""
    lines = [f"{numbered}{_title(run, group)}"]
    if group.cause.remedy:
        lines.append(f"  {'help':<{_WIDTH}}{group.cause.remedy}")
    if len(group.jobs) > 1:
        names = [run.plan.outline[job].id for job in (group.jobs if verbose else group.jobs[:NAMES_SHOWN])]
        more = len(group.jobs) - len(names)
        listed = ", ".join(names) + (f" and {more:,} more" if more else "")
        lines += [f"  {'jobs':<{_WIDTH}}{listed}", f"  {'such as':<{_WIDTH}}{found.job.id}"]
    lines += failed_job_lines(found, verbose)
    return lines


def failed_job_lines(found: FailedJob, verbose: int = 0) -> list[str]:
    """Return the details of one failed job; the title of its cause is left out."""
    lines: list[tuple[str, str]] = []
    if found.failed_command:
        lines.append(("command", clipped(found.failed_command, LINE_CHARACTERS if not verbose else 10**6)))
    where = f"site {found.job.site}" + (f", host {found.host}" if found.host else "")
    lines.append(("where", where))
    if found.memory:
        lines.append(("memory", found.memory))
    lines += [("tries", line) for line in found.tries]
    title = found.cause.title
    lines += [("input", line.removeprefix(f"{title}: ")) for line in found.inputs if line != title]
    if verbose:  # mostly consequences of the cause, such as outputs that were not written
        others = [line for line in found.cause.also if line not in found.inputs]
        lines += [("also", clipped(line, LINE_CHARACTERS)) for line in others]
    if found.sibling:
        lines.append(("sibling", f"{found.sibling} succeeded" + ("; it differs:" if found.differs else "")))
        lines += [("", f"  {line}") for line in found.differs]
    lines += [(label, path) for label, path in found.files()]
    shown = [f"  {label:<{_WIDTH}}{line}" for label, line in lines]
    most = OUTPUT_LINES if not verbose else 10**6
    for stream, printed in (("stderr", found.stderr), ("stdout", found.stdout)):
        if printed.strip():
            shown.append(f"  {stream}:")
            shown += [f"  | {clipped(line, LINE_CHARACTERS)}" for line in tail(printed, most).split("\n")]
    return shown


def _shown(path: Path) -> str:
    """Return a path as the user would type it: relative when it is below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path != here and path.is_relative_to(here) else str(path)
