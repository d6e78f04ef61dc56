"""The text of a notice about an event of a run, from the variables that a hook is given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markab.formatting import printable_line, tail
from markab.hooks.hook_events import END, ERROR, START, SUCCESS

LINES_SHOWN = 20
"""Of the output of a task that failed."""
_HAPPENED = {START: "started", SUCCESS: "succeeded", ERROR: "failed", END: "ended"}


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened: as a line, as a text, and as data."""

    subject: str
    text: str
    data: Mapping[str, str]


def make_notice(variables: Mapping[str, str], stderr: str = "") -> Notice:
    """Return the notice about the event of a hook with these variables.

    Without `PEGASUS_EVENT`, it is called by hand: then the notice is a test.
    """
    event = variables.get("PEGASUS_EVENT", "")
    data = {
        "event": event or "test",
        "time": variables.get("PEGASUS_EVENT_TIMESTAMP_ISO", ""),
        "workflow": variables.get("PEGASUS_WFID", ""),
        "job": variables.get("PEGASUS_JOBID", ""),
        "task": variables.get("MARKAB_TASK", ""),
        "attempt": variables.get("MARKAB_ATTEMPT", ""),
        "status": variables.get("PEGASUS_STATUS", ""),
        "outcome": variables.get("MARKAB_OUTCOME", ""),
        "error": variables.get("MARKAB_ERROR", ""),
        "submit_dir": variables.get("PEGASUS_SUBMIT_DIR", ""),
    }
    subject = printable_line(_subject(event, data))
    given = [f"{name}: {printable_line(value)}" for name, value in data.items() if value]
    output = tail(stderr, LINES_SHOWN) if event == ERROR else ""
    parts = [subject, "\n".join(given), f"the end of its stderr:\n{output}" if output.strip() else ""]
    return Notice(
        subject, "\n\n".join(filter(None, parts)) + "\n", {key: value for key, value in data.items() if value}
    )


def _subject(event: str, data: Mapping[str, str]) -> str:
    if not event:
        return "a notice of Markab, to test that it arrives"
    happened = _HAPPENED.get(event, event)
    if not data["attempt"]:
        return f"workflow {data['workflow']} {happened}"
    again = f" (attempt {data['attempt']})" if data["attempt"] != "1" else ""
    return f"job {data['job']} of {data['workflow']} {happened}{again}"
