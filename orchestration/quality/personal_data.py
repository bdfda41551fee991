"""The search for personal data in what everybody may read."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from orchestration.core.duckdb_session import one_row
from orchestration.core.errors import UserError
from orchestration.core.sql import identifier, literal, qualified
from orchestration.workspace.segments import PERSONAL_NAME

# `name` in dim_surveys is a survey's.
_NAMES_ALLOWED = {("dim_surveys", "name")}
_EMAIL = r"[^\s@＠]+[@＠][^\s@＠]+\.[^\s@＠]+"


def refuse_personal_data(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    unchanged: Collection[str] = (),
) -> None:
    """Refuse a schema with a text column named like personal data, or with an e-mail in a text.

    Raises:
        UserError: names the column and how many rows, never a value.
    """
    texts = connection.execute(
        "select table_name, column_name, "
        f"regexp_full_match(lower(column_name), {literal(PERSONAL_NAME)}) "
        f"from duckdb_columns() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} "
        "and regexp_matches(data_type, 'VARCHAR|JSON|ENUM') order by table_name, column_index"
    ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column, personal in texts:
        if personal and (table, column) not in _NAMES_ALLOWED:
            raise UserError(
                f"{schema}.{table}.{column}: a column of this name may hold personal data; "
                "publish it in schema restricted or rename it"
            )
        columns.setdefault(table, []).append(column)
    for table in columns.keys() - set(unchanged):
        relation = qualified(database, schema, table)
        cells = {name: f"{identifier(name)}::varchar" for name in columns[table]}
        # an at sign is searched for first: the pattern costs ten times as much
        signs = " or ".join(f"contains({c}, '@') or contains({c}, '＠')" for c in cells.values())
        (signed,) = one_row(connection.execute(f"select count(*) from {relation} where {signs}"))
        for name, cell in cells.items() if signed else ():
            sql = f"select count(*) from {relation} where regexp_matches({cell}, {literal(_EMAIL)})"
            (count,) = one_row(connection.execute(sql))
            if count:
                where = _where(connection, relation, cell)
                raise UserError(
                    f"{schema}.{table}.{name}: {count} rows hold something like an e-mail address"
                    f"{where}; map another column to it in workspace.yml, or take the file out by "
                    "`nps withdraw`"
                )


def _where(connection: duckdb.DuckDBPyConnection, relation: str, cell: str) -> str:
    """The sources of the rows with an e-mail in a cell, and the key of one, where there are any."""
    columns = {
        name: kind for name, kind, *_ in connection.execute(f"describe {relation}").fetchall()
    }
    parts = []
    if "source" in columns:
        sql = (
            f"select string_agg(distinct source, ', ' order by source) from {relation} "
            f"where regexp_matches({cell}, {literal(_EMAIL)})"
        )
        parts.append(f"source {one_row(connection.execute(sql))[0]}")
    key = next((name for name, kind in columns.items() if kind == "UUID"), None)
    if key:
        sql = (
            f"select min({identifier(key)}) from {relation} "
            f"where regexp_matches({cell}, {literal(_EMAIL)})"
        )
        parts.append(f"first {key} {one_row(connection.execute(sql))[0]}")
    return f" ({', '.join(parts)})" if parts else ""
