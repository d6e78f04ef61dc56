"""The parameters of a workflow script: declared with defaults, given with `markab run SCRIPT --set name=value`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, NamedTuple

from markab.api.errors import PegasusError
from markab.api.script_session import channel
from markab.errors import DocumentError
from markab.spec.script_messages import Call, Declared, Given, WrongParameters, as_text

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _truth(text: str) -> bool:
    if (word := text.strip().lower()) in _TRUE + _FALSE:
        return word in _TRUE
    raise ValueError(text)


_READ: dict[type, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _truth),
    int: ("a whole number", int),
    float: ("a number", float),
    str: ("a text", str),
    Path: ("a path", Path),
}
"""Type → how messages name a value of it, and how it is read. A bool is an int too, so it comes first."""


class _Parameter(NamedTuple):
    name: str
    type: type
    is_list: bool
    default: Any
    is_required: bool

    @property
    def what(self) -> str:
        """What a value must be."""
        one, _ = _READ[self.type]
        return f"a list, each {one}" if self.is_list else one

    def read(self, given: Given) -> Any:
        """Return the value that was given.

        Raises:
            ValueError: it is of another type.
        """
        _, read = _READ[self.type]
        if not self.is_list:
            if not isinstance(given.value, str):
                raise ValueError("a list")
            return read(given.value)
        if isinstance(given.value, str):
            return [read(word.strip()) for word in given.value.split(",") if word.strip()]
        return [read(word) for word in given.value]


def parameters(**defaults: Any) -> SimpleNamespace:
    """Declare all parameters of a script with their defaults; return their values as attributes.

    The type of a default is that of the parameter: bool, int, float, str, Path, or a list of one of these; None
    stands for a text that need not be given. A type in place of a default makes the parameter required:

        params = parameters(n=20, method="ols", tags=["a"], data=Path)

    Values come from `markab run SCRIPT --set n=50` and `--set-file`, and are recorded with the run. If the
    script is run in another way, all have their defaults. To be called once in a script.

    Raises:
        TypeError: a default is of another type.
        PegasusError: a required parameter has no value, because the script was not started by `markab`.
    """
    declared = [_declared(name, default) for name, default in defaults.items()]
    command = channel()
    if command is None:
        if missing := [one.name for one in declared if one.is_required]:
            raise PegasusError(
                f"parameter {missing[0]!r} has no value and no default",
                f"start the script with `markab run SCRIPT --set {missing[0]}=VALUE`",
            )
        return SimpleNamespace(**{one.name: one.default for one in declared})
    values, wrong = _values(declared, command.call)
    if wrong:
        lines = _lines(sys._getframe(1), defaults)
        script = command.call.script
        command.send(
            WrongParameters([(text, hint, script, lines.get(name, 0)) for name, text, hint in wrong])
        )
        raise SystemExit(DocumentError.exit_code)
    command.send(Declared({name: as_text(value) for name, value in values.items() if value is not None}))
    return SimpleNamespace(**values)


def _declared(name: str, default: Any) -> _Parameter:
    is_list = isinstance(default, (list, tuple))
    example = (default[0] if default else "") if is_list else "" if default is None else default
    for kind in _READ:
        if example is kind or isinstance(example, kind):
            return _Parameter(name, kind, is_list, default, example is kind)
    raise TypeError(
        f"parameter {name!r} has the default {default!r} ({type(default).__name__}), but must be a bool, "
        "int, float, str, Path or a list of them"
    )


def _values(declared: Sequence[_Parameter], call: Call) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return the values of all parameters, and what is wrong: of which parameter, message and hint."""
    from markab.spec.suggestions import did_you_mean

    known = {one.name: one for one in declared}
    given = {one.name: one for one in call.given}
    values: dict[str, Any] = {}
    wrong = []
    for name in [name for name in given if name not in known]:
        hint = did_you_mean(name, known, f"its parameters are {', '.join(known) or 'none'}")
        wrong.append((name, f"the script has no parameter {name!r} ({given[name].origin})", hint))
    for name, one in known.items():
        if name not in given:
            values[name] = one.default
            if one.is_required:
                message = f"parameter {name!r} has no value; it must be {one.what}"
                wrong.append((name, message, f"add --set {name}=VALUE"))
            continue
        try:
            values[name] = one.read(given[name])
        except ValueError:
            value = given[name].value
            is_wrong_list = not one.is_list and not isinstance(value, str)
            shown = f"{'a list, ' if is_wrong_list else ''}{as_text(value)!r}"
            message = f"parameter {name!r} must be {one.what}, and is {shown} ({given[name].origin})"
            wrong.append((name, message, "" if one.is_required else f"its default is {as_text(one.default)}"))
    return values, wrong


def _lines(frame: FrameType, names: Mapping[str, Any]) -> dict[str, int]:
    """Return the line on which each parameter stands in the call of `parameters`."""
    import ast

    found = dict.fromkeys(names, frame.f_lineno)
    try:
        tree = ast.parse(Path(frame.f_code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno <= frame.f_lineno <= (node.end_lineno or 0):
            found |= {one.arg: one.value.lineno for one in node.keywords if one.arg in found}
    return found
