"""The only place that quotes identifiers and literals for SQL."""

from __future__ import annotations


def identifier(name: str) -> str:
    """An identifier, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def qualified(database: str, schema: str, table: str) -> str:
    """A table's full name, quoted for SQL."""
    return ".".join(map(identifier, (database, schema, table)))


def literal(value: object) -> str:
    """A text literal, quoted for SQL; None is null.

    Used where a bound parameter would do, because binding any makes DuckDB's Python client
    import pandas, which costs seconds.
    """
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"
