"""The steps of a CWL workflow: the values of their inputs, and the runs of a scattered one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from markab.importing.cwl_command import short_name
from markab.importing.cwl_places import CwlPlace, Inconvertible
from markab.importing.cwl_references import Scope, is_expression
from markab.importing.cwl_values import UNKNOWN, is_unknown


class SourceValues(dict[str, Any]):
    """The values of a workflow's inputs and of its steps' outputs, by their names below it: `input`, `step/output`."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__()
        self._prefix = workflow_id.rpartition("#")[2] + "/" if "#" in workflow_id else ""

    def name_of(self, source: str) -> str:
        """Return the name of a source, which `cwl_utils` makes a URI."""
        return source.rpartition("#")[2].removeprefix(self._prefix)

    def of(self, source: str) -> Any:
        """Return the value of a source."""
        return self.get(self.name_of(source))


def linked(given: Any, values: SourceValues, place: CwlPlace) -> Any:
    """Return the value of a `source`, one or several, in a step or in an output of the workflow."""
    if getattr(given, "pickValue", None):
        raise place.error("pickValue has no counterpart", "connect the source that is meant")
    sources = getattr(given, "source", None) or getattr(given, "outputSource", None)
    if not isinstance(sources, list):
        return values.of(sources) if sources else None
    found = [values.of(source) for source in sources]
    if any(is_unknown(each) for each in found):
        return UNKNOWN
    merge = given.linkMerge or ("merge_nested" if len(found) > 1 else None)
    if merge == "merge_flattened":
        return [each for one in found for each in (one if isinstance(one, list) else [one])]
    return found if merge else found[0]


def step_runs(
    step: Any, values: SourceValues, place: CwlPlace, problems: list[Inconvertible]
) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Yield the inputs of each run of a step, with its position among the scattered ones; () for the only run."""
    given: dict[str, Any] = {}
    for entry in step.in_:
        name = short_name(entry.id)
        where = place.at("in", name)
        try:
            given[name] = linked(entry, values, where)
            if given[name] is None:
                given[name] = entry.default
        except Inconvertible as error:
            problems.append(error)
            given[name] = UNKNOWN
    for position, inputs in _scattered(step, given, place, problems):
        yield position, _computed(step, inputs, place, problems)


def nested(runs: list[tuple[tuple[int, ...], Any]], method: str | None) -> Any:
    """Return the outputs of scattered runs as the list that the following steps see."""
    if method != "nested_crossproduct":
        return [value for _, value in runs]
    if runs and len(runs[0][0]) == 1:
        return [value for _, value in runs]
    firsts = sorted({position[0] for position, _ in runs})
    return [nested([(p[1:], v) for p, v in runs if p[0] == first], method) for first in firsts]


def _scattered(
    step: Any, given: dict[str, Any], place: CwlPlace, problems: list[Inconvertible]
) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    if not step.scatter:
        yield (), given
        return
    names = [
        short_name(name) for name in (step.scatter if isinstance(step.scatter, list) else [step.scatter])
    ]
    where = place.at("scatter")
    if any(given.get(name) is UNKNOWN for name in names):
        yield (), {**given, **dict.fromkeys(names, UNKNOWN)}  # so that what else is wrong is found
        return
    if wrong := [name for name in names if not isinstance(given.get(name), list)]:
        problems.append(where.error(f"{wrong[0]!r} is scattered and not a list", "connect a list"))
        return
    lists = [given[name] for name in names]
    if len(names) > 1 and step.scatterMethod not in ("flat_crossproduct", "nested_crossproduct"):
        if len({len(each) for each in lists}) > 1:
            problems.append(
                where.error("the lists of a dotproduct have different lengths", "make them equal")
            )
            return
        rows: list[tuple[tuple[int, ...], tuple[Any, ...]]] = [
            ((i,), row) for i, row in enumerate(zip(*lists, strict=True))
        ]
    else:
        positions = product(*(range(len(each)) for each in lists))
        rows = list(zip(positions, product(*lists), strict=True))
    for position, row in rows:
        yield position, {**given, **dict(zip(names, row, strict=True))}


def _computed(
    step: Any, given: dict[str, Any], place: CwlPlace, problems: list[Inconvertible]
) -> dict[str, Any]:
    """Return the inputs after each `valueFrom`, which sees the inputs before any."""
    inputs = dict(given)
    for entry in step.in_:
        if entry.valueFrom is None:
            continue
        name = short_name(entry.id)
        where = place.at("in", name, "valueFrom")
        if is_unknown(given[name]) and is_expression(entry.valueFrom):
            continue
        try:
            inputs[name] = Scope(given, {}, given[name]).value(entry.valueFrom, where)
        except Inconvertible as error:
            problems.append(error)
            inputs[name] = UNKNOWN
    return inputs
