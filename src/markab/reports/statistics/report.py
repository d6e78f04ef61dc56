"""`Workflow.statistics`: the summary of a run as text or JSON, and its files."""

from __future__ import annotations

import json as json_text
import os
from pathlib import Path

from markab.errors import MarkabError
from markab.reports.statistics.pegasus import write_pegasus_files
from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS, SHORT_SECTIONS, read_statistics
from markab.reports.statistics.text import summary_text


def report(submit_dir: str | os.PathLike[str], *, json: bool = False) -> str:
    """Return the statistics as text, or as JSON; files of all short sections go into `statistics/` of the run."""
    found = read_statistics(submit_dir, (*SHORT_SECTIONS, *PEGASUS_SECTIONS.values()))
    try:
        write_pegasus_files(found, SHORT_SECTIONS, Path(found.submit_dir) / "statistics")
    except MarkabError as error:
        found.notes.append(f"the files of these statistics were not written: {error}")
    if json:
        return json_text.dumps(found.to_json(), indent=2)
    return summary_text(found)
