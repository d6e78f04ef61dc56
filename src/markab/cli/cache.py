"""`markab cache`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, verbose_option
from markab.cli.output import echo, echo_json
from markab.formatting import count, printable_line, size

ACTIONS = ("list", "size", "prune", "verify", "rebuild")


@command()
@click.argument("action", type=click.Choice(ACTIONS))
@click.option(
    "--to",
    metavar="SIZE",
    help="With prune: leave at most so much, such as 5GB; MB without a unit. What the store may take by default.",
)
@click.option(
    "--older",
    metavar="AGE",
    help="With prune: remove and forget what was not used for so long: 12h, 30d, 8w; days without a unit.",
)
@click.option("--dry-run", is_flag=True, help="With prune: print what would be removed, and change nothing.")
@click.option("--remove", is_flag=True, help="With verify: remove or forget what is altered or gone.")
@click.option("--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default.")
@json_option("Print objects.")
@verbose_option
def cache(action: str, **flags: Any) -> int:
    """List, measure, prune, verify and rebuild the cache: what earlier runs made, for `--reuse-policy content`.

    \b
    list     the runs whose results can be found, the newest first, and where these are
    size     the files and bytes that are remembered and kept
    prune    remove kept files, the least recently used first, until they fit; with --older also software environments
    verify   read all results and kept files; exits with 1 if one was altered
    rebuild  enter what all your runs made, and those below the current directory

    Software environments are in use while a run with them goes on, and then stay. Kept files are hard links: one that is also a result elsewhere needs no space.
    Results themselves are never removed, only forgotten.
    """
    _check(action, flags)
    return _ACTIONS[action](flags)


def _check(action: str, flags: dict[str, Any]) -> None:
    for name, belongs in (("to", "prune"), ("older", "prune"), ("dry_run", "prune"), ("remove", "verify")):
        if flags[name] and action != belongs:
            raise click.UsageError(f"--{name.replace('_', '-')} is for `{belongs}`")


def _list(flags: dict[str, Any]) -> int:
    runs, warnings = operations.list_cache(flags["conf"])
    _warn(warnings)
    if flags["as_json"]:
        echo_json([run._asdict() for run in runs])
    else:
        echo("".join(f"{_line(run)}\n" for run in runs), nl=False)
    return 0


def _line(run: Any) -> str:
    planned = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.planned_s))
    amounts = f"{count(run.jobs, 'job'):>12}  {count(run.files, 'file'):>12}  {size(run.size_bytes):>8}"
    where = "".join(f"\n    in {printable_line(folder)}" for folder in run.where)
    return f"{planned}  {amounts}  {printable_line(run.workflow)}  {printable_line(run.submit_dir)}{where}"


def _size(flags: dict[str, Any]) -> int:
    measured, warnings = operations.cache_size(flags["conf"])
    _warn(warnings)
    if flags["as_json"]:
        echo_json(measured._asdict())
        return 0
    shared = f", and {size(measured.shared_bytes)} more that are also results elsewhere"
    echo(
        f"index  {printable_line(measured.index_file)}: {size(measured.index_bytes)},"
        f" {count(measured.results, 'job')} of {count(measured.runs, 'run')},"
        f" {count(measured.places, 'place')} of files\n"
        f"store  {printable_line(measured.store_directory)}: {count(measured.contents, 'file')},"
        f" {size(measured.content_bytes)} of {size(measured.budget_bytes)}"
        f"{shared if measured.shared_bytes else ''}"
    )
    if measured.environments:
        environments = count(measured.environments, "software environment")
        place = printable_line(measured.environments_directory)
        echo(f"envs   {place}: {environments}, {size(measured.environment_bytes)}")
    return 0


def _prune(flags: dict[str, Any]) -> int:
    from markab.spec.units import age_s, amount_mb

    to_mb = _amount("--to", flags["to"], lambda text: amount_mb(text, "MB"), "a size, such as 5GB")
    older_s = _amount("--older", flags["older"], age_s, "an age, such as 12h, 30d or 8w")
    to_bytes = None if to_mb is None else int(to_mb) * 2**20
    pruned, warnings = operations.prune_cache(to_bytes, older_s, dry_run=flags["dry_run"], conf=flags["conf"])
    _warn(warnings)
    removed = pruned.contents.removed
    if flags["as_json"]:
        contents = [{"sha256": one.sha256, "size_bytes": one.size_bytes} for one in removed]
        environments = [one._asdict() for one in pruned.environments]
        forgotten = [run._asdict() for run in pruned.runs]
        echo_json({"removed": contents, "forgotten": forgotten, "environments": environments})
        return 0
    would = "would be " if flags["dry_run"] else ""
    freed = size(sum(one.own_bytes for one in removed))
    left = f"{count(pruned.contents.left, 'file')} with {size(pruned.contents.left_bytes)} left"
    echo(f"{count(len(removed), 'kept file')} {would}removed, {freed} {would}freed; {left}")
    for one in pruned.environments:
        echo(f"{would}removed: {printable_line(one.path)}, {size(one.size_bytes)}")
    for run in pruned.runs:
        echo(f"{would}forgotten: {_line(run)}")
    return 0


def _amount(option: str, text: str | None, read: Callable[[str], float], what: str) -> float | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise click.UsageError(f"{option} takes {what}, not {text!r}") from None


def _verify(flags: dict[str, Any]) -> int:
    is_text = not flags["as_json"]
    found, warnings = operations.verify_cache(
        remove=flags["remove"], conf=flags["conf"], report=echo if is_text else lambda _: None
    )
    _warn(warnings)
    if is_text:
        lines = [f"{count(found.files, 'file')} with {size(found.size_bytes)} as they were made"]
        lines += [f"{count(len(found.altered), 'file')} altered"] if found.altered else []
        lines += [f"{count(found.removed, 'result')} removed since"] if found.removed else []
        lines += [f"{count(found.unreachable, 'result')} not reachable now"] if found.unreachable else []
        echo("; ".join(lines))
        if found.altered and not flags["remove"]:
            echo("hint: forget what was altered: markab cache verify --remove", err=True)
    else:
        echo_json(found._asdict())
    return 1 if found.altered else 0


def _rebuild(flags: dict[str, Any]) -> int:
    found, warnings = operations.rebuild_cache(conf=flags["conf"])
    _warn([*warnings, *found.unreadable])
    if flags["as_json"]:
        echo_json(found._asdict())
        return 0
    without = f"; {count(found.without, 'run')} without what reuse by content needs" if found.without else ""
    echo(f"{count(len(found.entered), 'run')} entered{without}")
    return 0


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        echo(f"warning: {warning}", err=True)


_ACTIONS = {"list": _list, "size": _size, "prune": _prune, "verify": _verify, "rebuild": _rebuild}
