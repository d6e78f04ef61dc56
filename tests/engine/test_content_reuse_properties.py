"""Whatever is edited between two runs of a random workflow, exactly what it affects runs, and the results are right."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kit.content_runs import Lab, Step

EDITS = ("line", "comment", "argument", "tag", "input", "rename", "undo", "touch", "nothing")
LOSSES = ("result", "altered", "truncated", "link", "store", "kept", "index")


@contextmanager
def laboratory(steps: list[Step]) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="markab-lab-") as path:
        yield Lab(Path(path), steps, {"in0": "first\n", "in1": "second\n"})


@st.composite
def workflows(draw: st.DrawFn) -> list[Step]:
    """Draw tasks that read the inputs and what earlier tasks make; some outputs are no results."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 5))):
        there = ["in0", "in1", *(step.makes for step in steps)]
        reads = draw(st.lists(st.sampled_from(there), min_size=1, max_size=3, unique=True))
        step = Step(f"t{number}", reads, f"f{number}", line=f"t{number}")
        step.drops_inputs = draw(st.booleans())
        step.is_result = draw(st.booleans())
        steps.append(step)
    steps[-1].is_result = True
    return steps


def edit(lab: Lab, kind: str, which: int, history: list[tuple[list[Step], dict[str, str]]]) -> None:
    step = lab.steps[which % len(lab.steps)]
    mark = str(len(history))
    if kind in ("line", "comment", "argument", "tag"):
        setattr(step, kind, mark)
    elif kind == "input":
        lab.inputs[f"in{which % 2}"] = f"{mark}\n"
    elif kind == "rename":
        old, step.makes = step.makes, f"{step.name}-{mark}"
        for reader in lab.steps:
            reader.reads = [step.makes if lfn == old else lfn for lfn in reader.reads]
    elif kind == "undo":
        steps, inputs = history[which % len(history)]
        lab.steps, lab.inputs = [copy_of(one) for one in steps], dict(inputs)
    elif kind == "touch":
        for path in lab.path.rglob("*"):
            if path.is_file() and path.name != "index.db":
                os.utime(path)


def copy_of(step: Step) -> Step:
    return Step(**{**vars(step), "reads": list(step.reads)})


def unknown(lab: Lab, known: set[tuple[object, ...]]) -> list[str]:
    """Return the tasks whose ingredients no earlier run had, and add these."""
    contents, found = lab.contents(), []
    for step in lab.steps:
        ingredients = step.ingredients(contents)
        if ingredients not in known:
            known.add(ingredients)
            found.append(step.name)
    return sorted(found)


def check_edits(steps: list[Step], edits: list[tuple[str, int]]) -> None:
    known: set[tuple[object, ...]] = set()
    with laboratory(steps) as lab:
        history: list[tuple[list[Step], dict[str, str]]] = []
        for kind, which in [("nothing", 0), *edits]:
            edit(lab, kind, which, history or [(lab.steps, lab.inputs)])
            history.append(([copy_of(step) for step in lab.steps], dict(lab.inputs)))
            expected = unknown(lab, known)

            found = lab.run()

            assert ("success", expected) == (found.state, found.executed)
            assert lab.expected_results() == lab.delivered()


def lose(lab: Lab, kind: str, which: int) -> None:
    results = sorted(lab.expected_results())
    path = lab.results / results[which % len(results)]
    is_whole = path.is_file() and not path.is_symlink()
    if kind == "store":
        shutil.rmtree(lab.store, ignore_errors=True)
    elif kind == "index":
        with open(lab.path / "index.db", "r+b") as file:
            file.seek(2000)
            file.write(b"\xff" * 4000)
    elif kind == "kept":
        kept = sorted(lab.store.glob("*/*"))
        for one in kept[which % 2 :: 2]:
            text = one.read_text()
            one.unlink()
            one.write_text(text.swapcase())
    elif kind == "altered" and is_whole:
        path.write_text(path.read_text().swapcase())
    elif kind == "truncated" and is_whole:
        os.truncate(path, 1)
    elif is_whole:
        path.unlink()
        if kind == "link":
            path.symlink_to("/etc/hostname")


def check_losses(steps: list[Step], losses: list[tuple[str, int]]) -> None:
    """Lose what earlier runs left: results are right all the same, and nothing runs that nothing lacks."""
    with laboratory(steps) as lab:
        lab.run()
        for kind, which in losses:
            lose(lab, kind, which)

        found = lab.run()

        assert ("success", lab.expected_results()) == (found.state, lab.delivered())
        if not {"store", "kept", "index"} & {kind for kind, _ in losses}:
            assert [] == found.executed
        if "index" in {kind for kind, _ in losses}:
            (lab.path / "index.db").unlink()  # as the warning says
            lab.run()
        assert [] == lab.run().executed


_DRAWN = (Phase.explicit, Phase.generate)
"""Shrinking would take minutes: each example is several runs."""
_EDITS = st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 9)), min_size=1, max_size=4)
_LOSSES = st.lists(st.tuples(st.sampled_from(LOSSES), st.integers(0, 9)), min_size=1, max_size=3)


@settings(max_examples=4, phases=_DRAWN)
@given(workflows(), _EDITS)
def test_after_edits_exactly_the_affected_cone_runs(steps: list[Step], edits: list[tuple[str, int]]) -> None:
    check_edits(steps, edits)


@settings(max_examples=4, phases=_DRAWN)
@given(workflows(), _LOSSES)
def test_what_is_lost_or_altered_is_made_again(steps: list[Step], losses: list[tuple[str, int]]) -> None:
    check_losses(steps, losses)


@pytest.mark.integration
@settings(max_examples=60, phases=_DRAWN)
@given(workflows(), _EDITS)
def test_after_many_edits_exactly_the_affected_cone_runs(
    steps: list[Step], edits: list[tuple[str, int]]
) -> None:
    check_edits(steps, edits)


@pytest.mark.integration
@settings(max_examples=60, phases=_DRAWN)
@given(workflows(), _LOSSES)
def test_whatever_is_lost_or_altered_is_made_again(steps: list[Step], losses: list[tuple[str, int]]) -> None:
    check_losses(steps, losses)
