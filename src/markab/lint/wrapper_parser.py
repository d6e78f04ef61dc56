"""The argument parser of a Python program, made again from its source text: nothing of the program is run.

Only what is certain is made: a program whose options depend on something that its text does not say has
no parser here, and is not checked.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

_ACTIONS = frozenset(
    (
        "store",
        "store_true",
        "store_false",
        "store_const",
        "append",
        "append_const",
        "count",
        "version",
        "extend",
    )
)
_TYPES = {"int": int, "float": float, "str": str}
_NARGS = {"REMAINDER": argparse.REMAINDER, "OPTIONAL": "?", "ZERO_OR_MORE": "*", "ONE_OR_MORE": "+"}
_GROUPS = ("add_argument_group", "add_mutually_exclusive_group")
_UNSUPPORTED = frozenset(
    ("add_subparsers", "parse_intermixed_args", "parse_known_intermixed_args", "register")
)
_KEPT_OF_PARSER = frozenset(("add_help", "allow_abbrev", "prefix_chars"))
_TEXTS_OF_PARSER = frozenset(
    (
        "prog",
        "usage",
        "description",
        "epilog",
        "formatter_class",
        "exit_on_error",
        "argument_default",
        "conflict_handler",
    )
)
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension, ast.Lambda)


class _Uncertain(Exception):
    """The text does not say what the parser accepts."""


class WrongArguments(Exception):
    """The program would refuse its arguments; the text is what argparse says."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongArguments(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _Exit

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print nothing: `--help` among the arguments of a task is not for us."""


class _Exit(Exception):
    """`--help` or `--version` ends the program with success."""


class WrapperParser:
    """What a program accepts on its command line."""

    def __init__(self, parser: argparse.ArgumentParser, takes_unknown: bool) -> None:
        self._parser = parser
        self._takes_unknown = takes_unknown

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the values that the program would get for the arguments of a task; none if it would only print help.

        Raises:
            WrongArguments: the program would refuse them.
        """
        try:
            if self._takes_unknown:
                return vars(self._parser.parse_known_args(list(words))[0])
            return vars(self._parser.parse_args(list(words)))
        except _Exit:
            return {}

    def options(self) -> list[str]:
        """Return the long options, for suggestions."""
        names = [name for action in self._parser._actions for name in action.option_strings]
        return [name for name in names if name.startswith("--")]


def read_parser(source: str) -> WrapperParser | None:
    """Return the parser that a program makes with argparse; None if it makes none, or the text does not tell which."""
    if "ArgumentParser" not in source:
        return None
    try:
        return _Reader(ast.parse(source)).read()
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        MemoryError,
        TypeError,
        argparse.ArgumentError,
        _Uncertain,
    ):
        return None


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        self.names = [
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute)
        ]
        """Every use of a name in the program."""
        self.groups: dict[str, Any] = {}
        """Text of the expression by which the program calls an exclusive group → that group."""

    def read(self) -> WrapperParser | None:
        calls = list(self.calls())
        names = [_called(call) for call in calls]
        made = [call for call, name in zip(calls, names, strict=True) if name == "ArgumentParser"]
        if len(made) != 1 or not _UNSUPPORTED.isdisjoint(names) or self.has_subclass():
            return None
        parsing = {name for name in names if name in ("parse_args", "parse_known_args")}
        if len(parsing) != 1:
            return None
        parser = _Parser(**self.parser_keywords(made[0]))
        for call, name in zip(calls, names, strict=True):
            if name == "add_mutually_exclusive_group":
                self.add_group(parser, call)
            elif name == "add_argument":
                self.add_argument(parser, call)
        return WrapperParser(parser, parsing == {"parse_known_args"})

    def calls(self) -> Iterator[ast.Call]:
        """Yield the calls in the order of the text: that of positional arguments."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        yield from sorted(found, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))

    def has_subclass(self) -> bool:
        return any(
            "ArgumentParser" in ast.unparse(base)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        )

    def parser_keywords(self, call: ast.Call) -> dict[str, Any]:
        keywords = {}
        for keyword in call.keywords:
            if keyword.arg in _KEPT_OF_PARSER:
                keywords[keyword.arg] = _literal(keyword.value)
            elif keyword.arg not in _TEXTS_OF_PARSER:
                raise _Uncertain  # parents, fromfile_prefix_chars, **keywords
        return keywords

    def add_group(self, parser: argparse.ArgumentParser, call: ast.Call) -> None:
        statement = self.parents.get(call)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            required = any(
                keyword.arg == "required" and _literal(keyword.value) for keyword in call.keywords
            ) and not self.is_conditional(call)
            self.groups[ast.unparse(statement.targets[0])] = parser.add_mutually_exclusive_group(
                required=required
            )

    def add_argument(self, parser: argparse.ArgumentParser, call: ast.Call) -> None:
        self.check_called_once(call)
        flags = [_literal(argument) for argument in call.args]
        if not all(isinstance(flag, str) for flag in flags):
            raise _Uncertain
        keywords: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg is None:
                raise _Uncertain
            keywords |= _keyword(keyword.arg, keyword.value)
        if self.is_conditional(call):
            if not flags or not flags[0].startswith("-"):
                raise _Uncertain
            keywords["required"] = False
        if keywords.get("type") is _Opaque:
            del keywords["type"]
            keywords.pop("choices", None)
        receiver = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        self.groups.get(receiver, parser).add_argument(*flags, **keywords)

    def check_called_once(self, node: ast.AST) -> None:
        """Refuse an argument that is added in a loop, or by a function that the text does not call just once."""
        above = self.parents.get(node)
        while above is not None:
            if isinstance(above, _LOOPS):
                raise _Uncertain
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef) and not self.is_certain(above):
                raise _Uncertain
            above = self.parents.get(above)

    def is_certain(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Return whether a function is that which makes the parser, or is named just once, where it is called."""
        makes = any(
            isinstance(one, ast.Call) and _called(one) == "ArgumentParser" for one in ast.walk(function)
        )
        return makes or self.names.count(function.name) == 1

    def is_conditional(self, node: ast.AST) -> bool:
        above = self.parents.get(node)
        while above is not None:
            if isinstance(above, ast.Try | ast.IfExp) or (isinstance(above, ast.If) and not _is_main(above)):
                return True
            above = self.parents.get(above)
        return False


class _Opaque:
    """In place of a type that the text does not show."""


def _keyword(name: str, value: ast.expr) -> dict[str, Any]:
    """Return a keyword of `add_argument` as far as it decides what is accepted."""
    if name == "action":
        if ast.unparse(value).endswith("BooleanOptionalAction"):
            return {name: argparse.BooleanOptionalAction}
        action = _literal(value)
        if action not in _ACTIONS:
            raise _Uncertain
        return {name: action} | ({"version": ""} if action == "version" else {})
    if name == "nargs":
        constant = value.attr if isinstance(value, ast.Attribute) else ""
        return {name: _NARGS[constant] if constant in _NARGS else _literal(value)}
    if name == "type":
        known = _TYPES.get(value.id) if isinstance(value, ast.Name) else None
        return {name: known or _Opaque}
    if name in ("required", "dest"):
        return {name: _literal(value)}
    if name == "choices":
        try:
            return {name: _literal(value)}
        except _Uncertain:
            return {}
    return {"const": 0} if name == "const" else {}


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise _Uncertain from error


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_main(node: ast.If) -> bool:
    return ast.unparse(node.test).startswith("__name__ ==")
