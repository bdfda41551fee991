"""Running suites: what is reported, what is not, and what is left behind."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from expectations import Check, no_rows
from expectations.validate import validate
from orchestration.core.duckdb_session import safe_reason, spill_settings
from orchestration.quality.boundaries import lake_views
from orchestration.warehouse.dbt import release_dbt
from orchestration.workspace.entities import SETTINGS_TABLES

SECRET = "ann@mail.example"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "it.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.people as "
            f"select * from (values (1, 'a'), (2, 'b'), (3, '{SECRET}')) as t (id, email)"
        )
    return path


def _one(database: Path, check: Check, **arguments):
    (result,) = validate(database, {"people": [check]}, "marts", **arguments)
    return result


def _rows(query: str, **arguments) -> Check:
    return no_rows("it", query, why="Because.", **arguments)


def test_a_failed_check_says_where(database):
    check = _rows("select *, id % 2 as odd from {batch}", by="odd")
    assert _one(database, check).where == ("1: 2 rows", "0: 1 row")
    passed = _rows("select * from {batch} where false", by="id")
    assert _one(database, passed).where == ()


def test_an_explanation_of_many_places_ends(database):
    query = "select range as place from range(13), {batch} where id = 1"
    where = _one(database, _rows(query, by="place")).where
    assert len(where) == 11
    assert where[-1] == "and 3 more"


@pytest.mark.parametrize(
    "explain, said",
    [
        ("select n from {failing} order by n desc, all", "Parser Error"),
        ("select nobody, count(*) as rows from {failing} group by all", "Binder Error"),
        (f"select cast('{SECRET}' as integer), 1 as rows", "Conversion Error"),
        ("select 'a' as place, 'many' as rows", "TypeError"),
    ],
)
def test_an_explanation_that_fails_changes_nothing(database, explain, said):
    """The outcome and its number stay, and the other checks of the table are evaluated."""
    bad = _rows("select * from {batch}", explain=explain)
    good = no_rows("other", "select * from {batch} where false", why="Because.")
    first, second = validate(database, {"people": [bad, good]}, "marts")
    assert (first.success, dict(first.observed), first.error) == (
        False,
        {"unexpected_rows": 3},
        None,
    )
    (line,) = first.where
    assert line.startswith("the explanation could not be evaluated (")
    assert said in line
    assert SECRET not in line
    assert second.success


def test_of_new_rows_the_explanation_names_these_alone(database):
    check = _rows("select * from {batch}", scope="rows", by="id")
    assert _one(database, check, changed={"people": "id > 2"}).where == ("3: 1 row",)


@pytest.mark.parametrize("bound, count", [(0, 3), (2, 1), (3, 0)])
def test_rows_are_counted(database, bound, count):
    result = _one(database, _rows(f"select * from {{batch}} where id > {bound}"))
    assert (result.success, result.observed, result.error) == (
        count == 0,
        {"unexpected_rows": count},
        None,
    )
    assert result.seconds > 0


@pytest.mark.parametrize(
    "query, count",
    [
        ("select 1 from {batch} where regexp_full_match(email, '[a-z]{1}')", 2),
        ("select 1 from {batch} where email = '{}' or email like '{%'", 0),
        ("select id::varchar from {batch} where id::varchar = '1'", 1),
        ("select 1 from {batch} where 'x:y' <> ' :y' and id = 1", 1),
        ("select 1 from {batch} as a join {batch} as b on a.id < b.id", 3),
        ("with a as (select id from {batch}) select id from a where id > 1", 2),
        ("select 1 from {batch} where email like '%@%'", 1),
        ("select 1 -- a remark\nfrom {batch};", 3),
    ],
)
def test_any_sql_will_do(database, query, count):
    result = _one(database, _rows(query))
    assert (result.observed, result.error) == ({"unexpected_rows": count}, None)


@pytest.mark.parametrize(
    "check, success",
    [
        (Check("it", "Because.", {"column": "id"}, "expect_column_values_to_not_be_null"), True),
        (
            Check(
                "it",
                "Because.",
                {"column": "email", "value_set": ["a", "b"]},
                "expect_column_values_to_be_in_set",
            ),
            False,
        ),
        (
            Check(
                "it",
                "Because.",
                {"column_set": ["id", "name"], "exact_match": False},
                "expect_table_columns_to_match_set",
            ),
            False,
        ),
    ],
    ids=lambda value: getattr(value, "type", None),
)
def test_other_expectations_tell_yes_or_no(database, tmp_path, check, success):
    result = _one(database, check, results=tmp_path / "it.json")
    assert (result.success, result.observed, result.error) == (success, {}, None)
    assert SECRET not in repr(result) + (tmp_path / "it.json").read_text()


@pytest.mark.parametrize(
    "check, reason",
    [
        (_rows("select nothing from {batch}"), '(Binder Error: Referenced column "nothing"'),
        (_rows("select 1 from {batch} join raw.none using (id)"), "(Catalog Error: Table"),
        (_rows("selec 1 from {batch}"), "(Parser Error: syntax error"),
        (_rows("select 1 from {batch} where email::int > 1"), "(Conversion Error)"),
        (_rows("select 1 from {batch} where error(email) is null"), "(Invalid Input Error)"),
        (Check("it", "Because.", {}, "expect_miracles"), "(ExpectationNotFoundError)"),
        (Check("it", "Because.", {"x": 1}, "expect_column_max_to_be_between"), "(ValidationError)"),
        (
            Check("it", "Because.", {"column": "x"}, "expect_column_values_to_not_be_null"),
            "could not be evaluated",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_evaluated_fails(database, check, reason, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        result = _one(database, check)
    assert not result.success
    assert reason in result.error
    assert "\n" not in result.error
    printed = result.error + caplog.text + "".join(capfd.readouterr())
    assert SECRET not in printed


def test_a_check_that_errs_spoils_no_other(database):
    checks = [_rows("select x from {batch}"), _rows("select 1 from {batch} where id < 0")]
    results = validate(database, {"people": checks, "none": checks[:1]}, "marts")
    assert [result.success for result in results] == [False, True, False]
    assert results[2].error == "there is no table marts.none"
    assert [result.blocks for result in results] == [True, False, True]


def _scoped(query: str, scope: str = "rows") -> Check:
    return _rows(query, scope=scope, measure="select count(*) as everybody from {batch}")


@pytest.mark.parametrize(
    ("query", "scope", "condition", "count"),
    [
        ("select 1 from {batch}", "rows", "id > 1", 2),
        ("select 1 from {batch}", "rows", "id in (select i from marts.changed)", 1),
        ("select 1 from {batch}", "rows", "false", 0),
        ("select 1 from {batch}", "rows", "nullif(id, 1) > 1", 2),
        ("select 1 from {batch}", "rows", None, 3),
        ("select 1 from {batch}", "table", "id > 1", 3),
        # what is not new, too, where that is unknown of a row
        ("select 1 from {rest} where (select count(*) from {batch}) >= 0", "rows", "id > 1", 1),
        ("select 1 from {rest} union all select 1 from {batch}", "rows", "nullif(id, 1) > 2", 3),
        ("select 1 from {rest} union all select 1 from {batch}", "rows", None, 3),
        ("select 1 from {batch} as a join {batch} as b on a.id < b.id", "rows", "id > 1", 1),
        ("select 1 from {batch} where email like '{%' or email = ' :x'", "rows", "id > 1", 0),
    ],
)
def test_new_rows_alone_are_looked_at(database, query, scope, condition, count):
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table marts.changed as select 3 as i")
    changed = {"people": condition} if condition else {"others": "false"}
    result = _one(database, _scoped(query, scope), changed=changed)
    assert result.error is None
    # the measure is of all rows
    assert result.observed == {"unexpected_rows": count, "everybody": 3}


def test_a_condition_that_cannot_be_evaluated_fails_what_it_is_of(database):
    checks = [_scoped("select 1 from {batch} where id < 0"), _scoped("select 1 from {batch}")]
    checks.append(_rows("select 1 from {batch} where id < 0"))
    for condition, reason in (
        ("x in (select i from intermediate.changed)", "(Catalog Error: Table"),
        ("email::int = 1", "(Conversion Error)"),
    ):
        results = validate(database, {"people": checks}, "marts", changed={"people": condition})
        assert [result.success for result in results] == [False, False, True]
        assert all(reason in result.error for result in results[:2])
        assert SECRET not in repr(results)


def test_what_checks_share_is_made_once(database):
    """A number that each query would draw again is the same for all; an error stays in its check."""
    shared = {"drawn": "select random() as number", "wrong": "select x from marts.people"}
    first = no_rows("a", "select 1 from {batch}, {drawn} where id = 1", why="B.", shared=shared)
    numbers = [
        no_rows(
            name,
            "select 1 from {batch} where id < 0",
            why="Because.",
            measure='select number from temp.main."shared drawn"',
            shared=shared,
        )
        for name in "bc"
    ]
    wrong = _rows("select 1 from {batch}, {wrong}", shared=shared)
    found = validate(database, {"people": [first, *numbers, wrong]}, "marts")
    assert found[0].observed == {"unexpected_rows": 1}
    assert found[1].observed["number"] == found[2].observed["number"]
    assert not found[3].success
    assert '(Binder Error: Referenced column "x"' in found[3].error


def test_a_measure_gives_numbers_only(database):
    check = _rows(
        "select 1 from {batch} where id < 0",
        measure="select max(id) as largest, max(email) as mail, 1.5::double as half, true as yes "
        "from {batch}",
    )
    assert _one(database, check).observed == {"unexpected_rows": 0, "largest": 3, "half": 1.5}


def test_a_measure_that_errs_changes_nothing(database):
    check = _rows("select 1 from {batch} where id < 0", measure="select x from {batch}")
    result = _one(database, check)
    assert (result.success, result.observed, result.error) == (True, {"unexpected_rows": 0}, None)


def test_results_are_written(database, tmp_path):
    path = tmp_path / "runs" / "gx" / "it.json"
    check = _rows("select email from {batch} where id > 1", severity="warning")
    _one(database, check, results=path)
    document = json.loads(path.read_text())
    (written,) = document["checks"]
    assert written["seconds"] > 0
    assert {key: value for key, value in written.items() if key != "seconds"} == {
        "table": "people",
        "check": "it",
        "severity": "warning",
        "success": False,
        "observed": {"unexpected_rows": 2},
        "error": None,
        "where": [],
        "why": "Because.",
    }
    assert os.listdir(path.parent) == ["it.json"]
    assert SECRET not in path.read_text()


def test_nothing_else_is_written(database, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("HOME", str(empty))
    _one(database, _rows("select 1 from {batch}"))
    assert list(empty.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["it.duckdb"]


def test_the_file_is_free_afterwards(database):
    _one(database, _rows("select 1 from {batch}"))
    script = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table t (i int)')"
    subprocess.run([sys.executable, "-c", script, str(database)], check=True)
    with duckdb.connect(str(database), config={"threads": 1}) as connection:
        connection.execute("drop table t")


def test_the_file_is_not_written(database):
    before = database.read_bytes()
    check = _rows("select 1 from {batch}")
    with pytest.raises(duckdb.Error, match="read-only"):
        _one(database, check, setup=["create table marts.more (i int)"])
    assert database.read_bytes() == before
    assert _one(database, check).observed == {"unexpected_rows": 3}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="build it first"):
        validate(tmp_path / "none.duckdb", {}, "marts")


def test_a_file_that_is_held_open(database):
    with (
        duckdb.connect(str(database), config={"threads": 1}),
        pytest.raises(duckdb.ConnectionException, match="different configuration"),
    ):
        _one(database, _rows("select 1 from {batch}"))
    assert _one(database, _rows("select 1 from {batch}")).observed == {"unexpected_rows": 3}


@pytest.mark.parametrize(
    "message, reason",
    [
        (f"Conversion Error: Could not convert '{SECRET}'", "(Conversion Error)"),
        (f"Out of Range Error: {SECRET}", "(Out of Range Error)"),
        (
            f"Out of Memory Error: {SECRET}",
            "(not enough memory; raise memory_limit in workspace.yml)",
        ),
        (
            "Out of Memory Error: failed to offload data block of size 256.0 KiB (1.0 MiB/1.0 MiB "
            "used). This limit was set by the 'max_temp_directory_size' setting.",
            "(the disk is full; free some space and run again)",
        ),
        ('x\nBinder Error: no "a"\nLINE 1: select', '(Binder Error: no "a")'),
        (f"it is {SECRET}", "(unknown error)"),
        ("Ann Lee Error: x", "(unknown error)"),
        ("", "(unknown error)"),
    ],
)
def test_reasons_hold_no_cells(message, reason):
    assert safe_reason(message) == f"could not be evaluated {reason}"


@pytest.mark.parametrize("folder", ["lake", "it's a lake"])
def test_views_over_a_lake(tmp_path, folder, good_raw):
    lake = tmp_path / folder
    with duckdb.connect(str(good_raw), read_only=True) as connection:
        for (table,) in connection.sql(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall():
            path = {
                "files": "manifest/files.parquet",
                "published_figures": "ledger/published_figures.parquet",
            }.get(table, f"raw/{table}/x.parquet")
            if table in SETTINGS_TABLES:
                path = f"settings/{table}.parquet"
            (lake / path).parent.mkdir(parents=True, exist_ok=True)
            connection.table(f"raw.{table}").write_parquet(str(lake / path))
    rejected = lake / "rejected" / "_schema.parquet"
    rejected.parent.mkdir()
    duckdb.sql("select 'x' as reason where false").write_parquet(str(rejected))
    counts = {"files": 3, "customers": 4, "survey_responses": 9, "rejected_rows": 0, "segments": 1}
    suites = {table: [_rows("select 1 from {batch}")] for table in counts}
    spill = spill_settings(tmp_path / "it's spill", "1GB")
    results = validate(None, suites, "raw", setup=spill + lake_views(lake))
    assert {r.table: r.observed["unexpected_rows"] for r in results} == counts


def test_without_dbt_nothing_is_released():
    """The release must not import dbt for nothing."""
    script = (
        "import sys; from orchestration.warehouse.dbt import release_dbt; release_dbt(); "
        "sys.exit('dbt' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_dbt_in_this_process_lets_go(tmp_path, monkeypatch):
    """A real invocation keeps the file open; after the release it can be read, and dbt run on."""
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    from dbt.cli.main import dbtRunner

    path = tmp_path / "it.duckdb"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "people.sql").write_text(
        "{{ config(materialized='table', schema='marts') }} select 1 as id"
    )
    (tmp_path / "dbt_project.yml").write_text("{name: it, version: '1.0', profile: it}")
    (tmp_path / "profiles.yml").write_text(
        "it: {target: it, outputs: {it: {type: duckdb, threads: 1, "
        f"path: '{path}', config_options: {{storage_compatibility_version: v1.4.0}}}}}}}}"
    )
    command = ["--quiet", "run", "--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path)]
    command += ["--target-path", str(tmp_path / "t"), "--log-path", str(tmp_path / "l")]

    def ids() -> list[tuple[bool, dict]]:
        found = validate(path, {"people": [_rows("select 1 from {batch}")]}, "main_marts")
        return [(result.success, dict(result.observed)) for result in found]

    assert dbtRunner().invoke(command).success
    with pytest.raises(duckdb.ConnectionException, match="different configuration"):
        ids()  # when this passes, release_dbt is no longer needed
    release_dbt()
    assert ids() == [(False, {"unexpected_rows": 1})]
    assert dbtRunner().invoke(command).success
    release_dbt()
    release_dbt()
    assert ids() == [(False, {"unexpected_rows": 1})]
