"""`pegasus-db-admin`: the version of a database of runs, and bringing it to another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import Decorator, options, pegasus_group, verbose_option
from markab.cli.output import echo

WHICH = options(
    click.argument("database_url", required=False),
    click.option("-c", "--conf", metavar="FILE", help="With -t: the properties that name the database."),
    click.option(
        *("-s", "--submitdir", "submit_dir"),
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="With -t: the submit directory whose database it is.",
    ),
    click.option(
        "-t", "--type", "kind", metavar="KIND", help="JDBCRC, MASTER or WORKFLOW; with -c, -s or -D."
    ),
    click.option("-D", "properties", multiple=True, metavar="KEY=VALUE", help="Set a property."),
    click.option("-d", "--debug", is_flag=True, help="Of an unexpected error, print the traceback."),
    click.option("-f", "--force", is_flag=True, help="Accepted; a copy is made before a file is changed."),
    verbose_option,
)
ALL = click.option(
    "-a", "--all", "is_all", is_flag=True, help="Also those of all runs in the list that have ended."
)


def _release(help: str) -> Decorator:
    return click.option("-V", "--version", "release", metavar="VERSION", help=help)


TO_RELEASE = _release("The version of Pegasus that it is to have.")


@command(name="create")
@WHICH
def create(**which: Any) -> None:
    """Create a database, or bring an older one up to date."""
    changed = operations.create_database(_target(which))
    if changed.is_new:
        echo("Pegasus database was successfully created.")
    _echo_version(changed.release, changed.place)


@command(name="downgrade")
@WHICH
@TO_RELEASE
@ALL
def downgrade(release: str | None, is_all: bool, **which: Any) -> int:
    """Bring a database back to the version before, or to that of -V; a copy of a file is made first."""
    return _change(which, release, is_all, back=True)


@command(name="update")
@WHICH
@TO_RELEASE
@ALL
def update(release: str | None, is_all: bool, **which: Any) -> int:
    """Bring a database to the newest version, or to that of -V; a copy of a file is made first."""
    return _change(which, release, is_all, back=False)


@command(name="check")
@WHICH
@_release("The version of Pegasus; the newest by default.")
@click.option("-e", "--version-value", is_flag=True, help="Print the number of the schema.")
def check(release: str | None, version_value: bool, **which: Any) -> int:
    """Exit with 0 if a database has the newest version, or that of -V."""
    target = _target(which)
    is_right, wanted = operations.is_compatible(target, release)
    if version_value:
        echo(str(operations.read_database_version(target)[0]))
    if not is_right:
        echo(f"Database is NOT compatible with version: {wanted} ({target.shown})", err=True)
    return 0 if is_right else 1


@command(name="version")
@WHICH
@click.option("-e", "--version-value", is_flag=True, help="Print the number of the schema.")
def version(version_value: bool, **which: Any) -> None:
    """Print the version of a database."""
    target = _target(which)
    number, release = operations.read_database_version(target)
    if version_value:
        echo(str(number))
    else:
        _echo_version(release, target.shown)


pegasus_db_admin = pegasus_group(
    "pegasus-db-admin",
    "Administer databases of runs. Without a URL or -t it is the list of all your runs.",
    (create, downgrade, update, check, version),
)


def _target(which: Mapping[str, Any]) -> operations.Target:
    pairs = [word.partition("=") for word in which["properties"]]
    if any(not equals for _, equals, _ in pairs):
        raise click.UsageError("-D takes KEY=VALUE")
    properties = {key: value for key, _, value in pairs}
    return operations.database_target(
        which["database_url"], which["submit_dir"], which["conf"], which["kind"], properties
    )


def _change(which: Mapping[str, Any], release: str | None, is_all: bool, *, back: bool) -> int:
    changed = operations.update_database(_target(which), release, back=back)
    _echo_change(changed)
    if not is_all:
        return 0
    echo("\nVerifying and updating workflow databases:")
    others = []
    for one in operations.update_all_databases(release, back=back):
        others.append(one)
        echo(f"  {one.place}: {one.error or ('its run has not ended' if one.is_active else one.release)}")
    failed = sum(bool(one.error) for one in others)
    active = sum(one.is_active for one in others)
    echo("\nSummary:")
    echo(f"  Verified/Updated: {len(others) - failed - active}/{len(others)}")
    echo(f"  Failed: {failed}/{len(others)}")
    echo(f"  Unable to update (active workflows): {active}/{len(others)}")
    return 1 if failed else 0


def _echo_change(changed: operations.Changed) -> None:
    if changed.is_new:
        echo(f"Database has been updated: {changed.place}")
    if changed.copy is not None:
        echo(f"Copy of the old one: {changed.copy}")
    _echo_version(changed.release, changed.place)


def _echo_version(release: str, place: str) -> None:
    echo(f"Database version: '{release}' ({place})")
