"""Administering databases of runs: their version, and bringing them to another one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markab.errors import MarkabError, StorageError

if TYPE_CHECKING:
    from markab.provenance.database_location import Target

KINDS = ("JDBCRC", "MASTER", "WORKFLOW")
_PREFIXES = {
    "JDBCRC": "pegasus.catalog.replica.db",
    "MASTER": "pegasus.catalog.master",
    "WORKFLOW": "pegasus.catalog.workflow",
}
_OLD_KEYS = {"MASTER": "pegasus.dashboard.output", "WORKFLOW": "pegasus.monitord.output"}


class Changed(NamedTuple):
    """A database that was brought to a version."""

    place: str
    """Its URL, without a password."""
    release: str
    """The release of Pegasus that has this version."""
    is_new: bool
    """It was created, or it was changed."""
    copy: Path | None = None
    """The old file, if there was one and it was changed."""
    error: str = ""
    """Why it was not changed; it is one of many."""
    is_active: bool = False
    """It was not changed because its run has not ended."""


def database_target(
    url: str | None = None,
    submit_dir: Path | None = None,
    conf: str | None = None,
    kind: str | None = None,
    properties: Mapping[str, str] | None = None,
) -> Target:
    """Return the database that is meant: by its URL, or that of a kind of a submit directory or of properties.

    Without any of them it is the list of all runs.

    Raises:
        StorageError: the words do not fit together, or name no database.
        NotARun: there is no such submit directory.
        DocumentError: the file of properties is wrong.
    """
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.database_location import Target, master_target, parsed
    from markab.spec.properties import load_properties

    if url is not None:
        try:
            return Target(parsed(url, {}, ""))
        except StorageError as error:
            raise StorageError(
                "that is not the URL of an SQLite or PostgreSQL database", error.hint
            ) from None
    if kind is not None and kind.upper() not in KINDS:
        raise StorageError(f"there is no kind of database {kind!r}", hint=f"it is {', '.join(KINDS)}")
    if (kind is None) != (submit_dir is None and conf is None and not properties):
        raise StorageError("-t goes with -s, -c or -D", hint="for example -s SUBMIT_DIR -t WORKFLOW")
    if kind is None:
        return master_target(SubmitDir(Path()), {})
    if submit_dir is not None:
        return _target_of_run(submit_dir, kind.upper())
    known = load_properties(conf, dict(properties or {}))
    prefix = _PREFIXES[kind.upper()]
    text = known.get(f"{prefix}.url") or known.get(_OLD_KEYS.get(kind.upper(), ""))
    if text:
        return Target(parsed(text, dict(known), prefix.removesuffix(".db")))
    if kind.upper() == "MASTER":
        return master_target(SubmitDir(Path()), {})
    raise StorageError(
        f"the properties name no database of the kind {kind.upper()}", hint=f"set {prefix}.url"
    )


def read_database_version(target: Target) -> tuple[int, str]:
    """Return the version of a database: the number of its schema, and the release of Pegasus.

    Raises:
        StorageError: there is no database, or it cannot be read.
    """
    from markab.provenance.schema_versions import name_of, read_version

    number = read_version(target)
    return number, name_of(number)


def is_compatible(target: Target, release: str | None = None) -> tuple[bool, str]:
    """Return whether a database has the version of a release of Pegasus, the newest by default; and which that is.

    Raises:
        StorageError: as `read_database_version`; the release is not known.
    """
    from markab.provenance.schema_versions import name_of, read_version

    wanted = _wanted(release)
    return read_version(target) == wanted, name_of(wanted)


def create_database(target: Target) -> Changed:
    """Create the tables of a database. Raises StorageError."""
    from markab.provenance.schema_versions import create, name_of, read_version

    is_new = create(target)
    return Changed(target.shown, name_of(read_version(target)), is_new)


def update_database(target: Target, release: str | None = None, *, back: bool = False) -> Changed:
    """Bring a database to the version of a release, the newest by default, or `back`, to the one before by default.

    Raises:
        StorageError: there is none, it cannot be written, or the release is on the other side.
    """
    from markab.provenance.schema_versions import OLDEST, RELEASES, change, name_of, read_version

    number = read_version(target)
    wanted = _wanted(release)
    if back and release is None:
        wanted = max((known for known in RELEASES if known < number), default=0)
    if back and wanted < OLDEST:
        raise StorageError(f"{target.shown} has the oldest version that is known, {name_of(number)}")
    if wanted != number and (wanted < number) != back:
        way, other = ("an older", "update") if back else ("a newer", "downgrade")
        raise StorageError(
            f"{target.shown} has {way} version, {name_of(number)}", hint=f"pegasus-db-admin {other}"
        )
    copy = change(target, wanted)
    return Changed(target.shown, name_of(wanted), wanted != number, copy)


def update_all_databases(release: str | None = None, *, back: bool = False) -> Iterator[Changed]:
    """Do the same to the database of each run in the list of all runs that has ended.

    Raises:
        StorageError: the list cannot be read.
    """
    from markab.provenance.database_location import Target, parsed
    from markab.provenance.run_places import databases_of_runs

    for url, is_over in databases_of_runs():
        if not is_over:
            yield Changed(url, "", False, is_active=True)
            continue
        try:
            yield update_database(Target(parsed(url, {}, "pegasus.catalog.workflow")), release, back=back)
        except MarkabError as error:
            yield Changed(url, "", False, error=str(error))


def _target_of_run(submit_dir: Path, kind: str) -> Target:
    from markab.operations.replica_catalog import catalog_of_results
    from markab.operations.run_names import find_run
    from markab.plan.braindump import read_braindump
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.database_location import file_target, master_target, target_of

    directory = SubmitDir(find_run(submit_dir))
    braindump = read_braindump(directory.braindump)
    if kind == "WORKFLOW":
        return target_of(directory, braindump)
    if kind == "MASTER":
        return master_target(directory, braindump)
    catalog = catalog_of_results(directory.path)
    if catalog is None:
        raise StorageError(f"the run in {os.fspath(submit_dir)!r} registers no results")
    return file_target(catalog, is_ours=False)


def _wanted(release: str | None) -> int:
    from markab.provenance.schema_versions import RELEASES, number_of

    return number_of(release) if release else max(RELEASES)
