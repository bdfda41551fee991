"""Compare the published tables of two workspaces, row by row.

    python -m benchmarks.same_tables <one>/published <other>/published

Rows are equal when every column but floats is equal (keys whatever their type: UUID or hex text)
and floats differ by at most 1e-9, relative where they are above 1. Prints a line for each table
that differs and exits with 1 if any does. `_generation` and `nps_restatements`, which depend on
when something was published, are skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from orchestration.core.sql import identifier

TOLERANCE = 1e-9
SKIPPED = {"_generation", "nps_restatements"}
SHOWN = 3


def main(arguments: list[str]) -> int:
    """Compare and print; 0: equal, 1: different, 2: wrong arguments."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    different = 0
    for schema, file_name in (("marts", "nps.duckdb"), ("restricted", "restricted.duckdb")):
        with duckdb.connect() as connection:
            for name, folder in zip(("one", "other"), arguments, strict=True):
                path = (Path(folder) / file_name).resolve()
                connection.execute(f"attach '{path}' as {name} (read_only)")
            different += _compare_schema(connection, schema)
    return 1 if different else 0


def _compare_schema(connection: duckdb.DuckDBPyConnection, schema: str) -> int:
    columns = {name: _columns(connection, name, schema) for name in ("one", "other")}
    different = 0
    for table in sorted(columns["one"].keys() | columns["other"].keys()):
        if table in SKIPPED:
            continue
        one, other = (columns[name].get(table) for name in ("one", "other"))
        problem = None
        if one is None or other is None:
            problem = f"only in {'the other' if one is None else 'the first'}"
        elif one.keys() != other.keys():
            problem = f"columns differ: {sorted(one.keys() ^ other.keys())}"
        else:
            problem = _difference(connection, schema, table, one)
        print(f"{schema}.{table}: {problem or 'equal'}")
        different += problem is not None
    return different


def _columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str
) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = ?",
        [database, schema],
    ).fetchall()
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def _difference(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, columns: dict[str, str]
) -> str | None:
    floats = [name for name, kind in columns.items() if kind in ("DOUBLE", "FLOAT")]
    exact = [name for name in columns if name not in floats]
    values = ", ".join(
        [
            *(
                f"""replace({identifier(name)}::varchar, '-', '') as {identifier(name)}"""
                if name.endswith("_key")
                else identifier(name)
                for name in exact
            ),
            *map(identifier, floats),
        ]
    )
    order = ", ".join(map(identifier, floats)) or "1"
    by = ", ".join(map(identifier, exact)) or "1"
    for name in ("one", "other"):
        connection.execute(
            f"create or replace temp view {name}_rows as "
            f"select *, row_number() over (partition by {by} order by {order}) as _number "
            f"from (select {values} from {name}.{schema}.{table})"
        )
    same = " and ".join(
        f"a.{identifier(name)} is not distinct from b.{identifier(name)}"
        for name in (*exact, "_number")
    )
    missing = connection.execute(
        "select count(*) filter (where b._number is null), "
        "count(*) filter (where a._number is null) "
        f"from one_rows as a full join other_rows as b on {same}"
    ).fetchone()
    if missing != (0, 0):
        return f"{missing[0]} rows only in the first, {missing[1]} only in the other"
    far = {
        name: connection.execute(
            f"select count(*) from one_rows as a join other_rows as b on {same} where "
            f'(a."{name}" is null) <> (b."{name}" is null) or abs(a."{name}" - b."{name}") > '
            f'{TOLERANCE} * greatest(1, abs(a."{name}"))'
        ).fetchone()[0]
        for name in floats
    }
    named = [f"{name} in {count} rows" for name, count in far.items() if count]
    return f"floats differ: {', '.join(named)}" if named else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
