"""Inside the tests: records which lines each test executes, in the process of the tests and in those they start.

A plugin of pytest (`-p mutants.line_tracing`). A process that a test starts, with whatever environment and flags,
calls `trace_child` as soon as it imports markab; the copy of the tree is extended for that by `line_map`. The name
of the test stands in a file, since an environment may be clean.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "traced"
_NAME = FOLDER / "current-test"
_DURATIONS = FOLDER / "durations.jsonl"


def _coverage(context: str | None) -> Any:
    import coverage

    return coverage.Coverage(
        data_file=str(FOLDER / "lines"),
        data_suffix=True,
        include=["*/markab/*", "*/Pegasus/*"],
        context=context,
        config_file=False,
        messages=False,
    )


def trace_child() -> None:
    """Trace this process from here to its end, in the name of the test that is running."""
    if hasattr(sys, "markab_traced"):
        return
    sys.markab_traced = True  # type: ignore[attr-defined]
    tracing = _coverage(_NAME.read_text())
    tracing._warn = lambda *args, **kwargs: None
    tracing.start()
    at_once = os._exit

    def save_and_exit(code: int) -> None:
        tracing.stop()
        tracing.save()
        at_once(code)

    os._exit = save_and_exit  # type: ignore[assignment]
    import atexit

    atexit.register(tracing.save)
    atexit.register(tracing.stop)


class _Plugin:
    def __init__(self) -> None:
        self._tracing = _coverage(None)
        self._tracing.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        _NAME.write_text(nodeid)
        self._tracing.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        with _DURATIONS.open("a") as file:
            file.write(json.dumps([report.nodeid, report.duration, report.outcome]) + "\n")

    def pytest_unconfigure(self) -> None:
        self._tracing.stop()
        self._tracing.save()


def pytest_configure(config: Any) -> None:
    FOLDER.mkdir(exist_ok=True)
    sys.markab_traced = True  # type: ignore[attr-defined]
    _NAME.write_text("")
    config.pluginmanager.register(_Plugin(), "mutants-lines")
