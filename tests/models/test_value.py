"""Revenue at risk and lift against the same figures computed in Python, customer by customer.

Compiled SQL runs on a random business in memory: each of its survey types is a case of its own, so
that one run computes them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats
from value_support import CASES, FILLED, LIFT_DAYS, Business, ago, at, put, settle

# What each table is built from, in the order of the build.
INTERMEDIATE = {
    "nps_outcomes_by_class": (
        "int_anchors_unioned",
        "int_first_anchors_chosen",
        "int_outcomes_counted",
        "int_class_values_summed",
    ),
    "nps_revenue_at_risk": (
        "int_anchors_unioned",
        "int_first_anchors_chosen",
        "int_outcomes_counted",
        "int_class_values_summed",
        "int_customer_sources_described",
        "int_referral_outcomes_counted",
        "int_customer_values_averaged",
    ),
    "nps_lift_by_class": (
        "int_customer_events_dated",
        "int_measures_covered",
        "int_first_answers_followed",
        "int_lift_amounts_summed",
        "int_lift_classes_summed",
        "int_lift_classes_averaged",
        "int_lift_strata_summed",
        "int_lift_standardised",
    ),
}


def run(connection: duckdb.DuckDBPyConnection, model: str) -> list[dict[str, Any]]:
    rebuild(connection, INTERMEDIATE[model])
    return connection.execute(compiled(model)).to_arrow_table().to_pylist()


def risk(connection: duckdb.DuckDBPyConnection) -> dict[tuple, dict[str, Any]]:
    rows = run(connection, "nps_revenue_at_risk")
    found = {
        (row["survey_type"], row["figure"], row["dimension"], row["segment"]): row
        for row in rows
        if row["dimension"] != "plan"
    }
    assert len(found) == sum(row["dimension"] != "plan" for row in rows)
    return found


def lift(connection: duckdb.DuckDBPyConnection) -> dict[tuple, dict[str, Any]]:
    rows = run(connection, "nps_lift_by_class")
    found = {
        (row["survey_type"], row["nps_class"], row["measure"], row["dimension"]): row
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def near(value: Any, tolerance: float = 1e-9) -> Any:
    """A figure up to rounding; anything else exactly."""
    is_figure = isinstance(value, float)
    return pytest.approx(value, rel=1e-9, abs=tolerance) if is_figure else value


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        settle(connection)
        yield connection


@pytest.fixture(scope="module")
def business(database) -> Business:
    made = Business(20250701)
    made.fill(database)
    return made


@pytest.fixture
def changed(database, business) -> Iterator[duckdb.DuckDBPyConnection]:
    """The business for a test to change; the change is rolled back."""
    database.execute("begin")
    yield database
    database.execute("rollback")


# --- revenue at risk ----------------------------------------------------------------------------


def test_revenue_at_risk_agrees_with_python(database, business):
    expected, found = business.revenue_at_risk(), risk(database)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for name, value in row.items():
            # money is rounded to six digits
            assert found[key][name] == near(value, 1e-6), (key, name)
    assert {row["unknown_because"] for row in expected.values()} == {
        None,
        "too_few",
        "no_mrr",
        "no_churn_information",
        "no_referrals",
        "no_window_is_over",
    }
    assert sum(row["difference"] is not None for row in expected.values()) > CASES


def test_segments_add_up_to_the_figure(database, business):
    parts = defaultdict(lambda: defaultdict(float))
    found = risk(database)
    for (survey_type, figure, dimension, _), row in found.items():
        for name in ("customers", "priced_customers", "observed"):
            parts[survey_type, figure, dimension][name] += row[name]
    for (survey_type, figure, dimension, _), row in found.items():
        if dimension == "all":
            assert parts[survey_type, figure, "region"] == {
                "customers": row["customers"],
                "priced_customers": row["priced_customers"],
                "observed": row["observed"],
            }


RISK_CHANGES = {
    "rate": "seeds.revenue_at_risk_rates set rate = rate / 2",
    "figure": "seeds.revenue_at_risk_rates set figure = figure || ' more'",
    "nps_class": "seeds.revenue_at_risk_rates set nps_class = 'promoter' where figure = 'short'",
    "horizon_days": "seeds.revenue_at_risk_rates set horizon_days = horizon_days + 5",
    "evidence": "seeds.revenue_at_risk_rates set evidence = 'churn'",
    "population": "seeds.metrics set population = 'employees'",
    "confidence_z": "seeds.assumptions set value = 1 where name = 'confidence_z'",
    "min_group_size": "raw.workspace set min_group_size = 6",
    "as_of_on": "raw.workspace set as_of_on = as_of_on - 30",
    "as_of_at": "raw.workspace set as_of_at = as_of_at - interval 30 day",
    "timezone": "raw.workspace set timezone = 'Pacific/Kiritimati'",
    "referrals": "raw.mapped_columns set entity = 'leads'",
}


@pytest.mark.parametrize("setting", RISK_CHANGES)
def test_revenue_at_risk_follows_settings(changed, setting: str):
    before = risk(changed)
    changed.execute(f"update {RISK_CHANGES[setting]}")
    after = risk(changed)
    assert before and after != before
    if setting == "population":
        assert not after
    if setting == "rate":
        amounts = [
            (row["assumed_amount"], after[key]["assumed_amount"])
            for key, row in before.items()
            if row["assumed_amount"] is not None
        ]
        assert all(half == pytest.approx(whole / 2, abs=1e-6) for whole, half in amounts)


def test_revenue_at_risk_asks_its_rates_for_windows(changed):
    """Whatever churn_windows says: a rate stands beside the assumption of its own horizon."""
    before = risk(changed)
    changed.execute("insert into nps.raw.churn_windows values (7)")
    assert risk(changed) == before


CENTS = "intermediate.int_customer_values_summed set mrr = 123456789.01 + 1e6 * rowid * 1.07"


@pytest.mark.parametrize("model", ["nps_revenue_at_risk", "nps_outcomes_by_class"])
def test_money_is_the_same_in_any_order(changed, model: str):
    """Beyond 1e8 the sixth digit of a sum of doubles depends on the order of its rows."""
    changed.execute(f"update {CENTS}, realised_ltv = mrr")
    changed.execute("insert into nps.raw.churn_windows values (30)")
    found = []
    for order in ("customer_key", "customer_key desc", "hash(customer_key)"):
        values = changed.sql(
            f"from nps.intermediate.int_customer_values_summed order by {order}"
        ).to_arrow_table()
        changed.execute("delete from nps.intermediate.int_customer_values_summed")
        changed.register("given_values", values)
        changed.execute(
            "insert into nps.intermediate.int_customer_values_summed by name from given_values"
        )
        rebuild(changed, INTERMEDIATE[model])
        found.append(changed.sql(f"from ({compiled(model)}) order by all").fetchall())
    assert found[0] and found[0] == found[1] == found[2]


def test_revenue_too_large_to_be_added_up_is_unknown(changed):
    changed.execute("update nps.intermediate.int_customer_values_summed set mrr = 1e18")
    rows = risk(changed).values()
    assert {row["unknown_because"] for row in rows} == {"too_few", "no_mrr", "too_large"}
    for row in rows:
        # who pays nothing still pays nothing
        assert row["assumed_amount"] is row["difference"] is None
        assert row["annual_revenue"] in (None, 0) and row["evidence_amount"] in (None, 0)


# --- churn and lifetime value by customer -------------------------------------------------------


def outcomes_of(
    connection: duckdb.DuckDBPyConnection, answers: list[int], left: int
) -> dict[tuple, dict[str, Any]]:
    """Outcomes of detractors with a number of answers each, the first of whom left on day 80.

    All answered 200 days ago, so that no year is over. Each pays 100 a month, also those who left:
    their subscriptions stayed open.
    """
    for table in FILLED:
        connection.execute(f"delete from {table}")
    connection.execute("delete from raw.churn_windows")
    connection.execute("insert into raw.churn_windows values (90), (180), (365)")
    on = ago(200)
    given = [
        {
            "response_key": f"{n}-{turn}", "customer_key": f"{n}", "metric": "nps",
            "survey_type": "relational", "nps_class": "detractor", "responded_on": on,
            "responded_at": at(on, 11), "days_to_churn": 80 if n < left else None,
            "has_churn_information": True, "was_active_at_answer": True,
        }
        for n, turns in enumerate(answers)
        for turn in range(turns)
    ]  # fmt: skip
    facts = ("response_key", "customer_key", "metric", "survey_type", "nps_class", "responded_on")
    follow_up = ("days_to_churn", "has_churn_information", "was_active_at_answer")
    for table, columns in (
        ("marts.fct_nps_churn", (*facts, *follow_up)),
        ("marts.fct_nps_responses", (*facts, "responded_at")),
    ):
        put(connection, table, [{name: row[name] for name in columns} for row in given])
    put(connection, "intermediate.int_customer_lifecycles_dated", [
        {
            "customer_key": f"{n}", "churned_at": at(on + timedelta(80)) if n < left else None,
            "has_churn_information": True, "has_mrr_information": True,
            "has_revenue_information": True,
        }
        for n in range(len(answers))
    ])  # fmt: skip
    put(connection, "intermediate.int_customer_values_summed", [
        {"customer_key": f"{n}", "mrr": 100.0} for n in range(len(answers))
    ])  # fmt: skip
    rebuild(connection, ["int_customers_classified"])
    return {
        (row["basis"], row["window_days"]): row
        for row in run(connection, "nps_outcomes_by_class")
        if row["dimension"] == "all"
    }


def test_eight_detractors_one_of_whom_answered_800_times(changed):
    """By customer 5 of 8 left within 90 days, by answer 5 of 807: 0.6 %."""
    found = outcomes_of(changed, [1] * 7 + [800], left=5)
    by_customer, by_answer = found["customers", 90], found["responses", 90]
    assert (by_customer["churned"], by_customer["observed"]) == (5, 8)
    assert (by_answer["churned"], by_answer["observed"]) == (5, 807)


def test_ten_detractors_five_of_whom_left_are_worth_one_figure(changed):
    """Active MRR 5 x 100; h = -ln(1 - 5/10) / (180 / 365), d = ln 1.1: 0.8 x 500 x 12 / (h + d) = 3,198."""
    found = outcomes_of(changed, [1] * 10, left=5)
    assert {row["active_mrr"] for row in found.values()} == {500}
    for window in (90, 180, 365):
        row = found["customers", window]
        assert row["projected_ltv"] == pytest.approx(3198, abs=0.5)
        assert (row["ltv_window_days"], row["unknown_because"]) == (180, None)
        assert row["projected_ltv_low"] < row["projected_ltv"] < row["projected_ltv_high"]
        assert found["responses", window]["unknown_because"] == "counts_answers"


def test_four_who_left_are_too_few_to_project_from(changed):
    found = outcomes_of(changed, [1] * 10, left=4)
    assert {row["projected_ltv"] for row in found.values()} == {None}
    assert found["customers", 180]["unknown_because"] == "too_few_churned"


# --- lift ---------------------------------------------------------------------------------------


def test_lift_agrees_with_pandas(database, business):
    expected, found = business.lift(), lift(database)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for name in row.keys() - {"values"}:
            assert found[key][name] == near(row[name]), (key, name)
        assert found[key]["horizon_days"] == LIFT_DAYS
    assert {row["unknown_because"] for row in expected.values()} == {
        None,
        "too_few",
        "not_delivered",
        "no_window_is_over",
        "stratum_too_small",
    }


TESTED = ("ci_low", "ci_high", "degrees_of_freedom", "p_value", "p_adjusted", "is_significant")


def assert_student(row: dict[str, Any], degrees: float, p: float, bounds: tuple) -> None:
    """A row's test, up to what approximations of Student's t leave: more below 4 degrees of freedom."""
    assert degrees >= 2
    few = degrees < 4
    assert row["degrees_of_freedom"] == pytest.approx(degrees, rel=1e-9)
    p_error = {"rel": 0.01, "abs": 1e-4} if few else {"rel": 1e-3, "abs": 1e-6}
    assert row["p_value"] == pytest.approx(p, **p_error)
    width_error = (4e-3 if few else 4e-4) * (bounds[1] - bounds[0])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(bounds), abs=width_error)


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_comparisons_with_passives_agree_with_scipy(database, business):
    """z, its degrees of freedom, p and the interval are those of scipy's Welch test."""
    expected, found = business.lift(), lift(database)
    compared = 0
    families = defaultdict(list)
    for (survey_type, nps_class, measure, dimension), row in found.items():
        if dimension != "all":
            continue
        own = expected[survey_type, nps_class, measure, "all"]
        none = {"mean": None, "standard_error": None, "values": []}
        passive = expected.get((survey_type, "passive", measure, "all"), none)
        is_known = None not in (own["mean"], passive["mean"])
        assert row["passive_mean"] == near(passive["mean"])
        assert (row["difference"] is not None) == is_known
        assert (row["lift"] is not None) == (is_known and passive["mean"] > 0)
        if is_known:
            difference = own["mean"] - passive["mean"]
            assert row["difference"] == pytest.approx(difference, abs=1e-9)
        if row["lift"] is not None:
            assert 1 + row["lift"] == pytest.approx(own["mean"] / passive["mean"], rel=1e-9)
        spread = is_known and (own["standard_error"] or passive["standard_error"])
        assert (row["z"] is not None) == bool(spread and nps_class != "passive")
        if row["z"] is None:
            assert {row[name] for name in TESTED} == {None}
            continue
        test = stats.ttest_ind(own["values"], passive["values"], equal_var=False)
        assert row["z"] == pytest.approx(test.statistic, rel=1e-9, abs=1e-9)
        assert_student(row, test.df, test.pvalue, test.confidence_interval())
        families[survey_type].append(row)
        compared += 1
    assert compared > CASES
    for survey_type, rows in families.items():
        adjusted = stats.false_discovery_control([row["p_value"] for row in rows])
        assert [row["p_adjusted"] for row in rows] == pytest.approx(list(adjusted), abs=1e-9)
        assert [row["is_significant"] for row in rows] == [p <= 0.05 for p in adjusted]
        size = {
            row["comparisons"]
            for key, row in found.items()
            if (key[0], key[3]) == (survey_type, "all")
        }
        assert size == {len(rows)}


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[dict[tuple, dict[str, Any]], dict[tuple, dict[str, Any]]]]:
    """Lift of a business with many customers in every region, by pandas and by the models."""
    with empty_database() as connection:
        settle(connection)
        made = Business(20260201, cases=4, customers=900, answers=1500)
        made.fill(connection)
        yield made.lift(), lift(connection)


