"""Asking the syntax tree of a shell script, as `tree-sitter-bash` makes it. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

_REFERENCE = re.compile(r"\$\{?[#!]?(\w+)")


def nodes_below(node: Any) -> Iterator[Any]:
    """Yield a node and all nodes below it, in reading order."""
    yield node
    for child in node.children:
        yield from nodes_below(child)


def text_of(node: Any) -> str:
    """Return the text of a node."""
    return str(node.text.decode(errors="surrogateescape"))


def names_used(node: Any) -> frozenset[str]:
    """Return the variables and commands that a piece refers to; some names may be neither."""
    kinds = ("variable_name", "special_variable_name", "command_name")
    named = {text_of(each) for each in nodes_below(node) if each.type in kinds}
    return frozenset(named | set(_REFERENCE.findall(text_of(node))))


def word_of(node: Any) -> Any:
    """Return the word of a command's name; another node as it is."""
    return node.children[0] if node.type == "command_name" and len(node.children) == 1 else node


def command_name(node: Any) -> str:
    """Return the name of a command without its directory; empty: it is no command."""
    if node.type != "command":
        return ""
    name = node.child_by_field_name("name")
    return os.path.basename(text_of(name)) if name is not None else ""


def line_of(node: Any) -> int:
    """Return the line at which a node begins."""
    return int(node.start_point[0]) + 1


def is_assigned(node: Any) -> bool:
    """Return whether a node is a name that is given a value here."""
    parent = node.parent
    if node.type == "variable_name":
        if parent.type == "for_statement":
            return bool(node == parent.child_by_field_name("variable"))
        return bool(parent.type == "variable_assignment" and node == parent.children[0])
    return str(node.type) == "word" and command_name(parent) in ("read", "mapfile", "readarray", "getopts")


def is_in_subshell(node: Any, top: Any) -> bool:
    """Return whether what a node does is forgotten when `top` has ended."""
    while node is not None and node != top:
        if node.type in ("subshell", "command_substitution", "command", "pipeline"):
            return True
        node = node.parent
    return bool(top.type in ("subshell", "pipeline"))


def is_in_function(node: Any, top: Any) -> bool:
    """Return whether a node is in the definition of a function below `top`."""
    while node is not None and node != top:
        if node.type == "function_definition":
            return True
        node = node.parent
    return False
