"""Whatever is edited or lost, a request is only answered when a plan would leave out every task and move nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from kit.content_runs import Lab, Step
from markab import operations
from markab.planner.request_check import find_answer

EDITS = ("line", "comment", "argument", "tag", "input", "rename", "is_result", "touch", "nothing", "undo")
LOSSES = ("result", "altered", "replaced", "truncated", "link", "store", "run", "index", "newcomer")


@st.composite
def workflows(draw: st.DrawFn) -> list[Step]:
    """Draw tasks that read the inputs and what earlier tasks make; some outputs are no results."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 4))):
        there = ["in0", "in1", *(step.makes for step in steps)]
        reads = draw(st.lists(st.sampled_from(there), min_size=1, max_size=3, unique=True))
        step = Step(f"t{number}", reads, f"f{number}", line=f"t{number}")
        step.drops_inputs = draw(st.booleans())
        step.is_result = draw(st.booleans())
        steps.append(step)
    steps[-1].is_result = True
    return steps


def copied(steps: list[Step]) -> list[Step]:
    return [Step(**{**vars(step), "reads": list(step.reads)}) for step in steps]


class Edits:
    """Edits of a laboratory; an undone one may bring back what was answered before."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.history = [self._state()]

    def _state(self) -> tuple[list[Step], dict[str, str]]:
        return [Step(**{**vars(one), "reads": list(one.reads)}) for one in self.lab.steps], dict(
            self.lab.inputs
        )

    def make(self, kind: str, which: int) -> None:
        lab, mark = self.lab, str(len(self.history))
        step = lab.steps[which % len(lab.steps)]
        if kind in ("line", "comment", "argument", "tag"):
            setattr(step, kind, mark)
        elif kind == "input":
            lab.inputs[f"in{which % 2}"] = f"{mark}\n"
        elif kind == "rename":
            old, step.makes = step.makes, f"{step.name}-{mark}"
            for reader in lab.steps:
                reader.reads = [step.makes if lfn == old else lfn for lfn in reader.reads]
        elif kind == "is_result":
            step.is_result = not step.is_result or step is lab.steps[-1]
        elif kind == "undo":
            steps, inputs = self.history[which % len(self.history)]
            lab.steps, lab.inputs = copied(steps), dict(inputs)
        elif kind == "touch":
            for path in lab.path.rglob("*"):
                if path.is_file() and path.name != "index.db":
                    os.utime(path)
        else:
            self._lose(kind, which)
        self.history.append(self._state())

    def _lose(self, kind: str, which: int) -> None:
        lab = self.lab
        results = sorted(path for path in lab.results.glob("*") if path.is_file() and not path.is_symlink())
        runs = sorted(lab.path.glob("*/pegasus/lab/run*"))
        if kind == "store":
            shutil.rmtree(lab.store, ignore_errors=True)
        elif kind == "index":
            (lab.path / "index.db").unlink(missing_ok=True)
        elif kind == "newcomer":
            (lab.path / "sites.yml").write_text("pegasus: 5.0.4\nsites: []\n")
        elif kind == "run" and runs:
            shutil.rmtree(runs[-1 - which % len(runs)])
        elif kind in ("result", "altered", "replaced", "truncated", "link") and results:
            change_result(kind, results[which % len(results)])


def change_result(kind: str, path: Path) -> None:
    text, status = path.read_text(), path.stat()
    if kind == "altered":
        path.write_text(text.swapcase())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif kind == "truncated":
        os.truncate(path, 1)
    else:
        path.unlink()
    if kind == "replaced":
        path.write_text(text)
    elif kind == "link":
        path.symlink_to("/etc/hostname")


def check(steps: list[Step], edits: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory(prefix="markab-lab-") as directory:
        lab = Lab(Path(directory), steps, {"in0": "first\n", "in1": "second\n"})
        lab.run()
        made = Edits(lab)
        assert_right(lab, must_answer=True)
        for kind, which, runs in edits:
            made.make(kind, which)
            lab.write()
            assert_right(lab, must_answer=False)
            if runs:
                lab.run()
                assert_right(lab, must_answer=True)


def assert_right(lab: Lab, *, must_answer: bool) -> None:
    answer = find_answer(lab.plan_options())
    if answer is not None:
        planned = operations.dry_run(lab.plan_options()).summary
        assert (0, 0, len(lab.steps)) == (planned.tasks, planned.transfers, planned.reused)
        assert lab.expected_results() == lab.delivered()
        assert len(lab.steps) == answer.tasks
    assert answer is not None or not must_answer


_DRAWN = (Phase.explicit, Phase.generate)
"""Shrinking would take minutes: each example is several runs."""
_CHANGES = st.lists(
    st.tuples(st.sampled_from(EDITS + LOSSES), st.integers(0, 9), st.booleans()), min_size=1, max_size=5
)
_CHAIN = [Step("t0", ["in0"], "f0", line="t0", is_result=False), Step("t1", ["f0", "in1"], "f1", line="t1")]


@example(_CHAIN, [("replaced", 0, False), ("line", 0, True), ("undo", 0, True), ("newcomer", 0, False)])
@settings(max_examples=1, deadline=None, phases=_DRAWN)
@given(workflows(), _CHANGES)
def test_an_answer_means_that_a_plan_would_be_empty(
    steps: list[Step], edits: list[tuple[str, int, bool]]
) -> None:
    check(copied(steps), edits)


@pytest.mark.integration
@settings(max_examples=60, deadline=None, phases=_DRAWN)
@given(workflows(), _CHANGES)
def test_an_answer_always_means_that_a_plan_would_be_empty(
    steps: list[Step], edits: list[tuple[str, int, bool]]
) -> None:
    check(steps, edits)
