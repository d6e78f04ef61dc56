"""The small changes that can be made in a source file: each turns one expression or statement into a wrong one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

_OTHER = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
}
"""For each operator those it is changed into: beyond the boundary, and the opposite."""
_OTHER_CALL = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}
_FOR_READERS = ("help", "metavar")
"""Keywords of options whose values only a person reads."""
_UNCHANGED = (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Global, ast.Nonlocal)
_Location = tuple[int, int, int, int]


@dataclass(frozen=True)
class Change:
    """One change: the text between two places, replaced by another."""

    file: str
    scope: str
    """The function or class it is in, such as "Loop.step"; empty in the module."""
    line_text: str
    """The line it begins in, without indentation."""
    before: str
    after: str
    location: _Location
    """First line and column, last line and column, as `ast` counts them."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What names it while the lines around it move."""
        return self.file, self.scope, self.line_text, self.before, self.after

    @property
    def line(self) -> int:
        """The line it begins in."""
        return self.location[0]

    def applied_to(self, text: str) -> str:
        """The changed text of the file."""
        first, column, last, end = self.location
        lines = text.encode().splitlines(keepends=True)
        head, tail = lines[first - 1][:column], lines[last - 1][end:]
        changed = b"".join([*lines[: first - 1], head, self.after.encode(), tail, *lines[last:]])
        return changed.decode()


def changes_of(file: str, text: str) -> list[Change]:
    """All changes of a file, in the order of its lines; a few of them leave no program."""
    tree = ast.parse(text)
    return sorted(set(_Finder(file, text).changes(tree)), key=lambda change: (change.location, change.after))


def is_program(text: str) -> bool:
    """Whether Python can compile it."""
    try:
        compile(text, "changed", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder:
    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = text.splitlines()

    def changes(self, node: ast.AST, scope: tuple[str, ...] = ()) -> Iterator[Change]:
        """Of this node, and of what is in it."""
        for part, after in _variants(node):
            yield self._change(part, after, ".".join(scope))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            scope = (*scope, node.name)
        for child in _children(node):
            yield from self.changes(child, scope)

    def _change(self, node: ast.AST, after: str, scope: str) -> Change:
        assert isinstance(node, ast.expr | ast.stmt)
        location = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
        line_text = self._lines[node.lineno - 1].strip()
        return Change(self._file, scope, line_text, ast.unparse(node), after, location)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """What is in it and decides something: no documentation, no types, no text of messages."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_without_effect(child):
                yield child


def _is_without_effect(node: ast.AST) -> bool:
    if isinstance(node, _UNCHANGED):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, ast.Assign):
        return any(isinstance(at, ast.Name) and at.id in ("__all__", "__slots__") for at in node.targets)
    if isinstance(node, ast.FunctionDef):
        return node.name == "__repr__"
    if isinstance(node, ast.keyword):
        return node.arg in _FOR_READERS
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and not _is_word(node.value)


def _is_word(text: str) -> bool:
    """A key, a mode, the name of a file; what has spaces is a message."""
    return bool(text) and not any(letter.isspace() for letter in text)


def _variants(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The part that is replaced, and by what."""
    if isinstance(node, ast.stmt):
        yield from _of_statement(node)
    elif isinstance(node, ast.ExceptHandler):
        yield from _of_handler(node)
    elif isinstance(node, ast.comprehension):
        yield from ((test, _opposite(test)) for test in node.ifs if not _has_opposite(test))
    elif isinstance(node, ast.expr):
        yield from ((node, f"({text})") for text in _of_expression(node))


def _of_statement(node: ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.If | ast.While | ast.Assert):
        if not _has_opposite(node.test):
            yield node.test, _opposite(node.test)
    elif isinstance(node, ast.Return):
        if node.value is not None and not _is_nothing(node.value):
            yield node, "return None"
    elif _can_be_left_out(node):
        yield node, "pass"


def _can_be_left_out(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await)
    if isinstance(node, ast.Assign):
        return any(not isinstance(target, ast.Name) for target in node.targets)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)


def _of_handler(node: ast.ExceptHandler) -> Iterator[tuple[ast.AST, str]]:
    """It catches nothing, or one class of errors less."""
    if node.type is None:
        return
    yield node.type, "()"
    if isinstance(node.type, ast.Tuple):
        yield from ((node.type, f"({text})") for text in _one_less(node.type, node.type.elts))


def _of_expression(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _OTHER.get(type(node.ops[0]), ()):
            yield ast.unparse(ast.Compare(node.left, [other()], node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield ast.unparse(ast.BoolOp(_OTHER[type(node.op)][0](), node.values))
        for number in range(len(node.values)):
            rest = node.values[:number] + node.values[number + 1 :]
            yield ast.unparse(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.BinOp):
        if not any(_is_text(side) for side in (node.left, node.right)):
            for other in _OTHER.get(type(node.op), ()):
                yield ast.unparse(ast.BinOp(node.left, other(), node.right))
    elif isinstance(node, ast.IfExp):
        yield from (ast.unparse(node.body), ast.unparse(node.orelse))
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node.value)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.List | ast.Tuple | ast.Set) and isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    ):
        yield from _one_less(node, node.elts)
    elif isinstance(node, ast.Dict) and len(node.keys) > 1:
        for number in range(len(node.keys)):
            keys = node.keys[:number] + node.keys[number + 1 :]
            values = node.values[:number] + node.values[number + 1 :]
            yield ast.unparse(ast.Dict(keys, values))


def _of_constant(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int | float):
        yield repr(value + 1)
    elif isinstance(value, str) and _is_word(value):
        yield repr("changed" + value)
    elif isinstance(value, bytes) and value:
        yield repr(b"changed" + value)


def _of_call(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in _OTHER_CALL:
        keywords = node.keywords if _OTHER_CALL[node.func.id] != "list" else []
        yield ast.unparse(ast.Call(ast.Name(_OTHER_CALL[node.func.id]), node.args, keywords))
    for number, given in enumerate(node.keywords):
        if given.arg not in (None, *_FOR_READERS):
            rest = node.keywords[:number] + node.keywords[number + 1 :]
            yield ast.unparse(ast.Call(node.func, node.args, rest))


def _one_less(node: ast.expr, elements: list[ast.expr]) -> Iterator[str]:
    if len(elements) < 2:
        return
    for number in range(len(elements)):
        rest = elements[:number] + elements[number + 1 :]
        yield ast.unparse(ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load()))


def _opposite(test: ast.expr) -> str:
    return f"(not ({ast.unparse(test)}))"


def _has_opposite(test: ast.expr) -> bool:
    """It is changed into its opposite as an expression."""
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1
    return isinstance(test, ast.Constant) or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def _is_nothing(node: ast.expr) -> bool:
    """Callers mostly ask whether it is true."""
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _is_text(node: ast.expr) -> bool:
    parts = chain([node], ast.walk(node))
    return any(
        isinstance(p, ast.JoinedStr) or (isinstance(p, ast.Constant) and isinstance(p.value, str))
        for p in parts
    )
