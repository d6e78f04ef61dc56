"""Printing errors: the library raises, only this file prints; `markab/errors.py` has the exit codes.

Text goes to stderr: `error: …`, and below it `  hint: …` if there is one.
With `--json` the same goes to stdout as one object, for programs:

    {"error": {"kind": "PlanningError", "message": …, "hint": …, "exit_code": 11,
               "problems": [{"kind", "message", "hint", "file", "line"}, …]}}
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markab.cli.output import ReaderGone, echo, echo_json
from markab.errors import BROKEN_PIPE, BUG, INTERRUPTED, MarkabError, StorageError

if TYPE_CHECKING:
    from markab.errors import Problem

_OF_THE_DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE)
PROBLEMS_SHOWN = 50
"""In a document with more problems one usually repeats; the rest are counted."""


def report(error: BaseException, *, json: bool = False, verbose: int = 0) -> int:
    """Print an error, and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        echo("interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, ReaderGone):
        return BROKEN_PIPE
    if not verbose:
        error = _of_the_machine(error)
    if json:
        try:
            echo_json({"error": error_object(error)})
        except (StorageError, ReaderGone):
            pass  # stdout is what failed; stderr has the error too
    text = error_text(error) if isinstance(error, MarkabError) else _bug_text(error, verbose)
    echo(text, err=True)
    return error.exit_code if isinstance(error, MarkabError) else BUG


def _of_the_machine(error: BaseException) -> BaseException:
    """Return the error of a disk, which no line of code foresaw, as a StorageError; any other as it is."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_DISK:
        return error
    where = f" {str(error.filename)!r}" if error.filename else ""
    return StorageError(
        f"a disk does not work as it should: {error.strerror}{where}", hint="mend it, and try again"
    )


def error_text(error: MarkabError) -> str:
    """Return an error as text, with its problems up to a limit."""
    problems: Sequence[Problem] = getattr(error, "problems", ())
    if not problems:
        return _block("error", error.message, error.hint)
    blocks = [warning_text(warning) for warning in getattr(error, "warnings", ())[:PROBLEMS_SHOWN]]
    blocks += [_block("error", str(problem), problem.hint) for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        blocks.append(f"… and {len(problems) - PROBLEMS_SHOWN:,} more")
    return "\n".join(blocks)


def warning_text(problem: Problem) -> str:
    """Return a warning as text."""
    return _block("warning", str(problem), problem.hint)


def error_object(error: BaseException) -> dict[str, object]:
    """Return an error as `--json` has it."""
    known = isinstance(error, MarkabError)
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "hint": error.hint if isinstance(error, MarkabError) else "",
        "exit_code": error.exit_code if isinstance(error, MarkabError) else BUG,
        "problems": [problem_object(p) for p in getattr(error, "problems", ())] if known else [],
    }


def problem_object(problem: Problem) -> dict[str, object]:
    """Return one problem as `--json` has it."""
    return {
        "kind": problem.kind,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.file,
        "line": problem.line,
    }


def _block(word: str, message: str, hint: str) -> str:
    text = f"{word}: " + message.replace("\n", "\n  ")
    return text + ("\n  hint: " + hint.replace("\n", "\n        ") if hint else "")


def _bug_text(error: BaseException, verbose: int) -> str:
    import platform

    from markab import __version__

    where = f"markab {__version__}, Python {platform.python_version()}, {platform.platform()}"
    lines = [f"error: {type(error).__name__}: {error}", "  this is a bug in Markab"]
    if verbose:
        import traceback

        lines.insert(0, "".join(traceback.format_exception(error)).rstrip())
        lines.append(f"  hint: report it with all of the above ({where})")
    else:
        lines.append(f"  hint: run the command again with -v, and report its output ({where})")
    return "\n".join(lines)
