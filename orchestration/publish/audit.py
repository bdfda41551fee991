"""The audit of a file before it is published: its tables, their rows, and personal data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.core.sql import identifier, literal
from orchestration.publish.generation import (
    GENERATION_TABLE,
    MARTS,
    UNTOUCHED,
    Part,
    connect,
    one_row,
    qualified,
    table_rows,
)

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

# Column names that speak of a person. `name` in dim_surveys is a survey's.
_PERSONAL_COLUMN = (
    r"((.*_)?(e_?mail|comment)s?(_(text|address|key))?|feedback|verbatim|raw_text"
    r"|(first_|last_|full_|given_|family_|middle_|customer_|person_|contact_|employee_)?name"
    r"|surname)"
)
_NAMES_ALLOWED = {("dim_surveys", "name")}
_EMAIL = r"[^\s@＠]+[@＠][^\s@＠]+\.[^\s@＠]+"


class PersonalDataError(UserError):
    """Marts hold what looks like personal data."""


def audit_file(
    workspace: Workspace,
    part: Part,
    path: Path,
    built: Mapping[str, int],
    unchanged: Collection[str] = (),
) -> None:
    """Open a closed file read-only and refuse it unless it holds the tables of the build.

    Args:
        workspace: whose memory limit holds.
        part: which of the two files it is; marts are searched for personal data.
        path: the file.
        built: the rows of each table of the build.
        unchanged: the tables that were searched when an earlier generation was published.

    Raises:
        UserError: the file can't be read, tables or row counts differ, or a text looks personal.
    """
    try:
        with connect(workspace) as connection:
            connection.execute(f"attach {literal(path)} as published (read_only)")
            sizes = "select block_size * total_blocks from pragma_database_size() "
            (blocks,) = one_row(connection.execute(f"{sizes} where database_name = 'published'"))
            if path.stat().st_size < blocks:
                raise UserError(f"{part.file_name}: is cut short; not published; {UNTOUCHED}")
            found = table_rows(connection, "published", part.schema)
            found.pop(GENERATION_TABLE, None)
            for name in sorted(built.keys() | found.keys()):
                if built.get(name) != found.get(name):
                    raise UserError(
                        f"{part.file_name}: {part.schema}.{name} differs from the build "
                        f"({built.get(name, 'no')} rows built, {found.get(name, 'no')} rows read); "
                        f"not published; {UNTOUCHED}"
                    )
            if part is MARTS:
                refuse_personal_data(connection, "published", part.schema, unchanged)
    except PersonalDataError as error:
        raise PersonalDataError(f"{error}; not published; {UNTOUCHED}") from None
    except duckdb.Error as error:
        raise UserError(
            f"{part.file_name}: the copy can't be read back ({reason_of(error)}), the disk "
            f"may be failing; not published; {UNTOUCHED}"
        ) from error


def refuse_personal_data(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    unchanged: Collection[str] = (),
) -> None:
    """Refuse a schema with a text column named like personal data, or with an e-mail in a text.

    Texts are searched for an at sign first: the pattern costs ten times as much.

    Raises:
        PersonalDataError: names the column and how many rows, never a value.
    """
    texts = connection.execute(
        "select table_name, column_name, "
        f"regexp_full_match(lower(column_name), {literal(_PERSONAL_COLUMN)}) "
        f"from duckdb_columns() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} "
        "and regexp_matches(data_type, 'VARCHAR|JSON|ENUM') order by table_name, column_index"
    ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column, personal in texts:
        if personal and (table, column) not in _NAMES_ALLOWED:
            raise PersonalDataError(
                f"{schema}.{table}.{column}: a column of this name may hold personal data; "
                "publish it in schema restricted or rename it"
            )
        columns.setdefault(table, []).append(column)
    for table in columns.keys() - set(unchanged):
        _refuse_emails(connection, qualified(database, schema, table), columns[table])


def _refuse_emails(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Collection[str]
) -> None:
    cells = {name: f"{identifier(name)}::varchar" for name in columns}
    signs = " or ".join(f"contains({c}, '@') or contains({c}, '＠')" for c in cells.values())
    (signed,) = one_row(connection.execute(f"select count(*) from {relation} where {signs}"))
    for name, cell in cells.items() if signed else ():
        sql = f"select count(*) from {relation} where regexp_matches({cell}, {literal(_EMAIL)})"
        (count,) = one_row(connection.execute(sql))
        if count:
            where = relation.split(".", 1)[-1].replace('"', "")  # the schema, not the file
            raise PersonalDataError(
                f"{where}.{name}: {count} rows hold something like an e-mail address; map another "
                "column to it in workspace.yml"
            )
