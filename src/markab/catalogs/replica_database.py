"""The databases that can hold a replica catalog: an SQLite file, or a PostgreSQL or MySQL (MariaDB) server.

All have the tables of Pegasus' JDBCRC:

    rc_lfn   lfn_id, lfn                  one row a file
    rc_pfn   pfn_id, lfn_id, pfn, site    one row a place of it
    rc_meta  lfn_id, key, value           its metadata; `checksum.type` and `checksum.value` are its checksum

In statements, `?` stands for a value, and `{key}` for the column of that name, a word of MySQL's own.
The driver of a server is imported when the server is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

from markab.errors import StorageError

LOCK_TIMEOUT_S = 60.0
"""How long to wait for another process that writes."""
_CONNECT_TIMEOUT_S = 10
_COLUMNS = {
    "rc_lfn": ("lfn_id", "lfn"),
    "rc_pfn": ("pfn_id", "lfn_id", "pfn", "site"),
    "rc_meta": ("lfn_id", "{key}", "value"),
}


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one kind of database differs from the others."""

    title: str
    driver: str
    extra: str
    """Of this package, which brings the driver."""
    quoted: str
    placeholder: str
    """For a value, in the statements of the driver."""
    lock: str
    """Starts a change: only one process makes one at a time."""
    number: str
    """Type of an id that the database counts up."""
    text: str