def test_standardised_lift_agrees_with_pandas(large):
    expected, found = large
    compared = 0
    for key, row in expected.items():
        if key[3] == "all":
            continue
        for name, value in row.items():
            assert found[key][name] == near(value), (key, name)
        compared += row["mean"] is not None
    assert compared > 10


def test_standardised_differences_are_tested_with_their_own_errors(large):
    families = defaultdict(list)
    for (survey_type, nps_class, _, dimension), row in large[1].items():
        if dimension == "all" or row["mean"] is None:
            continue
        assert row["difference"] == near(row["mean"] - row["passive_mean"])
        if row["passive_mean"] > 0:
            assert 1 + row["lift"] == near(row["mean"] / row["passive_mean"])
        error = (row["standard_error"] ** 2 + row["passive_standard_error"] ** 2) ** 0.5
        assert (row["z"] is not None) == (error > 0 and nps_class != "passive")
        assert (row["degrees_of_freedom"] is not None) == (row["z"] is not None)
        if row["z"] is not None:
            assert row["z"] == near(row["difference"] / error)
            student = stats.t(row["degrees_of_freedom"], row["difference"], error)
            p = 2 * stats.t.sf(abs(row["z"]), row["degrees_of_freedom"])
            assert_student(row, row["degrees_of_freedom"], p, student.interval(0.95))
            families[survey_type].append(row)
    assert sum(map(len, families.values())) > 5
    for rows in families.values():
        adjusted = stats.false_discovery_control([row["p_value"] for row in rows])
        assert [row["p_adjusted"] for row in rows] == pytest.approx(list(adjusted), abs=1e-9)


