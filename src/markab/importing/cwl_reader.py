"""Reading and validating CWL documents, with the package `cwl-utils`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from markab.errors import DocumentError, Problem, StorageError
from markab.importing.extras import imported
from markab.spec.document_file import read_bytes
from markab.spec.yaml_nodes import UnreadableError, compose, decode

_VERSIONS = ("v1.0", "v1.1", "v1.2")


def load(document: Path, shown: str, fragment: str = "") -> Any:
    """Return the process of a document; of several, the one of that name, by default `main`.

    Raises:
        DocumentError: it is not valid; `shown` is its name in errors.
        StorageError: there is no such file.
        MarkabError: the package is not installed.
    """
    parser = imported("cwl_utils.parser", "cwl-utils", "cwl")
    failures = import_module("schema_salad.exceptions")
    not_yaml = import_module("ruamel.yaml.error").YAMLError
    if not document.is_file():
        raise StorageError(f"there is no file {shown!r}", "check its name")
    _check_version(document, shown, is_main=not fragment)
    uri = document.absolute().as_uri()
    try:
        found = parser.load_document_by_uri(f"{uri}#{fragment}" if fragment else uri)
    except failures.SchemaSaladException as error:
        raise DocumentError(*dict.fromkeys(_problem(leaf, shown) for leaf in error.leaves())) from error
    except not_yaml as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise DocumentError(
            Problem(f"not YAML: {_first_line(error)}", "", shown, line, "not-yaml")
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(
            Problem(f"not a CWL document: {_first_line(error)}", "", shown, 1, "cwl")
        ) from error
    if not isinstance(found, list):
        return found
    named = [each for each in found if each.id.rpartition("#")[2] == (fragment or "main")]
    workflows = [each for each in found if each.class_ == "Workflow"]
    if named or len(workflows) == 1:
        return (named or workflows)[0]
    raise DocumentError(
        Problem("none of its processes is `main`", "name one of them `main`", shown, 1, "cwl")
    )


def _check_version(document: Path, shown: str, *, is_main: bool) -> None:
    """Refuse what is no CWL document at all: the package would say so without a line, and at length."""
    try:
        root = compose(decode(read_bytes(document), shown), shown)
    except UnreadableError as error:
        raise DocumentError(error.args[0]) from None
    keys = {key.value: value for key, value in root.value}
    version = keys.get("cwlVersion")
    hint = f"give it `cwlVersion: {_VERSIONS[-1]}`; others can be brought to it with `cwl-upgrader`"
    if version is None and is_main:
        raise DocumentError(Problem("not a CWL document: it has no cwlVersion", hint, shown, 1, "cwl"))
    if version is not None and version.value not in _VERSIONS:
        line = version.start_mark.line + 1
        raise DocumentError(
            Problem(f"CWL {version.value} is not one of {', '.join(_VERSIONS)}", hint, shown, line, "cwl")
        )
    if not keys.keys() & {"class", "$graph"}:
        hint = "give it `class: Workflow` or `class: CommandLineTool`"
        raise DocumentError(Problem("not a CWL document: it has no class", hint, shown, 1, "cwl"))


def _first_line(error: Exception) -> str:
    """Return what is wrong, without the excerpts and links behind it."""
    return str(getattr(error, "problem", None) or error).strip().partition("\n")[0]


def _problem(leaf: Any, shown: str) -> Problem:
    """Return the error of a validation that no other is inside of."""
    message, _, expected = " ".join(leaf.message.split()).partition(", expected one of: ")
    line = leaf.start[0] if leaf.start else 0
    file = str(leaf.file or "").removeprefix("file://")
    is_other = file and Path(file).name != Path(shown).name
    return Problem(
        message, f"known are {expected}" if expected else "", file if is_other else shown, line, "cwl"
    )
