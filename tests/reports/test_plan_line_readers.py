"""Structs that read part of a plan line have the names, types and defaults of `plan/model.py`."""

from __future__ import annotations

from enum import Enum
from inspect import isclass
from typing import Any, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import FieldInfo, fields

from markab.plan import plan_file
from markab.plan.model import Input, Output, Place, PlannedJob, PlannedTask, Transfer
from markab.provenance import plan_facts
from markab.reports import trace
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
    (time_use._Job, (PlannedJob,)),
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
