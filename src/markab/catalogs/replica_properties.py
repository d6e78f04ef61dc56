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
    """Return the file in which outputs are registered; None: the default one, in the submit directory.

    Raises:
        DocumentError: the properties name a kind of catalog that cannot be written.
    """
    if properties.get(OUTPUT, "JDBCRC").strip().upper() != "JDBCRC":
        hint = f"set it to JDBCRC; or remove it, and `markab replica` can read {'<workflow>-0.replicas.db'!r}"
        raise DocumentError(
            properties.problem(OUTPUT, "outputs are registered in an SQLite file, JDBCRC", hint)
        )
    key = url_key(properties, OUTPUT)
    if key not in properties:
        return None
    address = address_of(properties[key])
    if address is None or address.kind != "sqlite":
        raise _bad_url(properties, key, "must name an SQLite file", f"set {key}=jdbc:sqlite:/path/to/file.db")
    return directory / address.database
