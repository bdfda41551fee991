"""Evaluating checks by DuckDB alone, which is quicker where many mistakes are tried."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb

from expectations import Check, query_on


def failing(
    connection: duckdb.DuckDBPyConnection, checks: Iterable[tuple[str, Check]]
) -> set[tuple[str, str]]:
    """The failed ones of some (table of marts, check), by table and name."""
    return {
        (table, check.name)
        for table, check in checks
        if connection.sql(query_on(check, f"marts.{table}")).fetchone()
    }


def failing_after(
    connection: duckdb.DuckDBPyConnection, checks: Iterable[tuple[str, Check]], statements: str
) -> set[tuple[str, str]]:
    """The checks that fail after some statements, which are taken back."""
    connection.execute("begin")
    try:
        connection.execute(statements)
        return failing(connection, checks)
    finally:
        connection.execute("rollback")


def change(table: str, what: str, where: str) -> str:
    """An update of the first row, in the order of all columns, for which a condition holds."""
    return (
        f"update marts.{table} set {what} where rowid = "
        f"(select rowid from marts.{table} as t where {where} order by all limit 1)"
    )


def broken_by(
    mistake: str, good: Path, folder: Path, checks: Iterable[tuple[str, Check]]
) -> set[str]:
    """The checks that fail in a copy of a good warehouse after a statement, as `<table> <check>`.

    Args:
        mistake: a SQL statement.
        good: the warehouse's file.
        folder: where the copy is made.
        checks: of `<schema>.<table>` each.
    """
    with duckdb.connect(shutil.copy(good, folder / "bad.duckdb")) as connection:
        connection.execute(mistake)
        return {
            f"{table} {check.name}"
            for table, check in checks
            if connection.sql(query_on(check, table)).fetchone()
        }
