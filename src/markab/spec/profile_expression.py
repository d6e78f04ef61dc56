"""Expressions in profiles, such as `pegasus.memory.expr = pegasus_memory_mb * 2`: parsed and computed here, never by Python.

The language is a part of HTCondor's ClassAd expressions:

    expression = either [ "?" expression ":" expression ]
    either     = both { "||" both }
    both       = compared { "&&" compared }
    compared   = sum [ ("==" | "!=" | "<=" | ">=" | "<" | ">") sum ]
    sum        = product { ("+" | "-") product }
    product    = sign { ("*" | "/" | "%") sign }
    sign       = ("-" | "!") sign | number | "text" | name | name "(" [ expression { "," expression } ] ")" | "(" expression ")"

Texts are equal in any case of letters. Functions: ifThenElse, min, max, ceiling, floor, round, int.

Source: the HTCondor manual, "ClassAd Evaluation Semantics".
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NoReturn

Value = float | str

LONGEST = 10_000
"""Characters in an expression."""
_DEEPEST = 100
"""Parentheses, signs and functions inside of each other."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<text>"[^"]*")|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>\|\||&&|[=!<>]=|[-+*/%<>!?:(),])|(?P<end>\Z)|(?P<wrong>.))""",
    re.ASCII | re.DOTALL,
)
_COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., float]]] = {
    "min": (0, min),
    "max": (0, max),
    "ceiling": (1, math.ceil),
    "floor": (1, math.floor),
    "round": (1, round),
    "int": (1, int),
}
"""Name → number of arguments, 0: at least one; and what computes it."""


class WrongExpression(ValueError):
    """The expression cannot be computed; the text says why and where."""


def evaluate(text: str, names: Mapping[str, Value]) -> Value:
    """Return the value of an expression.

    Args:
        names: what the names in it stand for; in small letters, as any case of letters is allowed.

    Raises:
        WrongExpression: it has no value.
    """
    if len(text) > LONGEST:
        raise WrongExpression(f"it has {len(text):,} characters; at most {LONGEST:,} are allowed")
    parser = _Parser(text, names)
    value = parser.expression()
    if parser.kind != "end":
        parser.fail(f"unexpected {parser.word!r}")
    return value


class _Parser:
    """Computes while it reads: without loops and functions of the user's, there is nothing to keep."""

    def __init__(self, text: str, names: Mapping[str, Value]) -> None:
        self.text = text
        self.names = names
        self.position = self.begin = 0
        self.depth = 0
        self.kind = self.word = ""
        self.next()

    def fail(self, why: str) -> NoReturn:
        raise WrongExpression(f"{why} at character {self.begin + 1}")

    def next(self) -> None:
        match = _TOKEN.match(self.text, self.position)
        assert match is not None and match.lastgroup is not None
        self.kind, self.word = match.lastgroup, match.group(match.lastgroup)
        self.begin, self.position = match.start(match.lastgroup), match.end()
        if self.kind == "wrong":
            self.fail(f"unexpected {self.word!r}")

    def taken(self, *signs: str) -> str:
        """Go on and return the sign that stands here if it is one of these; else ""."""
        word = self.word if self.kind == "sign" and self.word in signs else ""
        if word:
            self.next()
        return word

    def expect(self, sign: str) -> None:
        if not self.taken(sign):
            self.fail(f"expected {sign!r}, not {self.word or 'the end'!r}")

    def number(self, value: Value) -> float:
        if isinstance(value, str):
            self.fail(f"expected a number, not the text {value!r}")
        return value

    def enter(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail("it is nested too deeply")

    def expression(self) -> Value:
        self.enter()
        value = self.either()
        if self.taken("?"):
            first = self.expression()
            self.expect(":")
            second = self.expression()
            value = first if self.number(value) else second
        self.depth -= 1
        return value

    def either(self) -> Value:
        value = self.both()
        while self.taken("||"):
            other = self.number(self.both())
            value = float(bool(self.number(value)) or bool(other))
        return value

    def both(self) -> Value:
        value = self.compared()
        while self.taken("&&"):
            other = self.number(self.compared())
            value = float(bool(self.number(value)) and bool(other))
        return value

    def compared(self) -> Value:
        value = self.sum()
        if not (sign := self.taken(*_COMPARISONS)):
            return value
        other = self.sum()
        if isinstance(value, str) != isinstance(other, str):
            self.fail("a number is compared with a text")
        if isinstance(value, str) and isinstance(other, str):
            value, other = value.lower(), other.lower()
        return float(_COMPARISONS[sign](value, other))

    def sum(self) -> Value:
        value = self.product()
        while sign := self.taken("+", "-"):
            value = self.computed(sign, value, self.product())
        return value

    def product(self) -> Value:
        value = self.sign()
        while sign := self.taken("*", "/", "%"):
            value = self.computed(sign, value, self.sign())
        return value

    def computed(self, sign: str, left: Value, right: Value) -> float:
        numbers = self.number(left), self.number(right)
        try:
            return _OPERATIONS[sign](*numbers)
        except ZeroDivisionError:
            self.fail("division by 0")
        except (OverflowError, ValueError):
            self.fail("the result is no number")

    def sign(self) -> Value:
        self.enter()
        if self.taken("-"):
            value: Value = -self.number(self.sign())
        elif self.taken("!"):
            value = float(not self.number(self.sign()))
        elif self.taken("("):
            value = self.expression()
            self.expect(")")
        else:
            value = self.item()
        self.depth -= 1
        return value

    def item(self) -> Value:
        kind, word = self.kind, self.word
        if kind == "number":
            self.next()
            return float(word)
        if kind == "text":
            self.next()
            return word[1:-1]
        if kind != "name":
            self.fail(f"unexpected {word!r}" if word else "it ends too early")
        if word.lower() in ("true", "false"):
            self.next()
            return float(word.lower() == "true")
        if self.text[self.position :].lstrip().startswith("("):
            return self.call(word)
        if word.lower() not in self.names:
            self.fail(f"the name {word!r} is not known when planning")
        self.next()
        return self.names[word.lower()]

    def call(self, name: str) -> Value:
        begin = self.begin
        self.next()
        self.expect("(")
        values: list[Value] = []
        while not self.taken(")"):
            if values:
                self.expect(",")
            values.append(self.expression())
        self.begin = begin
        if name.lower() == "ifthenelse" and len(values) == 3:
            return values[1] if self.number(values[0]) else values[2]
        count, compute = _FUNCTIONS.get(name.lower(), (-1, None))
        if compute is None or not values or count not in (0, len(values)):
            self.fail(f"there is no function {name!r} with so many arguments")
        try:
            return float(compute(*values) if count == 1 else compute(values))
        except (TypeError, ValueError, OverflowError):
            self.fail(f"{name!r} is computed of numbers")
