"""The dbt unit tests beside the models: all of them pass, and no model with logic goes without."""

from __future__ import annotations

from functools import cache

import pytest
from dbt_support import SEGMENTS, compiled_inline, manifest, nodes, run_dbt, warehouse

from orchestration.warehouse.database import open_build
from orchestration.workspace.segments import BUILT_IN_DIMENSIONS, FIXED_COLUMNS

ONE_LINE = "one line of judge_versions, which the tests of other entities hold"
PYTHON = "dbt tests SQL alone; tests/statistics runs what it calls"
SELECTION = "selects columns, computes nothing"
WITHOUT_UNIT_TESTS = {
    **{
        f"int_{entity}_versioned": ONE_LINE
        for entity in (
            "accounts",
            "employees",
            "exchange_rates",
            "follow_ups",
            "invoices",
            "labels",
            "leads",
            "mrr_movements",
            "referrals",
            "score_summaries",
            "support_tickets",
            "survey_invitations",
            "surveys",
        )
    },
    **{
        f"int_{entity}_converted": "one line of converted_money, which the invoices' test holds"
        for entity in ("mrr_movements", "subscriptions")
    },
    "int_drivers_estimated": PYTHON,
    "int_themes_learned": PYTHON,
    "int_retention_hazards_fitted": PYTHON,
    "dim_customer_history": SELECTION,
    "dim_surveys": SELECTION,
    "int_answers_raked": "Python, of which dbt has no unit tests: tests/models/test_raking.py",
    "int_change_points_searched": "Python, of which dbt has no unit tests: tests/models/test_trend.py",
    "quarantined_rows": "tests/test_laws.py runs its compiled SQL: 32 inputs fit no YAML",
}


@cache
def results() -> dict[str, tuple[str, str | None]]:
    """Status and message of every unit test, by `<model>.<test>`."""
    warehouse()
    outcome = run_dbt("test", "--select", "test_type:unit")
    assert outcome.result is not None, outcome.exception
    return {
        result.node.unique_id.split(".", 2)[2]: (str(result.status), result.message)
        for result in outcome.result
        if result.node.unique_id.startswith("unit_test.")
    }


def unit_tests() -> list[str]:
    return sorted(unique_id.split(".", 2)[2] for unique_id in manifest()["unit_tests"])


def test_every_unit_test_passes():
    failed = {name: message for name, (status, message) in results().items() if status != "pass"}
    assert not failed, "\n".join(f"{name}: {message}" for name, message in failed.items())
    assert sorted(results()) == unit_tests()


def test_every_model_with_logic_has_a_unit_test():
    tested = {name.split(".")[0] for name in unit_tests()}
    assert nodes("model").keys() - tested == WITHOUT_UNIT_TESTS.keys()


@pytest.fixture(scope="module")
def built():
    """Columns and types of what dbt built, by (schema, relation)."""
    with open_build(warehouse()) as connection:
        rows = connection.execute(
            """
            select schema_name, table_name, list(column_name order by column_index),
                list(data_type order by column_index)
            from duckdb_columns() where not internal group by all
            """
        ).fetchall()
    return {(schema, name): dict(zip(*columns, strict=True)) for schema, name, *columns in rows}


def test_every_built_column_is_described_and_every_described_column_built(built):
    for name, node in nodes("model").items():
        described = list(node["columns"])
        # a segment's value, and the customers of that
        own = [f"{part}seg_{segment}" for part in ("", "base_") for segment in SEGMENTS]
        segments = SEGMENTS if name in FIXED else own
        columns = built[node["schema"], name]
        assert [column for column in columns if column not in segments] == described, name


def test_no_described_column_has_the_name_of_a_segment_inside_the_build():
    described = {column for node in nodes("model").values() for column in node["columns"]}
    assert not [column for column in described if column.startswith(("seg_", "segment_"))]


def test_every_published_column_is_described_in_the_database():
    """Segment columns among them: a BI tool shows what the published file says of itself."""
    with open_build(warehouse()) as connection:
        silent = connection.execute(
            """
            select schema_name, table_name, column_name from duckdb_columns()
            where schema_name in ('marts', 'restricted') and coalesce(comment, '') = ''
            """
        ).fetchall()
    assert not silent


# What BI users may count on in the tables whose segment columns no static contract can hold.
FIXED = {
    "dim_customers": """
        customer_key UUID, source VARCHAR, customer_id VARCHAR, account_key UUID, *,
        signed_up_at TIMESTAMP, churned_at TIMESTAMP, is_active BOOLEAN, is_inferred BOOLEAN,
        has_churn_information BOOLEAN""",
    "dim_customer_history": "customer_key UUID, *, valid_from TIMESTAMP, valid_to TIMESTAMP",
    "fct_nps_responses": """
        response_key UUID, source VARCHAR, response_id VARCHAR, survey_key UUID,
        survey_id VARCHAR, customer_key UUID, account_key UUID, voice_key UUID,
        metric VARCHAR, survey_type VARCHAR, scale VARCHAR, channel VARCHAR, touchpoint VARCHAR,
        language VARCHAR, *, score INTEGER, nps_class VARCHAR, contribution INTEGER,
        has_comment BOOLEAN, responded_at TIMESTAMP, responded_on DATE, version_at TIMESTAMP""",
    "fct_nps_churn": """
        response_key UUID, customer_key UUID, metric VARCHAR, survey_type VARCHAR,
        nps_class VARCHAR, *, responded_on DATE, churned_on DATE, days_to_churn INTEGER,
        has_churn_information BOOLEAN, was_active_at_answer BOOLEAN, mrr_at_answer DOUBLE,
        revenue_before DOUBLE""",
    "fct_nps_transitions": """
        response_key UUID, next_response_key UUID, voice_key UUID, customer_key UUID,
        metric VARCHAR, survey_type VARCHAR, *, from_class VARCHAR, to_class VARCHAR,
        from_contribution INTEGER, to_contribution INTEGER, responded_at TIMESTAMP,
        next_responded_at TIMESTAMP, responded_on DATE, next_responded_on DATE,
        days_between INTEGER, was_followed_up BOOLEAN""",
}


@pytest.mark.parametrize("table", FIXED)
def test_tables_with_segments_keep_their_fixed_columns(built, table: str):
    expected = []
    for column in FIXED[table].split(","):
        expected += [(s, "VARCHAR") for s in SEGMENTS] if "*" in column else [tuple(column.split())]
    assert list(built["marts", table].items()) == expected


def test_the_fixed_tables_are_those_without_a_contract():
    free = {
        name
        for name, node in nodes("model").items()
        if node["schema"] in ("marts", "restricted") and not node["contract"]["enforced"]
    }
    assert free == FIXED.keys()


def test_a_segment_may_have_any_name_but_those_of_the_fixed_columns_and_dimensions():
    fixed = {column for table in FIXED for column in nodes("model")[table]["columns"]}
    assert fixed == FIXED_COLUMNS
    own = [f"seg_{segment}" for segment in SEGMENTS]
    cut = compiled_inline("select '{{ dimensions() | join(' ') }}' as names").split("'")[1]
    assert {*cut.split(), "all"} == {*own, *BUILT_IN_DIMENSIONS}
