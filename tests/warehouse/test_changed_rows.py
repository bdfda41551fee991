"""dbt's tests look at the changed rows alone in a batch, and at all rows in a full build."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from dbt_support import PROJECT_DIR
from publish_support import editing, make_workspace

from orchestration.warehouse.dbt import release_dbt

MODELS = {
    "intermediate/int_customers_affected.sql": "select 'new' as customer_key",
    "marts/answers.sql": """
        select * from (values (1, 'new', 10), (2, 'new', 0), (3, 'old', 10)) as t (id, customer_key, score)
    """,
    "marts/totals.sql": "select 20 as score",
}
MODELS_YML = """
version: 2
models:
  - name: answers
    config: {meta: {changed: {key: customer_key, model: int_customers_affected}}}
    data_tests:
      - holds:
          name: answers_holds
          arguments: {key: [id], filled: [score], rules: {score_on_scale: "score <= 10"}}
      - holds:
          name: first_answers_hold
          config: {where: "id < 3"}
          arguments: {rules: {score_on_scale: "score <= 10"}}
  - name: totals
    data_tests:
      - holds: {name: totals_holds, arguments: {rules: {score_is_enough: "score >= 20"}}}
"""
SINGULAR = "select * from {{ get_where_subquery(ref('answers')) }} where score < 0"
# The project's own looks at the database for the previous build.
IS_BATCH = """
{% macro is_batch() -%}
    {{ return(env_var('IT_BUILD', 'full') == 'batch') }}
{%- endmacro %}
"""
PROJECT_YML = """
name: it
version: "1.0"
profile: it
test-paths: [tests]
models:
  it:
    +materialized: table
    intermediate: {+schema: intermediate}
    marts: {+schema: marts}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A project of two tables with this project's macros of tests, built, as every row is good."""
    root = tmp_path_factory.mktemp("changed-rows")
    (root / "dbt_project.yml").write_text(PROJECT_YML)
    (root / "profiles.yml").write_text(
        f"it: {{target: it, outputs: {{it: {{type: duckdb, path: '{root}/it.duckdb'}}}}}}"
    )
    for name, sql in MODELS.items():
        (root / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "models" / name).write_text(sql)
    (root / "models/marts/_models.yml").write_text(MODELS_YML)
    for name in ("macros/changed_rows.sql", "macros/schema.sql", "tests/dbt/generic/holds.sql"):
        target = root / name.replace("tests/dbt", "tests")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT_DIR / name, target)
    (root / "macros" / "stub.sql").write_text(IS_BATCH)
    (root / "tests/scores_are_positive.sql").write_text(SINGULAR)
    assert _dbt(root, "build") == {}
    return root


def _dbt(root: Path, *command: str) -> dict[str, int]:
    """Run dbt; the failed tests, with how many rows each returned."""
    from dbt.cli.main import dbtRunner

    folders = ("--project-dir", "--profiles-dir", "--target-path", "--log-path")
    options = [part for option in folders for part in (option, str(root))]
    try:
        outcome = dbtRunner().invoke(["--quiet", *command, *options])
    finally:
        release_dbt()
    assert outcome.exception is None, outcome.exception
    assert not [r.message for r in outcome.result if r.status == "error"]
    return {r.node.name: r.failures for r in outcome.result if r.status == "fail"}


def _failed(root: Path, statement: str, build: str, monkeypatch) -> dict[str, int]:
    """The tests that fail in a build of a kind after a fault, which is taken back."""
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    monkeypatch.setenv("IT_BUILD", build)
    file = root / "it.duckdb"
    kept = file.read_bytes()
    with duckdb.connect(str(file)) as connection:
        connection.execute(statement)
    try:
        return _dbt(root, "build", "--resource-type", "test")
    finally:
        file.write_bytes(kept)


# What is wrong of a customer's answers, and which tests find it where they look.
FAULTS = [
    ("update marts.answers set score = 11 where {0}", {"answers_holds", "first_answers_hold"}),
    ("update marts.answers set score = null where {0}", {"answers_holds", "first_answers_hold"}),
    ("update marts.answers set score = -1 where {0}", {"scores_are_positive"}),
    ("insert into marts.answers from marts.answers where {0}", {"answers_holds"}),
]


@pytest.mark.parametrize(("fault", "finders"), FAULTS)
def test_a_fault_among_the_new_rows_is_found_by_either_build(built, fault, finders, monkeypatch):
    fault = fault.format("id = 1")
    full = _failed(built, fault, "full", monkeypatch)
    assert full.keys() == finders
    assert _failed(built, fault, "batch", monkeypatch) == full


@pytest.mark.parametrize(("fault", "finders"), FAULTS)
def test_a_fault_among_the_others_is_found_by_a_full_build_alone(
    built, fault, finders, monkeypatch
):
    fault = fault.format("id = 3")
    # the test of the first answers never looks at the third
    assert _failed(built, fault, "full", monkeypatch).keys() == finders - {"first_answers_hold"}
    assert _failed(built, fault, "batch", monkeypatch) == {}


def test_a_model_that_says_nothing_is_looked_at_whole(built, monkeypatch):
    fault = "update marts.totals set score = 19"
    assert _failed(built, fault, "batch", monkeypatch) == {"totals_holds": 1}


def test_a_condition_of_nothing_but_null_is_no_new_row(built, monkeypatch):
    """An answer of nobody is nobody's new answer."""
    fault = "update marts.answers set customer_key = null, score = 11 where id = 1"
    assert _failed(built, fault, "batch", monkeypatch) == {}


def test_what_a_failed_test_found_is_told_by_its_rules(tmp_path):
    from orchestration.warehouse.dbt import _broken_rules

    workspace = make_workspace(tmp_path / "ws")
    with editing(workspace) as connection:
        connection.execute(
            "create table marts.t as select unnest(['b is null', 'a_rule', 'a_rule']) as broken"
        )
    node = SimpleNamespace(
        test_metadata=SimpleNamespace(name="holds"), compiled_code="select broken from marts.t"
    )
    result = SimpleNamespace(status="fail", node=node)
    assert _broken_rules(workspace, result) == "a_rule: 2 rows; b is null: 1 rows"
    node.test_metadata.name = "relationships"
    assert _broken_rules(workspace, result) == ""
    assert _broken_rules(workspace, SimpleNamespace(status="error", node=node)) == ""


def test_what_a_failed_test_says_of_itself_is_told(tmp_path):
    from orchestration.warehouse.dbt import _own_words

    workspace = make_workspace(tmp_path / "ws")
    with editing(workspace) as connection:
        connection.execute("create table marts.t as select unnest(['b mixes', 'a mixes']) as said")
    node = SimpleNamespace(compiled_code="select said as message from marts.t")
    assert _own_words(workspace, SimpleNamespace(status="fail", node=node)) == "a mixes; b mixes"
    assert _own_words(workspace, SimpleNamespace(status="error", node=node)) == ""
    node.compiled_code = "select said from marts.t"
    assert _own_words(workspace, SimpleNamespace(status="fail", node=node)) == ""


def test_conditions_are_read_from_the_manifest(built):
    from orchestration.warehouse.dbt import changed_rows

    assert changed_rows(built / "manifest.json") == {
        "marts.answers": "customer_key in (select customer_key from "
        '"it"."intermediate"."int_customers_affected")'
    }
