"""Documents as data that can be compared, whichever API wrote them."""

from __future__ import annotations

from typing import Any


def normalised(data: dict[str, Any]) -> dict[str, Any]:
    """Return a document without its origin and with sets of the original, whose order is by chance, sorted."""
    data.pop("x-pegasus")
    for job in data.get("jobs", ()):
        job["uses"].sort(key=lambda use: (use["lfn"], use["type"]))
    if "jobDependencies" in data:
        edges = [[entry["id"], child] for entry in data["jobDependencies"] for child in entry["children"]]
        data["jobDependencies"] = sorted(edges)
    for catalog in (data, data.get("transformationCatalog", {})):
        for tool in catalog.get("transformations", ()):
            tool.get("requires", []).sort()
    for catalog in (data, data.get("replicaCatalog", {})):
        for replica in catalog.get("replicas", ()):
            replica["pfns"].sort(key=lambda pfn: (pfn["site"], pfn["pfn"]))
    without_empty: dict[str, Any] = _full(data)
    return without_empty


def _full(data: Any) -> Any:
    """Return data without empty mappings: the original writes namespaces of profiles that have none."""
    if isinstance(data, dict):
        return {key: _full(value) for key, value in data.items() if _full(value) != {}}
    return [_full(item) for item in data] if isinstance(data, list) else data
