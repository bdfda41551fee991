"""Great Expectations on DuckDB: what plain Great Expectations cannot do, and ours can."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from expectations import validate as module


@pytest.fixture(scope="module")
def context():
    return module._context()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "one.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.answers as select i as id from range(3) as t (i)")
    return path


@pytest.fixture
def source(context, request):
    """Makes a data source and removes it again."""
    made = []

    def make(kind: str, **arguments):
        source = getattr(context.data_sources, f"add_{kind}")(name=request.node.name, **arguments)
        made.append(source)
        return source

    yield make
    for each in made:
        context.data_sources.delete(each.name)
        close = getattr(each, "close", None) or each.get_engine().dispose
        close()


def _expectations():
    import great_expectations.expectations as gxe

    return [
        gxe.UnexpectedRowsExpectation(unexpected_rows_query="select id from {batch} where id < 0"),
        gxe.ExpectColumnValuesToNotBeNull(column="id"),
        gxe.ExpectColumnMaxToBeBetween(column="id", min_value=2, max_value=2),
    ]


@pytest.mark.filterwarnings("ignore")
def test_plain_great_expectations_cannot_read_duckdb(database, source):
    """When this fails, Great Expectations supports DuckDB: drop DuckDBExecutionEngine."""
    plain = source("sql", connection_string=f"duckdb:///{database}")
    batch = plain.add_table_asset(name="answers", schema_name="marts")
    batch = batch.add_batch_definition_whole_table("all").get_batch()
    results = [batch.validate(each) for each in _expectations()]
    assert [result.success for result in results] == [False, False, False]
    # what was found would be in the results; here nothing could be read at all
    assert all("Error" in str(result.exception_info) for result in results)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("read_only", [True, False])
def test_ours_can(database, source, read_only):
    ours = source("duckdb", database=str(database), read_only=read_only, table_schema="marts")
    batch = ours.add_table_asset(name="answers").add_batch_definition_whole_table("all").get_batch()
    results = [batch.validate(each) for each in _expectations()]
    assert [result.success for result in results] == [True, True, True]
    assert results[1].result["element_count"] == 3


@pytest.mark.filterwarnings("ignore")
def test_ours_can_fail(database, source):
    import great_expectations.expectations as gxe

    ours = source("duckdb", database=str(database), read_only=True, table_schema="marts")
    batch = ours.add_table_asset(name="answers").add_batch_definition_whole_table("all").get_batch()
    query = "select id from {batch} where id > 0"
    result = batch.validate(gxe.UnexpectedRowsExpectation(unexpected_rows_query=query))
    assert not result.success
    assert result.result["observed_value"] == 2


@pytest.mark.filterwarnings("ignore")
def test_views_over_parquet_in_memory(tmp_path, source):
    import great_expectations.expectations as gxe

    parquet = tmp_path / "it's a file.parquet"
    duckdb.sql("select 1 as id").write_parquet(str(parquet))
    ours = source("duckdb", table_schema="raw")
    with ours.get_engine().connect() as connection:
        connection.exec_driver_sql("create schema raw")
        quoted = str(parquet).replace("'", "''")
        connection.exec_driver_sql(f"create view raw.answers as from read_parquet('{quoted}')")
        connection.commit()
    batch = ours.add_table_asset(name="answers").add_batch_definition_whole_table("all").get_batch()
    assert batch.validate(gxe.ExpectColumnValuesToNotBeNull(column="id")).success


@pytest.mark.parametrize("folder", ["plain", "a b", "50%", "$HOME", "a?b", "a#b", "é'"])
def test_any_folder_will_do(tmp_path, folder, database):
    path = tmp_path / folder / "one.duckdb"
    path.parent.mkdir()
    database.rename(path)
    with module._source(path, "marts", ()) as ours:
        assert ours.add_table_asset(name="answers")