_DIALECTS = {
    "sqlite": _Dialect(
        "SQLite",
        "sqlite3",
        "",
        '"{}"',
        "?",
        "BEGIN IMMEDIATE",
        "INTEGER PRIMARY KEY AUTOINCREMENT",
        "VARCHAR(245)",
    ),
    "postgresql": _Dialect(
        "PostgreSQL",
        "psycopg",
        "postgres",
        '"{}"',
        "%s",
        "SELECT pg_advisory_xact_lock(hashtext('rc_lfn'))",
        "BIGSERIAL PRIMARY KEY",
        "VARCHAR(245)",
    ),
    "mysql": _Dialect(
        "MySQL",
        "pymysql",
        "mysql",
        "`{}`",
        "%s",
        f"SELECT get_lock('rc_lfn', {LOCK_TIMEOUT_S:.0f})",
        "BIGINT AUTO_INCREMENT PRIMARY KEY",
        "VARCHAR(245) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ),
}
_SERVER_TABLES = (
    "CREATE TABLE IF NOT EXISTS rc_lfn (lfn_id {number}, lfn {text} NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS rc_pfn (pfn_id {number},"
    " lfn_id BIGINT NOT NULL REFERENCES rc_lfn(lfn_id) ON DELETE CASCADE,"
    " pfn {text} NOT NULL, site {text}, UNIQUE (lfn_id, pfn, site))",
    "CREATE TABLE IF NOT EXISTS rc_meta (lfn_id BIGINT NOT NULL REFERENCES rc_lfn(lfn_id) ON DELETE CASCADE,"
    " {key} {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (lfn_id, {key}))",
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is. It is never shown with its password."""

    kind: Literal["sqlite", "postgresql", "mysql"]
    database: str
    """Path of the file, or name of the database on the server."""
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = ()
    """For the driver."""

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return self.database
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.kind}://{user}{self.host}{port}/{self.database}"


class ReplicaDatabase:
    """An open database; errors of it are those of its driver."""

    def __init__(self, connection: Any, dialect: _Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Return the rows of a query."""
        cursor = self._connection.cursor()
        cursor.execute(self._written(statement), tuple(values))
        return iter(cursor)

    def execute(self, statement: str, values: Sequence[object] = ()) -> None:
        """Execute a statement that returns nothing."""
        self._connection.cursor().execute(self._written(statement), tuple(values))

    def begin(self, sqlite_tables: Sequence[str]) -> None:
        """Begin a change, which no other process makes at the same time; missing tables are created.

        Args:
            sqlite_tables: the statements that create the tables in an SQLite file.
        """
        if self._dialect.driver == "sqlite3":
            self.execute(self._dialect.lock)
            tables = sqlite_tables
        else:
            if next(self.rows(self._dialect.lock))[0] == 0:  # MySQL, when it has waited long enough
                raise StorageError(
                    "another process changes the replica catalog", "try again when that has ended"
                )
            tables = _SERVER_TABLES
        for table in tables:
            self.execute(table)

    def commit(self) -> None:
        """Make a change durable."""
        self._connection.commit()

    def has_tables(self) -> bool:
        """Return whether there are tables of a replica catalog."""
        if self._dialect.driver == "sqlite3":
            return bool(list(self.rows("SELECT 1 FROM sqlite_master WHERE name = 'rc_pfn'")))
        where = (
            "table_schema = database()"
            if self._dialect.driver == "pymysql"
            else "table_schema = any(current_schemas(false))"
        )
        return bool(
            list(
                self.rows(f"SELECT 1 FROM information_schema.tables WHERE {where} AND table_name = 'rc_pfn'")
            )
        )

    def missing_columns(self) -> list[str]:
        """Return what the tables lack of the schema, as TABLE, or TABLE.COLUMN."""
        found = []
        for table, columns in _COLUMNS.items():
            if self._fault(f"SELECT 1 FROM {table} WHERE 1 = 0"):
                found.append(table)
                continue
            found += [
                f"{table}.{column.strip('{}')}"
                for column in columns
                # Qualified: SQLite takes an unknown name between quotes for a text.
                if self._fault(f"SELECT {table}.{column} FROM {table} WHERE 1 = 0")
            ]
        return found

    def _fault(self, statement: str) -> bool:
        try:
            list(self.rows(statement))
        except Exception as error:
            if not isinstance(error, self._errors):
                raise
            self._connection.rollback()  # PostgreSQL takes no statement after one that failed
            return True
        return False

    @property
    def _errors(self) -> Any:
        return importlib.import_module(self._dialect.driver).Error

    def _written(self, statement: str) -> str:
        dialect = self._dialect
        words = {"key": dialect.quoted.format("key"), "number": dialect.number, "text": dialect.text}
        return statement.format(**words).replace("?", dialect.placeholder)


@contextmanager
def opened(address: DatabaseAddress, *, write: bool = False) -> Iterator[ReplicaDatabase]:
    """Open a database; without `write` nothing is made or changed. A change that is not committed is undone.

    Raises:
        StorageError: it cannot be reached, is locked, or has another schema; also of what fails inside.
    """
    dialect = _DIALECTS[address.kind]
    driver = _driver(address, dialect)
    # UnicodeDecodeError: SQLite checks no text, not even that of its errors.
    errors = (driver.Error, UnicodeDecodeError)
    try:
        connection = _connected(driver, address, write)
    except errors as error:
        raise StorageError(
            f"cannot open the replica catalog {str(address)!r}: {_first_line(error)}",
            hint="check that it is an SQLite file, and that you may read it"
            if address.kind == "sqlite"
            else f"check that the {dialect.title} server runs there, and the address, user and password in the properties",
        ) from error
    database = ReplicaDatabase(connection, dialect)
    try:
        yield database
    except errors as error:
        raise _storage_error(address, database, error, write) from error
    finally:
        with suppress(driver.Error):
            connection.close()


def _connected(driver: Any, address: DatabaseAddress, write: bool) -> Any:
    options: dict[str, Any] = dict(address.options)
    if address.kind == "sqlite":
        mode = "rwc" if write else "ro"
        name = f"file:{quote(str(Path(address.database).absolute()))}?mode={mode}"
        return driver.connect(name, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    known = {"host": address.host, "port": address.port, "user": address.user, "password": address.password}
    options = {key: value for key, value in known.items() if value} | options
    options["connect_timeout"] = _CONNECT_TIMEOUT_S
    if address.kind == "postgresql":
        return driver.connect(dbname=address.database, **options)
    return driver.connect(database=address.database, charset="utf8mb4", **options)


def _driver(address: DatabaseAddress, dialect: _Dialect) -> Any:
    try:
        return importlib.import_module(dialect.driver)
    except ImportError as error:
        if address.kind == "sqlite":
            raise StorageError(
                f"cannot read the replica catalog {str(address)!r}: this Python has no SQLite ({error})",
                hint="run Markab with a Python that has it, or use a YAML or text catalog",
            ) from error
        raise StorageError(
            f"cannot read the replica catalog {str(address)!r}: the driver of {dialect.title} is not installed",
            hint=f"pip install 'markab[{dialect.extra}]'",
        ) from error


def _storage_error(
    address: DatabaseAddress, database: ReplicaDatabase, error: Exception, write: bool
) -> StorageError:
    what, said = ("change" if write else "read"), _first_line(error)
    message = f"cannot {what} the replica catalog {str(address)!r}: {said}"
    if "locked" in said.lower() or "lock wait timeout" in said.lower():
        return StorageError(message, "another process writes to it: try again when that has ended")
    try:
        database._connection.rollback()
        missing = database.missing_columns()
    except Exception:  # it is gone, or no database at all
        return StorageError(message, "check that it is a replica catalog, and that you may use it")
    if missing:
        return StorageError(
            f"{message} (it has no {', '.join(missing)})",
            "it has another schema: check the address, or let the program that made it update it; "
            "a new catalog is made by `markab replica add`",
        )
    return StorageError(message, "check that you may use its tables rc_lfn, rc_pfn and rc_meta")


def _first_line(error: BaseException) -> str:
    """Return what a driver says, in one line."""
    if len(error.args) > 1 and isinstance(error.args[0], int):  # MySQL: number and text
        return str(error.args[1])
    return " ".join(str(error).split())


def address_of(url: str, user: str = "", password: str = "") -> DatabaseAddress | None:
    """Return the address in a URL, also in that of JDBC; None: it is none of a known kind.

    User and password in the URL are stronger than those given.
    """
    scheme, _, rest = url.strip().removeprefix("jdbc:").partition(":")
    kinds: dict[str, Literal["sqlite", "postgresql", "mysql"]] = {
        "sqlite": "sqlite",
        "postgresql": "postgresql",
        "postgres": "postgresql",
        "mysql": "mysql",
        "mariadb": "mysql",
    }
    kind = kinds.get(scheme.lower())
    if kind is None or not rest:
        return None
    if kind == "sqlite":
        path = "/" + rest.lstrip("/") if rest.startswith("///") else rest
        return None if path.startswith("//") or path == "/" else DatabaseAddress("sqlite", path)
    if not rest.startswith("//"):
        return None
    place, _, query = rest[2:].partition("?")
    server, _, database = place.rpartition("/") if "/" in place else (place, "", "")
    login, at, host = server.rpartition("@")
    if at:
        name, _, secret = login.partition(":")
        user, password = unquote(name), unquote(secret) or password
    host, port = _host_and_port(host)
    given = dict(part.partition("=")[::2] for part in query.split("&") if part)
    user, password = unquote(given.get("user", user)), unquote(given.get("password", password))
    options = tuple((key, unquote(given[key])) for key in _OPTIONS[kind] if key in given)
    if not database or port == 0:
        return None
    return DatabaseAddress(kind, unquote(database), host, port, user, password, options)


_OPTIONS: dict[str, Iterable[str]] = {
    "postgresql": ("host", "sslmode", "sslrootcert", "sslcert", "sslkey"),
    "mysql": ("unix_socket", "ssl_ca"),
}
"""Parameters of a URL that are given to the driver; the others are for Java."""


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Return host and port, which is 0 if it is no number."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), None
    return host.strip("[]"), int(port) if port.isdecimal() else 0
