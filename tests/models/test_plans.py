"""How DuckDB plans the models: joins that compare every row with every other are found here.

An outer join by more than equalities, comparisons of ranges and conditions on one side has no
better plan than that, whatever the tables hold: its time grows with the square of the answers. An
inner join has one as soon as there is an equality.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dbt_support import compiled, empty_database, nodes

PAIRWISE = ("BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN")


def pairwise(plan: dict[str, Any]) -> Iterator[str]:
    """The conditions of a plan's outer joins, and the like, that compare every pair of rows."""
    about = plan["extra_info"]
    if plan["name"].strip() in PAIRWISE and about["Join Type"] != "INNER":
        yield str(about.get("Condition") or about.get("Conditions"))
    for child in plan["children"]:
        yield from pairwise(child)


@pytest.fixture(scope="module")
def connection():
    with empty_database() as connection:
        connection.execute("create table pairs (a int, b int, text varchar)")
        yield connection


def found(connection, sql: str) -> list[str]:
    ((_, plan),) = connection.execute(f"explain (format json) {sql}").fetchall()
    return list(pairwise(json.loads(plan)[0]))


def test_no_outer_join_of_a_model_compares_every_pair(connection):
    slow = {
        name: conditions
        for name, node in nodes("model").items()
        if node["language"] == "sql" and (conditions := found(connection, compiled(name)))
    }
    assert slow == {}


def test_such_a_join_is_found(connection):
    sql = "select 1 from pairs as x left join pairs as y on x.a = y.a and x.text like y.text"
    assert len(found(connection, sql)) == 1
    assert found(connection, sql.replace("left", "inner")) == []
