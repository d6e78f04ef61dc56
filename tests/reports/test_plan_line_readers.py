"""Structs that read part of a plan line have the names, types and defaults of `plan/model.py`."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from inspect import isclass
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import FieldInfo, fields

from kit.diamond import compute
from kit.made_run import make_run
from kit.plan_text import replace_in_plan
from markab.errors import CorruptPlan
from markab.plan import plan_file
from markab.plan.model import Input, Output, Place, PlannedJob, PlannedTask, Transfer
from markab.plan.plan_file import PlanFile
from markab.provenance import plan_facts, plan_rows
from markab.reports import trace_reader as trace
from markab.reports.graph import sources
from markab.reports.statistics import time_use

READERS: list[tuple[type[msgspec.Struct], tuple[type[msgspec.Struct], ...]]] = [
    (plan_facts.JobFacts, (PlannedJob,)),
    (plan_facts.TaskFacts, (PlannedTask,)),
    (plan_facts.UseFacts, (Input, Output)),
    (plan_facts.TransferFacts, (Transfer,)),
    (plan_facts.PlaceFacts, (Place,)),
    (plan_file.JobOutline, (PlannedJob,)),
    (plan_file.JobLabels, (PlannedJob,)),
    (plan_file.TaskLabel, (PlannedTask,)),
    (sources.JobSketch, (PlannedJob,)),
    (sources.TaskSketch, (PlannedTask,)),
    (time_use.TimedJob, (PlannedJob,)),
    (trace._Line, (PlannedJob,)),
    (trace._Lfn, (Output,)),
    (trace._PlannedMove, (Transfer,)),
    (trace._Place, (Place,)),
]


def json_type(kind: Any) -> Any:
    """Return a type as JSON has it: all structs are objects, an enumeration of texts is text."""
    if arguments := get_args(kind):
        return get_origin(kind), tuple(map(json_type, arguments))
    if isclass(kind) and issubclass(kind, msgspec.Struct):
        return "object"
    return str if isclass(kind) and issubclass(kind, Enum) else kind


def default(field: FieldInfo) -> Any:
    return field.default, field.default_factory


@pytest.mark.parametrize(("reader", "models"), READERS, ids=lambda one: getattr(one, "__qualname__", ""))
def test_each_field_that_is_read_is_one_of_the_plan(
    reader: type[msgspec.Struct], models: tuple[type[msgspec.Struct], ...]
) -> None:
    declared = {field.name: field for model in models for field in fields(model)}
    for field in fields(reader):
        assert json_type(declared[field.name].type) == json_type(field.type), field.name
        if not declared[field.name].required:
            assert default(declared[field.name]) == default(field), field.name


SECOND_LINE: list[Callable[[PlanFile], object]] = [
    lambda plan: plan.job(0),
    lambda plan: plan.outline,
    lambda plan: plan_rows.facts_of(plan, 0),
    time_use._read_jobs,
]


@pytest.mark.parametrize("read", SECOND_LINE)
def test_a_line_of_another_form_is_named_by_its_number(
    tmp_path: Path, read: Callable[[PlanFile], object]
) -> None:
    plan = make_run(tmp_path, [compute("A"), compute("B")]) / "plan.jsonl"
    replace_in_plan(plan, '"id":"wc_A"', '"id":7')

    with pytest.raises(CorruptPlan, match=r"plan.jsonl', line 2: Expected `str`, got `int`") as caught:
        read(PlanFile(plan))

    assert "plan the workflow again" in caught.value.hint


@pytest.mark.parametrize("read", SECOND_LINE)
def test_a_line_that_was_changed_is_named_by_its_number(
    tmp_path: Path, read: Callable[[PlanFile], object]
) -> None:
    plan = make_run(tmp_path, [compute("A"), compute("B")]) / "plan.jsonl"
    plan.write_text(plan.read_text().replace('"id":"A"', '"id":"C"'))

    with pytest.raises(CorruptPlan, match="plan.jsonl', line 2: it was changed since it was planned"):
        read(PlanFile(plan))
