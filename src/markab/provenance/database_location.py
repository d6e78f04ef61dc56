"""Where the database of a run is: in its submit directory, or where the properties of the run place it.

SQLAlchemy is imported only when a database URL is made or read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markab.errors import StorageError
from markab.plan.atomic_file import read_regular
from markab.plan.braindump import Braindump
from markab.plan.submit_dir import SubmitDir
from markab.spec import java_properties

if TYPE_CHECKING:
    from sqlalchemy import URL

WORKFLOW_KEYS = ("pegasus.catalog.workflow.url", "pegasus.monitord.output")
MASTER_KEYS = ("pegasus.catalog.master.url", "pegasus.dashboard.output")
"""The current name, and the older one."""
EVENTS = "pegasus.monitord.events"
"""Property: "false" means that no database is kept during the run, only made on request."""

_URL_FORMS = "write it as sqlite:////path/to/file.db or postgresql://user@host:port/database"
_DIALECTS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


@dataclass(frozen=True, slots=True)
class Target:
    """A database."""

    url: URL
    is_ours: bool = False
    """A file that holds only this run: it may be deleted and rebuilt."""
    note: str = ""
    """Why it is not at its default place."""

    @property
    def file(self) -> Path | None:
        """The SQLite file; None: a server, or memory."""
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return None
        return Path(self.url.database or "")

    @property
    def shown(self) -> str:
        """Its URL without a password, for messages, logs and databases."""
        secret = [key for key in self.url.query if "pass" in key.lower()]
        open_part = self.url.difference_update_query(secret)._replace(
            drivername=self.url.get_backend_name(), password=None
        )
        return open_part.render_as_string()


def file_target(path: Path, *, is_ours: bool = True, note: str = "") -> Target:
    """Return the target for an SQLite file."""
    from sqlalchemy import URL

    return Target(URL.create("sqlite", database=str(path)), is_ours, note)


def memory_target(note: str = "") -> Target:
    """Return a target in memory, lost when it is closed."""
    from sqlalchemy import URL

    return Target(URL.create("sqlite", database=":memory:"), True, note)


def default_database_file(directory: SubmitDir, braindump: Braindump) -> Path:
    """Return `<workflow>-<index>.stampede.db` in the submit directory, as Pegasus names it."""
    return directory.path / f"{braindump.get('pegasus_wf_name') or 'workflow-0'}.stampede.db"


def cache_file(uuid: str) -> Path:
    """Return where the database of another user's run is kept: below XDG_CACHE_HOME.

    Raises:
        StorageError: there is no home directory either.
    """
    base = os.environ.get("XDG_CACHE_HOME") or ""
    above = Path(base) if os.path.isabs(base) else _home() / ".cache"
    return above / "markab" / f"{uuid}.stampede.db"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise StorageError(
            "no home directory: HOME is not set, and the user has no entry in the password database",
            hint="set HOME",
        ) from error


def run_properties(directory: SubmitDir, braindump: Braindump) -> dict[str, str]:
    """Return the merged properties of a run; empty if they do not exist or cannot be read."""
    name = braindump.get("properties")
    if not name:
        return {}
    try:
        text = read_regular(directory.path / name).decode("utf-8", "replace")
    except (OSError, ValueError):  # only its owner can read the file, but every user can query a run
        return {}
    return {key: value for _, key, value in java_properties.parse(text)}


def has_database(properties: dict[str, str]) -> bool:
    """Return whether the database of a run with these properties is kept current during the run."""
    return properties.get(EVENTS, "").strip().lower() not in ("false", "no", "0", "off")


def parsed(text: str, properties: dict[str, str], prefix: str) -> URL:
    """Return the URL in a property, with user and password from `<prefix>.db.*` when it has none.

    Raises:
        StorageError: it is not a URL, or of an unsupported database. Never shows a password.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):  # the original message may show part of a password
        raise _not_a_url(prefix) from None
    dialect = _DIALECTS.get(url.get_backend_name())
    if dialect is None:
        raise StorageError(
            f"property {prefix + '.url'!r} names an unsupported database {url.get_backend_name()!r}; "
            "supported are SQLite and PostgreSQL",
            hint=_URL_FORMS,
        )
    in_memory = not url.database or url.database == ":memory:"
    if dialect == "sqlite" and (url.host or not (in_memory or os.path.isabs(url.database or ""))):
        raise StorageError(
            f"property {prefix + '.url'!r} names a file by a relative path",
            hint="write its absolute path, after three slashes: sqlite:////path/to/file.db",
        )
    if dialect != "sqlite" and "@" in f"{url.host}{url.database}":  # the end of a password
        raise _not_a_url(prefix)
    user = url.username or properties.get(f"{prefix}.db.user")
    password = url.password or properties.get(f"{prefix}.db.password")
    if dialect == "sqlite":
        return url.set(drivername=dialect)
    return url.set(drivername=dialect, username=user, password=password)


def _not_a_url(prefix: str) -> StorageError:
    return StorageError(
        f"property {prefix + '.url'!r} is not a database URL",
        hint=f"{_URL_FORMS}; write @ : / % in a password as %40 %3A %2F %25",
    )


def target_of(directory: SubmitDir, braindump: Braindump) -> Target:
    """Return the database of a run.

    Raises:
        StorageError: the property that names it is invalid.
    """
    properties = run_properties(directory, braindump)
    for key in WORKFLOW_KEYS:
        if text := properties.get(key, "").strip():
            return Target(parsed(text, properties, "pegasus.catalog.workflow"))
    return file_target(default_database_file(directory, braindump))


def master_target(directory: SubmitDir, braindump: Braindump) -> Target:
    """Return the database of all runs of this user: `~/.pegasus/workflow.db`, or the one a property names.

    Raises:
        StorageError: the property that names it is invalid, or there is no home directory.
    """
    properties = run_properties(directory, braindump)
    for key in MASTER_KEYS:
        if text := properties.get(key, "").strip():
            return Target(parsed(text, properties, "pegasus.catalog.master"))
    return file_target(_home() / ".pegasus" / "workflow.db", is_ours=False)
