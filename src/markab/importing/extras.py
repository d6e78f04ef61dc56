"""Packages that only some conversions need: an error with the remedy if one is not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from markab.errors import MarkabError


def imported(module: str, package: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises:
        MarkabError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MarkabError(
            f"the package {package} is not installed, which this needs", f"pip install 'markab[{extra}]'"
        ) from error
