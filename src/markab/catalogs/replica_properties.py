"""The replica catalogs that the properties name: kinds and files, of inputs and of registered outputs."""

from __future__ import annotations

from pathlib import Path

from markab.errors import DocumentError, Problem
from markab.spec.properties import Properties

KIND = "pegasus.catalog.replica"
OUTPUT = "pegasus.catalog.replica.output"
_URL = "jdbc:sqlite:"


def catalog_kind(properties: Properties) -> str:
    """Return the kind of the replica catalog, YAML by default.

    Raises:
        DocumentError: the properties name an unknown kind.
    """
    return properties.choice(KIND, ("YAML", "File", "Directory", "Regex", "JDBCRC", "MRC", "Meta"), "YAML")


def default_catalog_file(kind: str) -> str:
    """Return the name of a catalog's file when the properties do not give one."""
    return "replicas.yml" if kind == "YAML" else "rc.txt"


def sqlite_file(properties: Properties, key: str, directory: Path) -> Path:
    """Return the SQLite file of the catalog whose kind, property `key`, is JDBCRC.

    Raises:
        DocumentError: `<key>.db.url` does not name one.
    """
    name = f"{key}.db.url"
    url = properties.get(name, "")
    if not url.startswith(_URL) or url == _URL:
        # The URL is not shown: that of a server may hold a password.
        raise DocumentError(
            Problem(
                f"property {name!r} must name an SQLite file",
                f"set {name}={_URL}/path/to/file.db",
                kind="bad-property",
            )
        )
    return directory / url.removeprefix(_URL)


def output_catalog(properties: Properties, directory: Path) -> Path | None:
    """Return the file in which outputs are registered; None: the default one, in the submit directory.

    Raises:
        DocumentError: the properties name a kind of catalog that cannot be written.
    """
    if properties.get(OUTPUT, "JDBCRC").strip().upper() != "JDBCRC":
        hint = f"set it to JDBCRC; or remove it, and `markab replica` can read {'<workflow>-0.replicas.db'!r}"
        raise DocumentError(
            properties.problem(OUTPUT, "outputs are registered in an SQLite file, JDBCRC", hint)
        )
    if f"{OUTPUT}.db.url" not in properties:
        return None
    return sqlite_file(properties, OUTPUT, directory)
