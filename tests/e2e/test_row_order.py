"""Marts are functions of their rows: shuffled input and other thread counts give the same bits.

The sample is ingested once. Its whole warehouse is then built twice from the compiled SQL,
each table with its rows shuffled, and every mart must come out equal to the last bit. Amounts get a
seventh decimal, an odd number of half millionths: added up as doubles and then rounded to six
digits, as published, such sums depend on the order of the additions.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import e2e_support as e2e
import pytest
from dbt_support import compiled, compiled_inline, empty_database, nodes, ours, python_rows

from sample.generate import generate

# The row's own provenance decides what is added, so that every build gets the same amounts.
ODD_HALF_MILLIONTHS = "round({0} + 5e-7 * (2 * (hash(file_sha256, row_number) % 5000) + 1), 7)"


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    """The lake of the sample."""
    root = tmp_path_factory.mktemp("row-order")
    generate(root)
    return e2e.take_in(root).lake


def _models_in_order() -> list[str]:
    """All models, each after those that it reads."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for parent in nodes("model")[name]["depends_on"]["nodes"]:
            if parent.startswith("model."):
                add(parent.split(".")[-1])
        found.setdefault(name)

    for name in nodes("model"):
        add(name)
    return list(found)


def _built(lake: Path, *, seed: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory whose every table was shuffled before it was read."""
    connection = empty_database()
    connection.execute(f"set threads = {threads}")
    connection.execute(f"select setseed({seed / 100})")
    for name, source in ours("sources").items():
        if source["source_name"] != "raw":
            continue
        files = lake / source["meta"]["lake_path"]
        _shuffled(connection, f'nps.raw."{name}"', f"select * from read_parquet('{files}')")
    for name in _models_in_order():
        node = nodes("model")[name]
        if node["language"] == "python":
            connection.register("of_python", python_rows(connection, name))
            sql = "from of_python"
        else:
            sql = compiled(name)
        if node["schema"] == "staging":
            sql = _with_odd_amounts(connection, sql)
        _shuffled(connection, f'nps."{node["schema"]}"."{name}"', sql)
    return connection


def _shuffled(connection: duckdb.DuckDBPyConnection, table: str, sql: str) -> None:
    connection.execute(
        f"create or replace table {table} as select * from ({sql}\n) order by random()"
    )


def _with_odd_amounts(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    columns = connection.execute(f"describe {sql}").fetchall()
    changed = [
        f"{ODD_HALF_MILLIONTHS.format(name)} as {name}" if kind == "DOUBLE" else name
        for name, kind, *_ in columns
    ]
    return f"select {', '.join(changed)} from ({sql}\n)"


def _differing_columns(one: duckdb.DuckDBPyConnection, other: duckdb.DuckDBPyConnection) -> set:
    """The columns of marts and restricted tables that two builds fill with different bits."""
    found = set()
    for name, node in nodes("model").items():
        if node["schema"] not in ("marts", "restricted"):
            continue
        table = f'nps."{node["schema"]}"."{name}"'
        theirs = other.execute(f"from {table}").to_arrow_table()
        one.register("theirs", theirs)
        if _differ(one, table, "*"):
            columns = [column for column in theirs.column_names if _differ(one, table, column)]
            found |= {f"{name}.{column}" for column in columns or ["rows"]}
        one.unregister("theirs")
    return found


def _differ(connection: duckdb.DuckDBPyConnection, table: str, columns: str) -> bool:
    query = f"select {columns} from {{0}} except all select {columns} from {{1}}"
    return any(
        connection.execute(query.format(*pair) + " limit 1").fetchall()
        for pair in ((table, "theirs"), ("theirs", table))
    )


@pytest.mark.timeout(900)
def test_no_figure_depends_on_the_order_of_rows_or_on_threads(lake):
    first = _built(lake, seed=1, threads=1)
    (rows,) = first.execute("select count(*) from nps.marts.fct_nps_churn").fetchone()
    assert rows > 10_000
    with _built(lake, seed=2, threads=4) as again:
        assert not _differing_columns(first, again)
    first.close()


# --- the sum that makes it so -----------------------------------------------------------------

EXACT_RUNNING = """
select key, n, {{ exact_sum('x', 'over so_far') }} as s from t
window so_far as (partition by key order by n rows between unbounded preceding and current row)
"""


def _running(sql: str, keys: str) -> list[tuple]:
    """Running sums of the even keys, beside those of other keys."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create table t as select * from (
                select hash(n) % 50 as key, n, round(n * 0.1 + 5e-7, 7) as x from range(5000) as r (n)
            ) where {keys}
            """
        )
        return connection.execute(f"from ({sql}) where key % 2 = 0 order by all").fetchall()


def test_a_running_sum_depends_on_no_other_key():
    """DuckDB adds up windows in blocks of rows that belong to several keys."""
    exact = compiled_inline(EXACT_RUNNING)
    plain = re.sub(r"case.*?end as s", "sum(x) over so_far as s", exact, flags=re.DOTALL)
    assert _running(plain, "true") != _running(plain, "key % 2 = 0")
    assert _running(exact, "true") == _running(exact, "key % 2 = 0")
