"""Which hooks of a run failed, as one warning: they change nothing in the run, so no other report says so."""

from __future__ import annotations

import shlex
from pathlib import Path

from markab.formatting import clipped, count, printable_line
from markab.hooks.hook_log import HookResult, read_hook_results
from markab.plan.model import Header

CHARACTERS = 200


def hook_warnings(header: Header, submit_dir: Path) -> tuple[str, ...]:
    """Return a warning about the hooks of a run that failed; nothing if none did."""
    if header.hooks is None:
        return ()
    failed = [result for result in read_hook_results(submit_dir) if result.status]
    if not failed:
        return ()
    more = f"; {count(len(failed) - 1, 'more hook')} failed" if len(failed) > 1 else ""
    return (f"{_described(failed[0])}{more}",)


def _described(result: HookResult) -> str:
    of = "the workflow" if result.name == "workflow" else f"job {result.name}"
    how = result.why or (
        f"was ended by signal {-result.status}"
        if result.status is not None and result.status < 0
        else f"ended with exit code {result.status}"
    )
    last = result.output.strip().rpartition("\n")[2]
    said = f" ({last})" if last else ""
    command = clipped(shlex.join(result.words), CHARACTERS)
    return printable_line(f"hook `{command}` of {of}, for {result.event}: {how}{clipped(said, CHARACTERS)}")
