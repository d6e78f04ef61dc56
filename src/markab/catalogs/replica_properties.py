"""The replica catalogs that the properties name: kinds, files and databases, of inputs and of registered outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from markab.catalogs.replica_database import DatabaseAddress, address_of
from markab.errors import DocumentError, Problem
from markab.spec.properties import Properties

KIND = "pegasus.catalog.replica"
OUTPUT = "pegasus.catalog.replica.output"
OUTPUT_KINDS = ("JDBCRC", "YAML", "File")
MEMBERS = "pegasus.catalog.replica.mrc"
MEMBER_KINDS = ("YAML", "File", "Directory", "Regex", "JDBCRC")
_NAME = re.compile(r"[A-Za-z]\w*\Z")


def catalog_kind(properties: Properties) -> str:
    """Return the kind of the replica catalog, YAML by default.

    Raises:
        DocumentError: the properties name an unknown kind.
    """
    return properties.choice(KIND, (*MEMBER_KINDS, "MRC", "Meta"), "YAML")


def members(properties: Properties) -> Iterator[str]:
    """Yield the property with the kind of each catalog of several (MRC), in their order."""
    yield from (f"{MEMBERS}.{name}" for name in properties.under(MEMBERS) if _NAME.match(name))


def default_catalog_file(kind: str) -> str:
    """Return the name of a catalog's file when the properties do not give one."""
    return "replicas.yml" if kind == "YAML" else "rc.txt"


def setting_key(properties: Properties, key: str, *names: str) -> str:
    """Return the first property that is set of `<key>.<name>`, for names in the order of their strength."""
    keys = [f"{key}.{name}" for name in names]
    return next((each for each in keys if properties.get(each, "").strip()), keys[0])


def url_key(properties: Properties, key: str) -> str:
    """Return the property with the URL of the database of the catalog whose kind is the property `key`."""
    return setting_key(properties, key, "db.url", "url")


def database_address(properties: Properties, key: str, directory: Path) -> DatabaseAddress:
    """Return the address of the database of the catalog whose kind, property `key`, is JDBCRC.

    Raises:
        DocumentError: its URL is not one of a known database.
    """
    name = url_key(properties, key)
    user = properties.get(setting_key(properties, key, "db.user", "user"), "")
    password = properties.get(setting_key(properties, key, "db.password", "password"), "")
    address = address_of(properties.get(name, ""), user, password)
    if address is None:
        raise _bad_url(
            properties,
            name,
            "must name an SQLite file, or a PostgreSQL or MySQL server",
            f"set {name}=jdbc:sqlite:/path/to/file.db, or jdbc:postgresql://HOST/DATABASE",
        )
    if address.kind == "sqlite":
        return DatabaseAddress("sqlite", os.path.join(directory, address.database))
    return address


def _bad_url(properties: Properties, key: str, what: str, hint: str) -> DocumentError:
    # The URL is not shown: that of a server may hold a password.
    place = properties.problem(key, "") if key in properties else Problem("")
    return DocumentError(Problem(f"property {key!r} {what}", hint, place.file, place.line, "bad-property"))


def output_catalog(properties: Properties, directory: Path) -> Path | None:
    """Return the SQLite file in which outputs are registered; None: the default one, or `is_output_elsewhere`.

    Raises:
        DocumentError: the properties name a catalog that cannot be written.
    """
    kind = properties.choice(OUTPUT, OUTPUT_KINDS, "JDBCRC")
    if kind != "JDBCRC":
        output_file(properties, directory)
        return None
    if url_key(properties, OUTPUT) not in properties:
        return None
    address = database_address(properties, OUTPUT, directory)
    return Path(address.database) if address.kind == "sqlite" else None


def is_output_elsewhere(properties: Properties, directory: Path) -> bool:
    """Return whether outputs are registered in something else than an SQLite file."""
    if properties.choice(OUTPUT, OUTPUT_KINDS, "JDBCRC") != "JDBCRC":
        return True
    is_named = url_key(properties, OUTPUT) in properties
    return is_named and database_address(properties, OUTPUT, directory).kind != "sqlite"


def output_file(properties: Properties, directory: Path) -> Path:
    """Return the file in which outputs are registered, if the kind is YAML or File.

    Raises:
        DocumentError: the properties do not name it.
    """
    key = setting_key(properties, OUTPUT, "file", "url")
    name = properties.get(key, "").strip()
    if not name:
        raise DocumentError(
            properties.problem(OUTPUT, f"it needs the property {key!r}", f"set {key} to a file")
        )
    return directory / name.removeprefix("file://")


def with_absolute_output(properties: Properties, directory: Path) -> None:
    """Write the path of the file of registered outputs, which starts at `directory`, in full into the properties."""
    key = setting_key(properties, OUTPUT, "file", "url")
    if properties.get(key, "").strip() and properties.choice(OUTPUT, OUTPUT_KINDS, "JDBCRC") != "JDBCRC":
        path = os.path.abspath(output_file(properties, directory))
        properties.put(key, path, properties.source(key))
