"""What tables hold: one hash whatever their physical order, and the search for personal data.

A table's checksum is the sum of a hash of each row. Sums add up: the checksum of a table of which
some rows were replaced follows from its old one and from those rows alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.sql import identifier, literal

GENERATION_TABLE = "_generation"
# Tables that tell what was published before: no function of the deliveries.
HISTORIES = frozenset({"nps_restatements"})

Columns = tuple[tuple[str, str], ...]


class PersonalDataError(UserError):
    """Marts hold what looks like personal data."""


@dataclass(frozen=True)
class TableContent:
    """What a table holds, whatever the order of its rows and columns.

    Attributes:
        columns: (name, type) of every column, sorted by name.
        rows: the number of rows.
        checksum: the sum over the rows of a 64-bit hash of each row.
    """

    columns: Columns
    rows: int
    checksum: int


# --- content ----------------------------------------------------------------------------------


def table_contents(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    names: Collection[str] | None = None,
) -> dict[str, TableContent]:
    """Read every column of every row of a schema's tables.

    Args:
        connection: a connection to which `database` is attached.
        database: the attached database's name.
        schema: the schema's name.
        names: the tables to read; None for all but `_generation`.

    Returns:
        Contents by table name, comparable between files written by the same DuckDB version.
    """
    columns = table_columns(connection, database, schema)
    if names is None:
        names = [name for name in columns if name != GENERATION_TABLE]
    return {
        name: read_content(connection, qualified(database, schema, name), sorted(columns[name]))
        for name in names
    }


def combined_hash(contents: Mapping[str, TableContent]) -> str:
    """SHA-256, in hex, over the tables in order of name: columns with types, count and sum.

    Two builds with equal content have equal hashes, whatever their ids, times and physical
    order. DuckDB's row hash may change with its version, which the ledger names beside it.
    """
    canonical = [
        [name, [list(column) for column in content.columns], content.rows, str(content.checksum)]
        for name, content in sorted(contents.items())
    ]
    text = json.dumps(canonical, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(contents: Mapping[str, TableContent]) -> str:
    """The hash of what was built: `combined_hash` without the tables that tell of publications.

    These depend on what was published before; all else follows from the deliveries alone, so
    that equal deliveries have equal hashes, in whatever order and however often they were built.
    """
    built = {name: content for name, content in contents.items() if name not in HISTORIES}
    return combined_hash(built)


def read_content(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Collection[tuple[str, str]],
    *,
    condition: str | None = None,
    searched: Collection[str] = (),
) -> TableContent:
    """Count and sum up a relation's rows, and refuse what looks like an e-mail, in one reading.

    Texts are searched for an at sign first; only where there is one they are matched with the
    pattern, which costs ten times as much even where it is not met.

    Args:
        connection: where the relation can be read.
        relation: as SQL.
        columns: (name, type), sorted by name; values are cast to the type (Parquet has fewer).
        condition: SQL that holds for the rows to read; None reads all.
        searched: the columns to search.

    Raises:
        PersonalDataError: a searched column holds something like an e-mail; names the column and
            how many rows, never a value.
    """
    values = ", ".join(f"{identifier(name)}::{kind}" for name, kind in columns)
    cells = {name: f"{identifier(name)}::varchar" for name in searched}
    signs = " or ".join(f"contains({c}, '@') or contains({c}, '＠')" for c in cells.values())
    rows_read = f"{relation} where ({condition or 'true'})"
    # A sum of row hashes does not see the rows' order, and unlike an exclusive or it sees a row
    # that comes twice. DuckDB combines columns by a plain exclusive or of their hashes; hashing
    # the result once more keeps values swapped between two rows from cancelling out in the sum.
    sql = (
        f"select count(*), coalesce(sum(hash(hash({values}))::hugeint), 0), "
        f"count(*) filter (where {signs or 'false'}) from {rows_read}"
    )
    rows, checksum, signed = one_row(connection.execute(sql))
    for name, cell in cells.items() if signed else ():
        sql = f"select count(*) from {rows_read} and regexp_matches({cell}, {literal(_EMAIL)})"
        (count,) = one_row(connection.execute(sql))
        if count:
            where = relation.split(".", 1)[-1].replace('"', "")  # the schema, not the file
            raise PersonalDataError(
                f"{where}.{name}: {count} rows hold something like an e-mail address; map another "
                "column to it in workspace.yml"
            )
    return TableContent(tuple(columns), int(rows), int(checksum))


def table_columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str
) -> dict[str, Columns]:
    """(name, type) of the columns of a schema's tables, as they stand in each; tables by name."""
    found: dict[str, Columns] = {}
    for table, name, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        f"where database_name = {literal(database)} and schema_name = {literal(schema)} "
        "and table_name in (select table_name from duckdb_tables() "
        f"where database_name = {literal(database)} and schema_name = {literal(schema)}) "
        "order by table_name, column_index"
    ).fetchall():
        found[table] = (*found.get(table, ()), (name, kind))
    return found


def table_rows(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str, names: Collection[str]
) -> dict[str, int]:
    """Rows of tables by name, counted: DuckDB answers from what it notes of each row group."""
    if not names:
        return {}
    counts = " union all ".join(
        f"select {literal(name)}, count(*) from {qualified(database, schema, name)}"
        for name in names
    )
    return dict(connection.execute(counts).fetchall())


def qualified(database: str, schema: str, table: str) -> str:
    """A table's full name, quoted for SQL."""
    return ".".join(map(identifier, (database, schema, table)))


def one_row(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """The first row of a result.

    Raises:
        duckdb.InvalidInputException: there is none.
    """
    row = result.fetchone()
    if row is None:
        raise duckdb.InvalidInputException("no row where one is needed")
    return row


# --- personal data ----------------------------------------------------------------------------

# Column names that speak of a person. `name` in dim_surveys is a survey's.
_PERSONAL_COLUMN = (
    r"((.*_)?(e_?mail|comment)s?(_(text|address|key))?|feedback|verbatim|raw_text"
    r"|(first_|last_|full_|given_|family_|middle_|customer_|person_|contact_|employee_)?name"
    r"|surname)"
)
_NAMES_ALLOWED = {("dim_surveys", "name")}
_EMAIL = r"[^\s@＠]+[@＠][^\s@＠]+\.[^\s@＠]+"


def refuse_personal_columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str
) -> dict[str, list[str]]:
    """Refuse a schema with a text column that is named like personal data.

    Returns:
        The text columns of each table that has any: those to search.

    Raises:
        PersonalDataError: names the column.
    """
    texts = connection.execute(
        "select table_name, column_name, "
        f"regexp_full_match(lower(column_name), {literal(_PERSONAL_COLUMN)}) "
        f"from duckdb_columns() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} "
        "and regexp_matches(data_type, 'VARCHAR|JSON|ENUM') order by table_name, column_index"
    ).fetchall()
    by_table: dict[str, list[str]] = {}
    for table, column, personal in texts:
        if personal and (table, column) not in _NAMES_ALLOWED:
            raise PersonalDataError(
                f"{schema}.{table}.{column}: a column of this name may hold personal data; "
                "publish it in schema restricted or rename it"
            )
        by_table.setdefault(table, []).append(column)
    return by_table
