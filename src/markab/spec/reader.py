"""Reading the documents a user writes: workflow, sites, replicas, transformations.

Each function either returns a struct that passed all checks, or raises one
`DocumentError` with everything that is wrong in the document. YAML and JSON are
read, whatever the file is called, and workflows in XML (DAX 3). Documents over
1 MB go through the fast reader when they are of the plain kind it supports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec
import yaml

from markab.errors import DocumentError, Problem
from markab.spec import careful_reader, schema, xml_elements, yaml_nodes
from markab.spec.catalog_checks import check_replicas, check_sites, check_transformations
from markab.spec.document_file import LIMIT_BYTES, read_bytes
from markab.spec.gc_pause import without_garbage_collection
from markab.spec.model import ReplicaCatalog, SiteCatalog, TransformationCatalog, Workflow
from markab.spec.workflow_checks import check_workflow, unknown_line

FAST_BYTES = 1_000_000
"""Documents from this size on go through the fast reader."""
LINES_BYTES = 20_000_000
"""In documents from this size on, `read_with_lines` looks for no lines."""

_VERSION = re.compile(r"([0-9]+)(?:\.[0-9]+){0,2}\Z")
_CONTENT: dict[type, str] = {
    Workflow: "jobs",
    SiteCatalog: "sites",
    ReplicaCatalog: "replicas",
    TransformationCatalog: "transformations",
}

_MAY_BE_FOLLOW_UPS = (
    "unknown-job",
    "no-jobs",
    "unknown-container",
    "unknown-transformation",
    "no-pfn",
    "no-file-server",
)
"""Problems of these kinds can result from leaving out an element that has a problem itself."""

T = TypeVar("T", bound=msgspec.Struct)
Check = Callable[[Any, str, Callable[[object], int]], list[Problem]]


def read_workflow(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] = os.environ,
    *,
    limit_bytes: int = LIMIT_BYTES,
    absolute_lfns: bool = False,
) -> Workflow:
    """Read `workflow.yml`, with the catalogs inside it.

    Raises:
        DocumentError: with everything that is wrong.
        StorageError: the file cannot be read.
    """
    data = read_bytes(path, limit_bytes)
    return parse_workflow(data, os.fspath(path), environment, absolute_lfns=absolute_lfns)


def read_sites(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> SiteCatalog:
    """Read `sites.yml`, or a site catalog in XML. Raises as `read_workflow`."""
    return parse_sites(read_bytes(path), os.fspath(path), environment)


def read_replicas(
    path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ, *, absolute_lfns: bool = False
) -> ReplicaCatalog:
    """Read `replicas.yml`. Raises as `read_workflow`."""
    return parse_replicas(read_bytes(path), os.fspath(path), environment, absolute_lfns=absolute_lfns)


def read_transformations(
    path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ
) -> TransformationCatalog:
    """Read `transformations.yml`. Raises as `read_workflow`."""
    return parse_transformations(read_bytes(path), os.fspath(path), environment)


def read_with_lines(
    path: str | os.PathLike[str],
    struct: type[T],
    environment: Mapping[str, str] = os.environ,
    *,
    limit_bytes: int = LIMIT_BYTES,
) -> tuple[T | None, Callable[[object], int]]:
    """Return what can be read of a document, unchecked, and the function that knows the line of each of its structs.

    None if it does not have the structure of one. What is wrong with it, `read_workflow` and its like tell. In a
    document of many megabytes no line is known (0): finding them takes a minute.

    Raises:
        StorageError: the file cannot be read.
    """
    data, name = read_bytes(path, limit_bytes), os.fspath(path)
    if len(data) >= LINES_BYTES and (found := _read_fast(data, struct, environment)):
        return found[0], unknown_line
    item, _, lines = _structure(data, struct, name, environment)
    return item, lines.of


def workflow_structure(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] = os.environ,
    *,
    limit_bytes: int = LIMIT_BYTES,
) -> tuple[Workflow | None, bool]:
    """Return what can be read of a workflow, unchecked, and whether that is all of it; None as `read_with_lines`.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        data = read_bytes(path, limit_bytes)
    except DocumentError:  # it is too large
        return None, False
    item, problems, _ = _structure(data, Workflow, os.fspath(path), environment)
    return item, not problems


def _structure(
    data: bytes, struct: type[T], name: str, environment: Mapping[str, str]
) -> tuple[T | None, list[Problem], careful_reader.Lines]:
    try:
        with without_garbage_collection():
            if struct is Workflow and xml_elements.is_xml(data):
                from markab.spec.dax3_reader import read_dax

                workflow, problems, lines = read_dax(data, name, environment)
                return cast("T | None", workflow), problems, lines
            return _build(data, struct, name, environment)
    except DocumentError as error:
        return None, list(error.problems), careful_reader.Lines()


def parse_workflow(
    text: str | bytes,
    name: str = "<string>",
    environment: Mapping[str, str] = os.environ,
    *,
    absolute_lfns: bool = False,
) -> Workflow:
    """Return the workflow of a document; `name` is used in errors in place of a file name."""

    def check(item: Workflow, file: str, line_of: Callable[[object], int]) -> list[Problem]:
        return check_workflow(item, file, line_of, absolute_lfns)

    data = _bytes(text)
    if xml_elements.is_xml(data):
        from markab.spec.dax3_reader import read_dax

        with without_garbage_collection():
            return _checked(*read_dax(data, name, environment), name, check)
    return _parse(data, Workflow, name, environment, check)


