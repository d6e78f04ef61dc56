"""The explanation of a run that Pegasus made: from its database or its files. Nothing is written into its directory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from markab.diagnosis.pegasus_failures import PegasusAttempt, PegasusFailureReader
from markab.formatting import clipped, printable_line, shown_path
from markab.insight.next_steps import step_of_remedy
from markab.insight.verdict import Evidence, Explanation, FailureVerdict, NextStep
from markab.provenance.pegasus_directory import open_pegasus_directory

_CHARACTERS = 300


def explain_pegasus_run(submit_dir: Path) -> Explanation:
    """Return why a run of Pegasus failed.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: neither its files nor its database can be read.
    """
    with closing(PegasusFailureReader(open_pegasus_directory(submit_dir))) as run:
        analysis = run.analyze()
        place = shown_path(run.directory.path)
        goes_on = f"pegasus-run {place}"
        verdicts = []
        for group in analysis.groups:
            cause, one = group.cause, run.attempt(group.jobs[0])
            remedy = step_of_remedy(cause.remedy) if cause.remedy else None
            last = NextStep("continue: Markab does not continue runs of Pegasus", goes_on, mutating=True)
            verdicts.append(
                FailureVerdict(
                    cause.rule,
                    cause.certainty,
                    [run.failed[position].job for position in group.jobs],
                    f"{one.kind} {group.transformation} at {one.site or 'an unknown site'}"
                    + (f" on {one.host}" if one.host else ""),
                    cause.title,
                    [_evidence(one, cause.line or cause.title, cause.stream, cause.number)],
                    [
                        *([remedy] if remedy else []),
                        NextStep("read all of it", f"markab analyze {place} -v"),
                        last,
                    ],
                    blocked=group.blocked,
                    workflow=run.failed[group.jobs[0]].workflow,
                )
            )
        return Explanation(
            run=place,
            workflow=run.directory.name,
            state=analysis.state,
            verdicts=verdicts,
            failed=analysis.left["failed"],
            notes=analysis.notes,
            goes_on=goes_on if analysis.has_failure else "",
        )


def _evidence(one: PegasusAttempt, text: str, stream: str, number: int) -> Evidence:
    file = {"stderr": one.stderr_file, "stdout": one.stdout_file}.get(stream, "") or one.submit_file
    source = shown_path(Path(one.submit_dir) / file) if file else shown_path(Path(one.submit_dir))
    within = f"line {number} of {stream}" if stream and number else ""
    return Evidence(source, 0, printable_line(clipped(text, _CHARACTERS)), within)
