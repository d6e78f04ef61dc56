"""The changes that can be made in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants.changes import changes_of, is_program
from mutants.tree_copy import ROOT


def changed(text: str) -> set[str]:
    """The texts that the changes of a text give, without their outermost parentheses."""
    return {change.applied_to(text) for change in changes_of("f.py", text)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a < b", {"(a <= b)", "(a >= b)"}),
        ("a is b", {"(a is not b)"}),
        ("a not in b", {"(a in b)"}),
        ("a and b", {"(a or b)", "(a)", "(b)"}),
        ("not a", {"(a)"}),
        ("a + b", {"(a - b)"}),
        ("a + 'b c'", set()),
        ("x = 1", {"x = (2)"}),
        ("x = True", {"x = (False)"}),
        ("x = 'key'", {"x = ('changedkey')"}),
        ("x = 'a message'", set()),
        ("x = f'{a < b}'", set()),
        ("x: int = a", set()),
        ("'documentation'", set()),
        ("import a", set()),
        ("__all__ = ['a', 'b']", set()),
        ("x = min(a)", {"x = (max(a))"}),
        ("x = sorted(a, key=b)", {"x = (list(a))", "x = (sorted(a))"}),
        ("x = [a, b]", {"x = ([a])", "x = ([b])"}),
        ("x = {a: b, c: d}", {"x = ({a: b})", "x = ({c: d})"}),
        ("a, b = c", {"pass"}),
        ("a()", {"pass"}),
        ("f(help='a', metavar='b')", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a += b", {"pass"}),
        ("x = a if b else c", {"x = (a)", "x = (c)"}),
        ("x = [a for a in b if c]", {"x = [a for a in b if (not (c))]"}),
        ("if a:\n    b", {"if (not (a)):\n    b"}),
        ("if TYPE_CHECKING:\n    a()", set()),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("def f():\n    return False", {"def f():\n    return (True)"}),
        ("def f():\n    raise a", {"def f():\n    pass"}),
        ("for a in b:\n    continue", {"for a in b:\n    pass"}),
        ("try:\n    a\nexcept b:\n    c", {"try:\n    a\nexcept ():\n    c"}),
    ],
)
def test_each_part_that_decides_something_is_changed(text: str, wanted: set[str]) -> None:
    assert changed(text) == wanted


def test_a_handler_catches_one_class_of_errors_less() -> None:
    assert {
        "try:\n    a\nexcept ((b,)):\n    c",
        "try:\n    a\nexcept ((d,)):\n    c",
        "try:\n    a\nexcept ():\n    c",
    } <= changed("try:\n    a\nexcept (b, d):\n    c")


def test_a_change_names_the_function_and_the_line_it_is_in() -> None:
    text = "class A:\n    def b(self):\n        return  self.é + 1  # why\n"
    (change,) = [change for change in changes_of("f.py", text) if change.after == "(2)"]

    assert change.key == ("f.py", "A.b", "return  self.é + 1  # why", "1", "(2)")
    assert change.line == 3
    assert change.applied_to(text) == text.replace("1", "(2)")


def test_a_key_does_not_depend_on_what_stands_above() -> None:
    text = "def f(a):\n    return a < 3\n"
    moved = "import os\n\n" + text

    assert [change.key for change in changes_of("f", text)] == [
        change.key for change in changes_of("f", moved)
    ]
    assert [change.line for change in changes_of("f", text)] != [
        change.line for change in changes_of("f", moved)
    ]


@pytest.mark.parametrize("name", ["engine/scheduler.py", "worker/place_input.py", "transfers/copy_bytes.py"])
def test_nearly_all_changes_of_a_real_file_leave_a_program_that_differs(name: str) -> None:
    text = Path(ROOT, "src/markab", name).read_text()
    some = changes_of(name, text)[::7]

    good = [change for change in some if is_program(change.applied_to(text))]

    assert len(good) > 10 and len(good) >= 0.95 * len(some)
    assert all(change.applied_to(text) != text for change in good)
