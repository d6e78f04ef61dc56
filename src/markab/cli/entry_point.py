"""The entry points of the programs: Ctrl-C while a command is being imported ends it like any other time, without a traceback.

This file imports nothing at its top, so that little happens before the guard stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


def main() -> NoReturn:
    """Be `markab`."""
    guarded(_markab)


def guarded(program: Callable[[], NoReturn], *, plain_codes: bool = False) -> NoReturn:
    """Call a program, which imports what it needs; Ctrl-C meanwhile is said in a word, and has its exit code, as in `launch`."""
    try:
        program()
    except KeyboardInterrupt:
        import sys

        from markab.errors import INTERRUPTED

        sys.stderr.write("interrupted\n")
        sys.exit(1 if plain_codes else INTERRUPTED)


def _markab() -> NoReturn:
    from markab.cli.main import main as markab

    markab()
