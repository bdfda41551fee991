"""The hand-written script and the models make the same tables of the same deliveries."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import duckdb
import e2e_support as e2e
import pytest

from benchmarks import baseline, generate, ingest

ANSWERS = 3000
FOUNDATION = Path(__file__).parents[2] / "models" / "marts" / "foundation"
TABLES = sorted({path.stem for path in FOUNDATION.glob("*.sql")} - baseline.LEFT_OUT)
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated workspace with one day added, built by both."""
    root = tmp_path_factory.mktemp("benchmark") / "workspace"
    generate.generate(root, ANSWERS)
    generate.add_day(root, ANSWERS, 1)
    baseline.run(root)
    e2e.build(root, only=TABLES)
    return root


@pytest.fixture(scope="module")
def both(built: Path):
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{built}/published/nps.duckdb' as product (read_only)")
        connection.execute(f"attach '{built}/baseline/nps.duckdb' as script (read_only)")
        yield connection


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return connection.execute(
        f"select column_name, column_type from (describe {relation})"
    ).fetchall()


def test_the_script_makes_the_tables_of_the_foundation(both: duckdb.DuckDBPyConnection) -> None:
    made = both.execute(
        "select table_name from duckdb_tables() where database_name = 'script' order by 1"
    ).fetchall()
    assert [name for (name,) in made] == TABLES


@pytest.mark.parametrize("table", TABLES)
def test_script_and_models_agree(both: duckdb.DuckDBPyConnection, table: str) -> None:
    product, script = f"product.marts.{table}", f"script.main.{table}"
    # the script's keys are text
    columns = [(name, kind.replace("UUID", "VARCHAR")) for name, kind in _columns(both, product)]
    assert _columns(both, script) == columns
    # doubles last: a sum's last bits depend on the order of its rows, and must not decide the sorting
    doubles = [name for name, kind in columns if kind == "DOUBLE"]
    exact = [name for name, kind in columns if kind != "DOUBLE"]
    order = ", ".join([*exact, *(f"round({name}, 4)" for name in doubles)])
    as_text = [
        f"replace({name}::varchar, '-', '') as {name}" if name.endswith("_key") else name
        for name in exact
    ]
    query = f"select {', '.join([*as_text, *doubles])} from {{}} order by {order}"
    mine, theirs = (both.execute(query.format(each)).fetchall() for each in (script, product))
    assert len(mine) == len(theirs) > 0
    for row, other in zip(mine, theirs, strict=True):
        assert row[: len(exact)] == other[: len(exact)]
        for value, known in zip(row[len(exact) :], other[len(exact) :], strict=True):
            assert (value is None) == (known is None)
            assert value is None or math.isclose(value, known, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


# What a delivery must hold for the comparison to say anything.
@pytest.mark.parametrize(
    "query",
    [
        "select min(n) from (select sum(columns('rows_(accepted|quarantined|duplicate|superseded|"
        "deleted)')) from product.marts.ingest_reconciliation) as t (a, b, c, d, e), "
        "unnest([a, b, c, d, e]) as u (n)",
        "select count(*) from product.marts.dim_customers where is_inferred",
        "select count(*) from product.marts.dim_customer_history where valid_to is not null",
        "select count(*) from product.marts.fct_nps_responses where customer_key is null",
        "select count(*) from product.marts.fct_nps_churn where days_to_churn is not null",
        "select count(*) from product.marts.fct_nps_churn where not was_active_at_answer",
        "select count(*) from product.marts.nps_outcomes_by_class where nps_class = 'no_response'",
        "select count(*) from product.marts.nps_outcomes_by_class where churned > 0",
        "select count(*) from product.marts.customer_nps_features where score_trend <> 0",
        "select count(*) from product.marts.customer_nps_features where responses_90d > 1",
        "select count(*) from product.marts.fct_nps_by_segment_period where is_suppressed",
    ],
)
def test_the_deliveries_have_everything_that_could_differ(
    both: duckdb.DuckDBPyConnection, query: str
) -> None:
    assert both.execute(query).fetchall()[0][0] > 0


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    def written(name: str, **options: int) -> dict[str, str]:
        generate.generate(tmp_path / name, 400, **options)
        return e2e.hashes_below(tmp_path / name)

    once = written("once")
    assert written("again") == once
    assert written("else", seed=2).keys() == once.keys()
    assert written("else", seed=2) != once


def test_a_workspace_has_as_many_answers_as_asked_for(built: Path) -> None:
    ((answers,),) = duckdb.execute(
        "select count(distinct id) from read_csv($files, all_varchar = true, header = true, "
        "delim = ',', quote = '\"', escape = '\"') where id like 'R%'",
        {"files": f"{built}/landing/pulse/responses_202[45]*.csv"},
    ).fetchall()
    assert answers == ANSWERS


def test_the_command_lines_say_what_they_need() -> None:
    for module in ("generate", "baseline", "bench", "memory", "small_files"):
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", "--help"],
            cwd=e2e.REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"python -m benchmarks.{module}" in done.stdout


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_ingest_benchmark_compares_equal_rows(tmp_path: Path, kind: str) -> None:
    """What DuckDB writes of the file is what the lake has of it."""
    ingest.deliver(tmp_path / kind, kind, ANSWERS)
    assert ingest.by_product(tmp_path / kind) == ANSWERS
    assert ingest.by_duckdb(tmp_path / kind, kind) == ANSWERS
    with duckdb.connect() as connection:
        lake, script = (
            connection.execute(query).fetchall()
            for query in (
                "select response_id, customer_id, email, score, comment "
                f"from '{tmp_path}/{kind}/lake/raw/survey_responses/pulse-*.parquet' order by all",
                "select id, customer, email, score::varchar, comment "
                f"from '{tmp_path}/{kind}/duckdb.parquet' order by all",
            )
        )
    assert lake == script