def parse_sites(
    text: str | bytes, name: str = "<string>", environment: Mapping[str, str] = os.environ
) -> SiteCatalog:
    """Return the site catalog of a document, in YAML or XML."""
    data = _bytes(text)
    if xml_elements.is_xml(data):
        from markab.spec.site_xml_reader import read_site_xml

        return _checked(*read_site_xml(data, name, environment), name, check_sites)
    return _parse(data, SiteCatalog, name, environment, check_sites)


def parse_replicas(
    text: str | bytes,
    name: str = "<string>",
    environment: Mapping[str, str] = os.environ,
    *,
    absolute_lfns: bool = False,
) -> ReplicaCatalog:
    """Return the replica catalog of a document."""

    def check(item: ReplicaCatalog, file: str, line_of: Callable[[object], int]) -> list[Problem]:
        return check_replicas(item, file, line_of, absolute_lfns)

    return _parse(text, ReplicaCatalog, name, environment, check)


def parse_transformations(
    text: str | bytes, name: str = "<string>", environment: Mapping[str, str] = os.environ
) -> TransformationCatalog:
    """Return the transformation catalog of a document."""
    return _parse(text, TransformationCatalog, name, environment, check_transformations)


def _read_fast(data: bytes, struct: type[T], environment: Mapping[str, str]) -> tuple[T, str | None] | None:
    from markab.spec import (
        fast_reader,
    )  # only for large documents: its import takes longer than to read a small one

    return fast_reader.read(data, struct, environment)


def _parse(text: str | bytes, struct: type[T], name: str, environment: Mapping[str, str], check: Check) -> T:
    data = _bytes(text)
    if len(data) >= FAST_BYTES:
        found = _read_fast(data, struct, environment)
        if found and _is_supported(found[1], struct) and not check(found[0], name, lambda item: 0):
            return found[0]
    with without_garbage_collection():
        return parse_carefully(data, struct, name, environment, check)


def parse_carefully(
    data: bytes, struct: type[T], name: str, environment: Mapping[str, str], check: Check
) -> T:
    """Return the struct of a document of any size, or raise with line numbers."""
    return _checked(*_build(data, struct, name, environment), name, check)


def _build(
    data: bytes, struct: type[T], name: str, environment: Mapping[str, str]
) -> tuple[T | None, list[Problem], careful_reader.Lines]:
    """Return a struct, its problems, and its lines; the nodes it was made of are freed by then.

    An error raised earlier would keep the nodes alive, a gigabyte for 100,000 jobs.
    """
    try:
        node = yaml_nodes.compose(yaml_nodes.decode(data, name), name)
        return _build_node(node, struct, careful_reader.Builder(name, environment, len(data)))
    except yaml_nodes.UnreadableError as error:
        raise DocumentError(*error.args) from None


def _build_node(
    node: yaml.MappingNode, struct: type[T], builder: careful_reader.Builder
) -> tuple[T | None, list[Problem], careful_reader.Lines]:
    shape = schema.shape_of(struct)
    top = {key.value: (key, value) for key, value in node.value if not isinstance(key.value, list)}
    if other := _other_kind(set(top), struct):
        raise DocumentError(
            Problem(
                f"this is a {other}, not a {shape.noun}",
                "check which file is passed as which document",
                builder.name,
                1,
                "other",
            )
        )
    if "pegasus" in top:
        _check_version(builder, top["pegasus"][1])
    item: T | None = builder.record(node, shape)
    return item, builder.problems, builder.lines


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _checked(
    item: T | None, problems: list[Problem], lines: careful_reader.Lines, name: str, check: Check
) -> T:
    """Return what was read if it has no problem.

    Raises:
        DocumentError: with the problems of reading and of the check, in the order of the document.
    """
    if item is not None:
        found = check(item, name, lines.of)
        problems = problems + [p for p in found if not problems or p.kind not in _MAY_BE_FOLLOW_UPS]
    if item is None or problems:
        raise DocumentError(*sorted(problems, key=lambda problem: problem.line))
    return item


def _check_version(builder: careful_reader.Builder, node: Any) -> None:
    if yaml_nodes.is_null(node):
        return
    text = node.value
    if not isinstance(text, str) or not _VERSION.match(text):
        shown = repr(text) if isinstance(text, str) else "not a single value"
        builder.problem(
            node, f"'pegasus' is {shown}; it must be a version such as 5.0.4", "", "wrong-version"
        )
    elif not _is_supported(text, Workflow):
        message = f"unsupported document version {text}: only version 5 can be read"
        builder.problem(node, message, "write `pegasus: 5.0.4`", "wrong-version")


def _is_supported(version: str | None, struct: type) -> bool:
    if version is None:
        return True
    match = _VERSION.match(version)
    return match is not None and match[1].lstrip("0") == "5"


def _other_kind(keys: set[str], struct: type) -> str:
    """Return the kind of the document, if it is clearly not the expected one."""
    if _CONTENT[struct] in keys:
        return ""
    for other, key in _CONTENT.items():
        if key in keys:
            return schema.shape_of(other).noun
    return ""
