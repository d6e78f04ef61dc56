from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab import operations
from markab.engine.slots import Slots


def test_a_dry_run_has_the_summary_of_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    options = Bench(tmp_path).options(task("a", tool="true"))

    dry = operations.dry_run(options)
    planned = operations.plan(options)

    assert dry.submit_dir is None and planned.submit_dir is not None
    assert dry.summary == planned.summary


@pytest.mark.parametrize(("then", "kinds"), [("nothing", 3), ("start", 2), ("run", 1)])
def test_what_the_machine_lacks_is_a_warning_unless_the_engine_says_it_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: operations.Then, kinds: int
) -> None:
    monkeypatch.setattr("markab.engine.slots.detect", lambda: Slots(2, 4096, 0))
    pegasus = {"cores": "3", "gpus": "1", "diskspace": "1000000 GB"}
    options = Bench(tmp_path).options(*(task(name, profiles={"pegasus": pegasus}) for name in "ab"))

    warnings = [warning.message for warning in operations.plan(options, then=then).warnings]
    assert len(warnings) == kinds
    assert (
        "2 jobs need more than there is, up to " in warnings[-1]
        and "the disk may become full" in warnings[-1]
    )
    assert (then != "nothing") or [lack.message for lack in operations.dry_run(options).warnings] == warnings
