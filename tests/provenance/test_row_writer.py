"""Rows into a database in masses: all of them, as they are, whatever is in them and however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from markab.provenance import row_writer as module
from markab.provenance.database import connected, create_tables, transaction
from markab.provenance.database_location import memory_target
from markab.provenance.row_writer import Shape, Writer

CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with connected(memory_target()) as connection:
        create_tables(connection)
        yield connection


def stored(connection: Connection, table: str, rows: list[Any], shape: Shape | None = None) -> list[Any]:
    """Return what a table holds after rows were added to none."""
    with transaction(connection):
        connection.exec_driver_sql(f"DELETE FROM {table}")
        Writer(connection).insert(table, rows, shape)
    return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4")]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(CELLS, CELLS), max_size=9))
def test_what_is_read_is_what_was_written(connection: Connection, cells: list[Any]) -> None:
    """Text of any kind, integers of 64 bits, every bit of a float, nothing."""
    words = [(n, "a", 1.5, 1, repr(cell)) for n, (cell, _) in enumerate(cells)]
    assert words == stored(connection, "jobstate", words)

    texts = [(n, "a", 1.5, 1, cell) for n, (cell, _) in enumerate(cells) if not isinstance(cell, int | float)]
    assert texts == stored(connection, "jobstate", texts)

    numbers = [(n, "a", cell, 1, None) for n, (_, cell) in enumerate(cells) if isinstance(cell, int | float)]
    assert numbers == stored(connection, "jobstate", numbers)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 128, 500])
def test_any_number_of_rows_is_written_each_once(connection: Connection, count: int) -> None:
    rows = [(n, "SUBMIT", n + 0.5, 1, None) for n in range(count)]
    assert rows == stored(connection, "jobstate", rows)


@pytest.mark.parametrize("count", [1, 64, 100])
def test_an_entry_of_a_shape_becomes_all_its_rows(connection: Connection, count: int) -> None:
    shape: Shape = ((..., "it's", ..., 7, None), (..., "why?", ..., 8, ...))
    entries = [(n, 1.5, n, 2.5, f"reason {n}") for n in range(count)]

    rows = stored(connection, "jobstate", entries, shape)

    assert rows == [
        row for n in range(count) for row in ((n, "it's", 1.5, 7, None), (n, "why?", 2.5, 8, f"reason {n}"))
    ]
    assert rows == [tuple(row) for row in module._filled(entries, shape)]  # what a server is sent


def test_putting_a_shape_replaces_what_is_there(connection: Connection) -> None:
    shape: Shape = ((..., "size", ...), (..., "unit", "K"))
    with transaction(connection):
        connection.exec_driver_sql("INSERT INTO rc_meta VALUES (1, 'size', 'old'), (1, 'other', 'kept')")
        Writer(connection).put("rc_meta", [(1, "new", 1), (2, "9", 2)], shape)

    rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM rc_meta ORDER BY 1, 2")]
    assert rows == [
        (1, "other", "kept"),
        (1, "size", "new"),
        (1, "unit", "K"),
        (2, "size", "9"),
        (2, "unit", "K"),
    ]
