"""Whether a test notices one change: the tests near to it are run on the changed copy, until the first that fails.

A test that fails only now and then, or without the change as well, does not count: it is run again with the change
and without it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from mutants.changes import Change
from mutants.enclosure import Enclosure
from mutants.line_map import LineMap
from mutants.near_tests import near_tests
from mutants.tree_copy import TreeCopy

_FIRST_S = 10.0
"""About how long the tests take that are run first: most changes are noticed by them, and collecting many takes time."""
_PATIENCE = 6
_START_S = 60.0
"""A machine may be busy with something else: so many times the usual time, and so much more, is "does not end"."""
_OPTIONS = (
    "-x",
    "-q",
    "--tb=no",
    "-p",
    "no:cacheprovider",
    "--hypothesis-seed=0",
    "-m",
    "not integration and not faults",
)
_NO_TESTS = (4, 5)
"""Exit codes of pytest: the names are wrong, or nothing was collected."""


class Result(Enum):
    """What the tests said."""

    NOTICED = "noticed"
    ENDLESS = "does not end"
    MISSED = "MISSED"


class Trial(NamedTuple):
    """What became of one change."""

    result: Result
    detail: str
    """The test that noticed it, or how many were run."""


def try_change(change: Change, copy: TreeCopy, enclosure: Enclosure, line_map: LineMap) -> Trial:
    """Change the copy, run the tests, take the change back."""
    tests = near_tests(change, line_map, copy.root)
    before = copy.text(change.file)
    after = change.applied_to(before)
    try:
        for some in _stages(tests, line_map):
            while some:
                copy.write(change.file, after)
                trial = _run(some, enclosure, line_map)
                if trial is None:
                    break
                test = _failing(some, trial)
                if test is None:
                    return trial
                if _run([test], enclosure, line_map) is not None:
                    copy.write(change.file, before)
                    if _run([test], enclosure, line_map) is None:
                        return trial
                some = [other for other in some if other != test]
        return Trial(Result.MISSED, f"{len(tests)} tests")
    finally:
        copy.write(change.file, before)
        copy.clear_temporary()


def _stages(tests: list[str], line_map: LineMap) -> list[list[str]]:
    takes_s, first = 0.0, 0
    while first < len(tests) and takes_s <= _FIRST_S:
        takes_s += line_map.durations.get(tests[first], 0.0)
        first += 1
    return [part for part in (tests[:first], tests[first:]) if part]


def _run(tests: list[str], enclosure: Enclosure, line_map: LineMap) -> Trial | None:
    """None: all have passed."""
    wait_s = _START_S + _PATIENCE * sum(line_map.durations.get(test, 0.0) for test in tests)
    ended = enclosure.pytest([*_OPTIONS, *tests], wait_s)
    if ended.code is None:
        return Trial(Result.ENDLESS, tests[0])
    if ended.code == 0:
        return None
    if again := _by_function(tests, ended.output):
        return _run(again, enclosure, line_map)
    failed = re.search(r"^(?:FAILED|ERROR) (.*)", ended.output, re.MULTILINE)
    if ended.code in _NO_TESTS and not failed:
        raise LookupError(ended.output[-2000:])
    return Trial(Result.NOTICED, failed.group(1) if failed else ended.output[-200:].strip())


def _failing(tests: list[str], trial: Trial) -> str | None:
    """The test that has failed; None if none of them could be run, or the last one never ended."""
    if trial.result is Result.ENDLESS:
        return None
    return next(
        (test for test in sorted(tests, key=len, reverse=True) if trial.detail.startswith(test)), None
    )


def _by_function(tests: list[str], output: str) -> list[str]:
    """The tests again, functions of which not all parameters were found, since they have changed, as a whole; or none."""
    missing = set(re.findall(r"^ERROR: not found: .*?/(tests/[^[\n]+)", output, re.MULTILINE))
    again = [name if (name := test.partition("[")[0]) in missing else test for test in tests]
    return list(dict.fromkeys(again)) if again != tests else []
