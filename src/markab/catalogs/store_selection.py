"""Which store a replica catalog needs: by its kind, its file name or content, or the properties."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from markab.catalogs.document_store import DocumentStore
from markab.catalogs.replica_database import DatabaseAddress
from markab.catalogs.replica_properties import (
    KIND,
    OUTPUT,
    OUTPUT_KINDS,
    catalog_kind,
    database_address,
    default_catalog_file,
    output_file,
)
from markab.catalogs.replica_store import ReplicaStore
from markab.errors import DocumentError, StorageError
from markab.spec.properties import Properties
from markab.transfers.beneath import open_regular

KindOfCatalog = Literal["YAML", "File", "JDBCRC"]
_SQLITE = b"SQLite format 3\0"


def open_store(path: Path, kind: KindOfCatalog | None = None) -> ReplicaStore:
    """Return the store for a catalog; its file is made by the first change.

    Args:
        path: its file.
        kind: its kind. None: by its suffix (`.yml`, `.yaml`; `.db`, `.sqlite`) or, if its
            content is SQLite's, JDBCRC; otherwise text.

    Raises:
        StorageError: it cannot be read.
    """
    kind = kind or _kind_of(path)
    if kind == "JDBCRC":
        from markab.catalogs.jdbcrc_store import JdbcrcStore  # the others work in a Python without SQLite

        return JdbcrcStore(DatabaseAddress("sqlite", str(path)))
    return DocumentStore(path, is_yaml=kind == "YAML")


def store_of_properties(properties: Properties, directory: Path) -> ReplicaStore:
    """Return the store of the catalog that the properties name: `replicas.yml` in `directory` by default.

    Raises:
        DocumentError: a catalog of this kind cannot be changed.
        StorageError: it cannot be read.
    """
    kind = catalog_kind(properties)
    if kind not in ("YAML", "File", "Regex", "JDBCRC"):
        raise DocumentError(
            properties.problem(
                KIND, f"a catalog of kind {kind} cannot be changed", "use YAML, File or JDBCRC"
            )
        )
    if kind == "JDBCRC":
        from markab.catalogs.jdbcrc_store import JdbcrcStore

        return JdbcrcStore(database_address(properties, KIND, directory))
    name = properties.get(f"{KIND}.file") or default_catalog_file(kind)
    return open_store(directory / name.removeprefix("file://"), "YAML" if kind == "YAML" else "File")


def output_store(properties: Properties, directory: Path) -> ReplicaStore:
    """Return the store in which outputs are registered, if that is not the default one.

    Raises:
        DocumentError: the properties do not name it.
    """
    kind = properties.choice(OUTPUT, OUTPUT_KINDS, "JDBCRC")
    if kind == "JDBCRC":
        from markab.catalogs.jdbcrc_store import JdbcrcStore

        return JdbcrcStore(database_address(properties, OUTPUT, directory))
    return DocumentStore(output_file(properties, directory), is_yaml=kind == "YAML")


def _kind_of(path: Path) -> KindOfCatalog:
    ending = path.suffix.lower()
    # Not opened to check: closing a file releases the locks that SQLite holds on it in this process.
    if ending in (".db", ".sqlite", ".sqlite3"):
        return "JDBCRC"
    try:
        with open(path, "rb", opener=open_regular) as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                return "JDBCRC"
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return "YAML" if ending in (".yml", ".yaml") else "File"
