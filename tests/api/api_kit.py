"""What the tests of the API share: documents as plain data and as structs."""

import io
from typing import Any

import yaml

from markab.api.writable import Writable
from markab.spec import model, reader


def document(thing: Writable) -> dict[str, Any]:
    """Return what `thing` writes, without the block that says when and by whom."""
    stream = io.StringIO()
    thing.write(stream)
    data: dict[str, Any] = yaml.safe_load(stream.getvalue())
    data.pop("x-pegasus")
    return data


def struct(thing: Writable) -> Any:
    """Return what our own reader makes of what `thing` writes."""
    stream = io.StringIO()
    thing.write(stream)
    kinds = {
        "Workflow": reader.parse_workflow,
        "SiteCatalog": reader.parse_sites,
        "ReplicaCatalog": reader.parse_replicas,
        "TransformationCatalog": reader.parse_transformations,
    }
    return kinds[type(thing).__name__](stream.getvalue(), environment={})


def edges(thing: Writable) -> dict[str, list[str]]:
    """Return parent → children of the workflow that `thing` writes."""
    workflow: model.Workflow = struct(thing)
    return {dependency.id: dependency.children for dependency in workflow.job_dependencies}