LIFT_CHANGES = {
    "lift_days": "seeds.assumptions set value = 10 where name = 'lift_days'",
    "significance_level": "seeds.assumptions set value = 1 where name = 'significance_level'",
    "min_group_size": "raw.workspace set min_group_size = 6",
    "as_of_on": "raw.workspace set as_of_on = as_of_on - 30",
    "timezone": "raw.workspace set timezone = 'Pacific/Honolulu'",
    "base": "intermediate.int_customer_base_counted set customers = 1",
    "min_standardised_share": (
        "seeds.assumptions set value = 0.1 where name = 'min_standardised_share'"
    ),
    "population": "seeds.metrics set population = 'employees'",
    "passive": "seeds.metric_scales set nps_class = 'middle' where nps_class = 'passive'",
}


@pytest.mark.parametrize("setting", LIFT_CHANGES)
def test_lift_follows_settings(changed, setting: str):
    before = lift(changed)
    changed.execute(f"update {LIFT_CHANGES[setting]}")
    after = lift(changed)
    assert before and after != before
    if setting in ("population", "passive"):
        assert not after


def test_what_was_delivered_no_longer_is_not_zero(changed):
    """Days after a source's last event are not counted as days without events."""
    before = lift(changed)
    changed.execute(
        "delete from nps.intermediate.int_support_tickets_versioned where opened_at >= ?",
        [at(ago(20), 0)],
    )
    after = lift(changed)
    fewer = {key for key, row in after.items() if row["observed"] < before[key]["observed"]}
    assert fewer and {measure for *_, measure, _ in fewer} == {"tickets"}


@pytest.mark.parametrize("factor, known", [(1e10, True), (1e17, False)])
def test_what_is_too_large_for_a_sum_is_not_zero(changed, factor: float, known: bool):
    """Squares overflow first, when the mean is still known; then the sum, when nothing is."""
    before = lift(changed)
    changed.execute(
        f"update nps.intermediate.int_product_usage_versioned set quantity = quantity * {factor}"
    )
    reasons = set()
    for key, row in lift(changed).items():
        if key[3] != "all":
            continue
        if key[2] != "usage" or before[key]["mean"] is None:
            assert row["unknown_because"] == before[key]["unknown_because"]
        elif not before[key]["standard_error"]:
            assert row["unknown_because"] in (None, "too_large")
        else:
            reasons.add(row["unknown_because"])
            assert row["standard_error"] is row["z"] is None
            if known:
                assert row["mean"] == pytest.approx(factor * before[key]["mean"])
            elif row["mean"] is not None:
                assert row["total"] == pytest.approx(factor * before[key]["total"])
    assert reasons == {"too_large"}
