"""The command line of a CWL tool, from its bindings and the values of its inputs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from markab.importing.cwl_places import CwlPlace, Inconvertible
from markab.importing.cwl_references import Scope, as_text, is_expression
from markab.importing.cwl_values import FileValue, fits, is_unknown
from markab.importing.word_quoting import quoted_word


class CommandWord(NamedTuple):
    """One word of a command line, and whether a shell reads it as it is."""

    text: str
    is_quoted: bool = True


class _Bound(NamedTuple):
    position: int
    kind: int
    """0 for one of `arguments`, 1 for an input: numbers come before names."""
    order: int | str
    words: list[CommandWord]


def command_words(
    tool: Any, scope: Scope, place: CwlPlace, problems: list[Inconvertible]
) -> list[CommandWord]:
    """Return the words of a tool's command line, in order; what cannot be converted is added to `problems`."""
    base = tool.baseCommand or []
    words = [CommandWord(each) for each in ([base] if isinstance(base, str) else base)]
    bound: list[_Bound] = []
    for index, argument in enumerate(tool.arguments or []):
        try:
            bound.append(_argument(argument, index, scope, place.at("arguments").item(index)))
        except Inconvertible as error:
            problems.append(error)
    for parameter in tool.inputs:
        name = short_name(parameter.id)
        try:
            bound += _input(parameter, name, scope, place.at("inputs", name))
        except Inconvertible as error:
            problems.append(error)
    for each in sorted(bound, key=lambda one: (one.position, one.kind, one.order)):
        words += each.words
    return words


def short_name(identifier: str) -> str:
    """Return the last part of an id, which `cwl_utils` makes a URI."""
    return identifier.rpartition("#")[2].rpartition("/")[2]


def shell_line(words: list[CommandWord]) -> str:
    """Return the line that a shell is given where the tool asks for one."""
    return " ".join(quoted_word(word.text) if word.is_quoted else word.text for word in words)


def _argument(argument: Any, index: int, scope: Scope, place: CwlPlace) -> _Bound:
    if isinstance(argument, str):
        value = scope.value(argument, place)
        return _Bound(0, 0, index, list(_words(value, None, place)))
    value = scope.value(argument.valueFrom, place.at("valueFrom"))
    return _Bound(_position(argument, place), 0, index, list(_words(value, argument, place)))


def _input(parameter: Any, name: str, scope: Scope, place: CwlPlace) -> Iterator[_Bound]:
    value = scope.inputs.get(name)
    if is_unknown(value):
        return
    kind = _matching(parameter.type_, value)
    if getattr(kind, "type_", None) == "record":
        raise place.error(
            f"input {name!r} is a record, which cannot be converted", "make each field an input"
        )
    binding = parameter.inputBinding
    of_items = getattr(kind, "inputBinding", None) or getattr(
        getattr(kind, "items", None), "inputBinding", None
    )
    if (binding is None and of_items is None) or value is None:
        return
    if getattr(binding, "loadContents", None):
        raise place.at("inputBinding").error(
            "loadContents cannot be converted", "read the file in the program"
        )
    if binding is not None and binding.valueFrom is not None:
        inner = Scope(scope.inputs, scope.runtime, value)
        value = inner.value(binding.valueFrom, place.at("inputBinding", "valueFrom"))
        of_items = None
    words = list(_words(value, binding, place.at("inputBinding"), of_items))
    yield _Bound(_position(binding, place.at("inputBinding")) if binding else 0, 1, name, words)


def _matching(types: Any, value: Any) -> Any:
    if isinstance(types, list):
        return next((each for each in types if fits(value, each)), types[0])
    return types


def _position(binding: Any, place: CwlPlace) -> int:
    if is_expression(binding.position):
        raise place.at("position").error(
            "a position that is an expression cannot be converted", "give a number"
        )
    return int(binding.position or 0)


def _words(value: Any, binding: Any, place: CwlPlace, of_items: Any = None) -> Iterator[CommandWord]:
    """Yield the words of one value. Source: CWL v1.2, CommandLineTool, section "Input binding"."""
    prefix = getattr(binding, "prefix", None)
    separate = getattr(binding, "separate", None) is not False
    is_quoted = getattr(binding, "shellQuote", None) is not False
    separator = getattr(binding, "itemSeparator", None)
    if isinstance(value, bool):
        if value and prefix:
            yield CommandWord(prefix, is_quoted)
        return
    if value is None or value == []:
        return
    if isinstance(value, list) and separator is not None:
        value = separator.join(as_text(each) for each in value)
    if isinstance(value, list):
        if prefix:
            yield CommandWord(prefix, is_quoted)
        for each in value:
            yield from _words(each, of_items, place)
        return
    if not isinstance(value, (str, int, float, FileValue)):
        raise place.error("a record in a command line cannot be converted", "make each field an input")
    if prefix and separate:
        yield CommandWord(prefix, is_quoted)
        prefix = None
    yield CommandWord((prefix or "") + as_text(value), is_quoted)
