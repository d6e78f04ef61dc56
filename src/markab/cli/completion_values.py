"""The values that completion offers for the arguments and options of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[Any]]]

READ_BYTES = 10_000_000
"""A larger document is not read for the sake of a completion: it would take longer than a second."""
MOST = 500
"""Values that are offered: of a million jobs nobody reads the list, and more letters find the right one."""


def words(*values: str, has_commas: bool = False) -> Completer:
    """Return a completer for these words; with `has_commas`, for each of several with commas between them."""

    def complete(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
        before, comma, last = typed.rpartition(",") if has_commas else ("", "", typed)
        return _items(before + comma + value for value in values if value.startswith(last))

    return complete


def directories(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Leave it to the shell to complete a directory."""
    return [CompletionItem(typed, type="dir")]


def runs(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return the runs whose paths begin like that; also the request for directories, if one of them has no run."""
    from markab.operations.run_names import runs_below

    above = typed[: typed.rfind("/") + 1]
    place = Path(above)
    found = [f"{above}{run.relative_to(place)}" for run in runs_below(place) if run != place]
    found = [path for path in found if path.startswith(typed)]
    holding = {path[len(above) :].partition("/")[0] for path in found}
    others = [name for name in _names(place) if (above + name).startswith(typed) and name not in holding]
    wanted = [] if found and not others else directories(_, __, typed)
    return [*(CompletionItem(path, type="path") for path in found[:MOST]), *wanted]


def runs_or_jobs(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return runs, and the jobs of the surrounding run."""
    return [*_jobs(None, typed), *runs(context, parameter, typed)]


def jobs(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return the jobs of the run that stands before, or of the surrounding one."""
    return _jobs(_run_before(context), typed)


def lfns(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return the files of the run that stands before, or of the surrounding one."""
    return _lfns(_run_before(context), typed)


def runs_or_lfns(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return runs, and the files of the surrounding run."""
    return [*_lfns(None, typed), *runs(context, parameter, typed)]


def targets(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return what `--until` can name in the workflow document that stands before, or in ./workflow.yml."""
    from markab import operations

    named = context.params.get("workflow") or context.params.get("what") or next(iter(context.args), None)
    document = Path(named or "workflow.yml")
    if not document.is_file() or document.stat().st_size > READ_BYTES:
        return []
    return _found(lambda: operations.target_names(document), typed)


def parameters(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return the parameters of the script that stands before, each with `=`; or of ./workflow.py."""
    from markab import operations

    named = context.params.get("workflow") or context.params.get("what") or next(iter(context.args), None)
    script = Path(named or "workflow.py")
    if "=" in typed or not script.is_file() or script.stat().st_size > READ_BYTES:
        return []
    known = operations.parameter_names(script).items()
    return _found(lambda: ((f"{name}=", f"default: {default}") for name, default in known), typed)


def job_states(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
    """Return states of jobs."""
    from markab import operations

    return words(*operations.job_states(), has_commas=True)(_, __, typed)


def _run_before(context: click.Context) -> str | None:
    """Return the run that stands before; click assigns no argument while the last option has no value."""
    return context.params.get("run") or next(iter(context.args), None)


def _names(place: Path) -> list[str]:
    """Return the directories in a directory; none if it cannot be read."""
    try:
        return [one.name for one in place.iterdir() if one.name[0] != "." and one.is_dir()]
    except OSError:
        return []


def _jobs(run: str | None, typed: str) -> list[CompletionItem[Any]]:
    from markab import operations

    return _found(lambda: operations.job_names(run), typed)


def _lfns(run: str | None, typed: str) -> list[CompletionItem[Any]]:
    from markab import operations

    return _found(lambda: operations.lfns_of_run(run), typed)


def _found(names: Callable[[], Iterator[tuple[str, str]]], typed: str) -> list[CompletionItem[Any]]:
    """Return the names that begin like that with their helps; none if the run cannot be read."""
    from markab.errors import MarkabError

    try:
        named: Sequence[tuple[str, str]] = [*islice((n for n in names() if n[0].startswith(typed)), MOST)]
    except MarkabError:
        return []
    return [CompletionItem(name, help=help or None) for name, help in named]


def _items(values: Iterable[str]) -> list[CompletionItem[Any]]:
    return [CompletionItem(value) for value in islice(values, MOST)]
