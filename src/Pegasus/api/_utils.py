"""Helpers with which subclasses of the builders are written."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any

__all__ = ["_chained", "_get_class_enum_member_str", "_get_enum_str"]


def _chained(f: Callable[..., object]) -> Callable[..., Any]:
    """Return the method as one that returns its object, so that calls can be chained.

    Raises:
        AssertionError: when called, if the method returns something itself.
    """

    @wraps(f)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        returned = f(self, *args, **kwargs)
        if returned is not None:
            raise AssertionError(f"{f.__qualname__} is chained, but returned {returned!r}")
        return self

    return wrapper


def _get_enum_str(enum_cls: type[Enum]) -> str:
    """Return the members of an enumeration as messages list them: `Name.<A | B>`.

    Raises:
        TypeError: it is none.
    """
    if not (isinstance(enum_cls, type) and issubclass(enum_cls, Enum)):
        raise TypeError(f"{enum_cls!r} is not an enumeration")
    return f"{enum_cls.__name__}.<{' | '.join(sorted(enum_cls.__members__))}>"


def _get_class_enum_member_str(_cls: type, _type: type[Enum]) -> str:
    """Return the attributes of a class that are members of an enumeration as messages list them: `Name.<A | B>`."""
    names = sorted(name for name, value in vars(_cls).items() if isinstance(value, _type))
    return f"{_cls.__name__}.<{' | '.join(names)}>"
