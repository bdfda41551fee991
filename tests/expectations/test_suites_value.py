"""The checks of value hold on good tables, and for each there is a mistake that it alone finds.

The good tables are what the models make of a random business; mistakes are made in single rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from dbt_support import compiled, empty_database, rebuild
from suites_support import change, failing_after
from value_support import Business, settle

from expectations.suites.lift import LIFT as LIFT_SUITE
from expectations.suites.retention import RETENTION
from expectations.suites.value import VALUE as WORTH
from expectations.validate import validate

VALUE = RETENTION | WORTH | LIFT_SUITE
ALL = [(table, check) for table, checks in VALUE.items() for check in checks]
CURVES, WINDOWS, TESTS, RISK, LIFT = VALUE
ANN = "ann@mail.example"

# The intermediate models between a business and the tables of value, in order.
STEPS = (
    "int_anchors_unioned",
    "int_first_anchors_chosen",
    "int_first_landmarks_chosen",
    "int_outcomes_counted",
    "int_class_values_summed",
    "int_customer_sources_described",
    "int_referral_outcomes_counted",
    "int_customer_values_averaged",
    "int_retention_days_counted",
    "int_retention_pairs_summed",
    "int_customer_events_dated",
    "int_measures_covered",
    "int_first_answers_followed",
    "int_lift_amounts_summed",
    "int_lift_classes_summed",
    "int_lift_classes_averaged",
    "int_lift_strata_summed",
    "int_lift_standardised",
)


def copy(table: str, where: str, what: str = "") -> str:
    replaced = f"* replace ({what})" if what else "*"
    return f"insert into marts.{table} select {replaced} from marts.{table} where {where}"


SILENCE = """
    from intermediate.int_invitations_followed as s
    where has_churn_information and may_be_active and not is_answered"""
SILENT = f"""{SILENCE} and exists (
        select 1 from marts.fct_nps_churn as f
        where f.customer_key = s.customer_key and f.survey_type = s.survey_type
            and f.responded_on < s.landmark_on and f.was_active_at_answer
    )
    order by invitation_key limit 1
"""
# An answer that came after another one.
ANSWERED_AGAIN = """
    select response_key from marts.fct_nps_churn as f
    where has_churn_information and was_active_at_answer and exists (
        select 1 from marts.fct_nps_churn as o
        where o.customer_key = f.customer_key and o.survey_type = f.survey_type
            and o.was_active_at_answer and o.responded_on < f.responded_on
    )
    order by response_key limit 1
"""
# A silence that was a customer's first, and an answer of the same day.
ONE_DAY = f"""{SILENCE} and exists (
        select 1 from marts.fct_nps_churn as f
        where f.customer_key = s.customer_key and f.survey_type = s.survey_type
            and f.responded_on = s.landmark_on
    ) and not exists (
        select 1 from marts.fct_nps_churn as f
        where f.customer_key = s.customer_key and f.survey_type = s.survey_type
            and f.responded_on < s.landmark_on
    ) and not exists (
        select 1 from intermediate.int_invitations_followed as o
        where o.customer_key = s.customer_key and o.survey_type = s.survey_type
            and not o.is_answered
            and o.landmark_on <= s.landmark_on and o.invitation_key <> s.invitation_key
    )
    order by invitation_key limit 1
"""
# after the window that is read
SHOWN = (
    "dimension = 'region' and retention > 0 and retention < 1 and churned < at_risk and days > 20"
)
READ = "unknown_because is null and retention < 1"
UNSHOWN = "dimension = 'region' and is_suppressed"
TESTED = "p_value is not null and p_adjusted > p_value + 0.01 and dimension = 'all'"
ALONE = "p_value > 0.3 and comparisons = 1"
EVIDENT = "dimension = 'region' and difference is not null"
COMPARED = "p_value is not null and p_adjusted > p_value and dimension = 'all'"
STANDARDISED = "dimension = 'region'"

# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
MISTAKES = {
    # a third basis, complete in itself
    (CURVES, "keys"): (
        copy(CURVES, "basis = 'customers'", "'accounts' as basis")
        + "; "
        + copy(WINDOWS, "basis = 'customers'", "'accounts' as basis")
    ),
    (CURVES, "keys start"): f"update marts.{CURVES} set followed_from = 'landmark'",
    (CURVES, "follow_up"): change(CURVES, "at_risk = at_risk + 1", UNSHOWN),
    (CURVES, "follow_up begins"): (
        f"delete from marts.{CURVES} where {UNSHOWN} and days = 0 and churned + censored = 0"
    ),
    (CURVES, "follow_up shown"): change(CURVES, "is_suppressed = null", SHOWN),
    (CURVES, "follow_up few"): change(CURVES, "is_few_at_risk = not is_few_at_risk", SHOWN),
    (CURVES, "figures"): change(CURVES, "retention = retention + 0.01", SHOWN),
    (CURVES, "figures error"): change(CURVES, "standard_error = standard_error * 1.01", SHOWN),
    (CURVES, "figures low"): change(CURVES, "ci_low = ci_low * 0.99", SHOWN),
    (CURVES, "figures high"): change(CURVES, "ci_high = ci_high * 1.01", SHOWN),
    (CURVES, "figures lost"): change(CURVES, "retention = null", SHOWN),
    (CURVES, "figures of few"): change(CURVES, "retention = 0.5", UNSHOWN),
    (CURVES, "figures of a day 0"): change(CURVES, "ci_low = 0.9", "retention = 1 and at_risk < 9"),
    (CURVES, "figures of a day 0 error"): change(CURVES, "standard_error = 0", "retention = 1"),
    (CURVES, "figures of the last"): change(CURVES, "ci_high = 0", "retention = 0"),
    # a silence that came after an answer
    (CURVES, "of_the_facts"): (
        "delete from intermediate.int_invitations_followed "
        f"where invitation_key = (select invitation_key {SILENT})"
    ),
    (CURVES, "of_the_facts later"): (
        "update intermediate.int_invitations_followed set landmark_on = landmark_on - 1, "
        f"days_to_churn = null where invitation_key = (select invitation_key {SILENT})"
    ),
    (CURVES, "of_the_customers"): (
        "update marts.fct_nps_churn set customer_key = 'somebody' "
        f"where response_key = ({ANSWERED_AGAIN})"
    ),
    (CURVES, "of_the_customers instant"): (
        "update intermediate.int_invitations_followed "
        "set landmark_at = landmark_at + interval 2 hour "
        f"where invitation_key = (select invitation_key {ONE_DAY})"
    ),
    (CURVES, "adds_up"): (
        f"delete from marts.{CURVES} where dimension = 'region' and segment = 'north' "
        "and basis = 'customers'; "
        f"delete from marts.{WINDOWS} where dimension = 'region' and segment = 'north' "
        "and basis = 'customers'"
    ),
    (WINDOWS, "keys"): copy(WINDOWS, "is_suppressed and dimension = 'region'"),
    (WINDOWS, "readings"): change(WINDOWS, "at_risk = at_risk + 1", READ),
    (WINDOWS, "readings retention"): change(WINDOWS, "retention = retention - 0.001", READ),
    (WINDOWS, "readings reason"): change(
        WINDOWS, "unknown_because = null", "unknown_because = 'too_few_at_risk'"
    ),
    (WINDOWS, "readings interval"): change(
        WINDOWS, "restricted_mean_low = restricted_mean_high", READ
    ),
    (WINDOWS, "readings area"): change(WINDOWS, "restricted_mean_days = window_days + 1", READ),
    (TESTS, "keys"): copy(TESTS, "is_suppressed"),
    (TESTS, "pairs"): change(TESTS, "records = records + 1", "not is_suppressed"),
    (TESTS, "pairs lost"): (
        f"delete from marts.{TESTS} where is_suppressed and dimension = 'region'"
    ),
    (TESTS, "log_rank"): change(TESTS, "chi_squared = chi_squared + 0.01", TESTED),
    (TESTS, "log_rank expected"): change(TESTS, "expected_churned = expected_churned + 1", TESTED),
    (TESTS, "log_rank other"): change(
        TESTS, "compared_expected_churned = compared_expected_churned + 1", TESTED
    ),
    (TESTS, "log_rank p"): change(
        TESTS, "p_value = p_value / 4, p_adjusted = p_adjusted / 4", ALONE
    ),
    (TESTS, "log_rank few"): change(TESTS, "expected_churned = 1", "is_suppressed"),
    (TESTS, "corrected"): change(TESTS, "p_adjusted = p_value", TESTED),
    (TESTS, "corrected family"): change(TESTS, "comparisons = comparisons + 1", TESTED),
    (TESTS, "corrected level"): change(TESTS, "is_significant = not is_significant", TESTED),
    (RISK, "keys"): "update seeds.revenue_at_risk_rates set rate = 0.4 where figure = 'short'",
    (RISK, "keys twice"): copy(RISK, "customers = 0 and observed = 0 and dimension = 'region'"),
    (RISK, "amounts"): change(RISK, "evidence_amount = evidence_amount + 1", EVIDENT),
    (RISK, "amounts difference"): change(RISK, "difference = -difference", EVIDENT),
    (RISK, "amounts unpriced"): change(
        RISK, "unknown_because = 'no_referrals'", "unknown_because = 'no_mrr'"
    ),
    (RISK, "amounts rate"): change(RISK, "observed_rate = observed_rate + 0.1", EVIDENT),
    (RISK, "amounts interval"): change(RISK, "rate_ci_high = null", "rate_ci_high is not null"),
    (RISK, "amounts reason"): change(RISK, "unknown_because = 'too_few'", EVIDENT),
    (RISK, "amounts silent"): change(RISK, "unknown_because = null", "is_suppressed"),
    (RISK, "amounts average"): change(
        RISK, "revenue_per_customer = revenue_per_customer + 1", EVIDENT
    ),
    (RISK, "amounts few"): change(RISK, "annual_revenue = 10", "is_suppressed"),
    (RISK, "of_the_customers"): (
        "update marts.dim_customers set is_active = false "
        "where customer_key = (select min(customer_key) from marts.dim_customers "
        "where is_active and customer_key in (select customer_key from marts.fct_nps_responses))"
    ),
    (RISK, "of_the_customers mrr"): (
        "update intermediate.int_customer_values_summed set mrr = mrr + 1"
    ),
    (RISK, "of_the_churn"): (
        "update seeds.revenue_at_risk_rates set horizon_days = 30 where figure = 'short'; "
        f"update marts.{RISK} set horizon_days = 30 where figure = 'short'"
    ),
    (
        RISK,
        "of_the_referrals",
    ): "update intermediate.int_referrals_versioned set converted_at = null",
    (RISK, "of_the_referrals source"): "delete from raw.mapped_columns",
    (RISK, "adds_up"): change(
        RISK,
        "customers = customers - 1",
        "dimension = 'region' and is_suppressed and customers > priced_customers",
    ),
    (RISK, "adds_up priced"): change(
        RISK, "priced_customers = 1", "dimension = 'region' and priced_customers = 2"
    ),
    (RISK, "adds_up money"): change(
        RISK,
        "annual_revenue = annual_revenue + 1",
        "dimension = 'region' and observed_rate is null and annual_revenue is not null "
        f"and not exists (select 1 from marts.{RISK} as o where o.survey_type = t.survey_type "
        "and o.figure = t.figure and o.is_suppressed and o.dimension = 'region')",
    ),
    (RISK, "no_emails"): f"update marts.{RISK} set segment = '{ANN}' where segment = 'north'",
    (LIFT, "keys"): copy(LIFT, "unknown_because is not null and nps_class <> 'passive'"),
    (LIFT, "figures"): change(
        LIFT, "mean = mean + 1", "nps_class = 'promoter' and mean is not null and dimension = 'all'"
    ),
    (LIFT, "figures lift"): change(LIFT, "lift = lift + 1", COMPARED),
    (LIFT, "figures difference"): change(LIFT, "difference = difference + 1", COMPARED),
    (LIFT, "figures z"): change(LIFT, "z = -z", COMPARED),
    (LIFT, "figures error"): change(LIFT, "standard_error = 2 * standard_error + 1", COMPARED),
    (LIFT, "figures p"): change(LIFT, "p_value = p_value / 4, p_adjusted = p_adjusted / 4", ALONE),
    (LIFT, "figures interval"): change(
        LIFT,
        "ci_low = difference - 2 * (difference - ci_low), ci_high = 2 * ci_high - difference",
        COMPARED,
    ),
    (LIFT, "figures degrees"): change(
        LIFT, "degrees_of_freedom = degrees_of_freedom / 2", COMPARED
    ),
    (LIFT, "figures reason"): change(LIFT, "unknown_because = 'too_few'", COMPARED),
    (LIFT, "figures not delivered"): change(
        LIFT,
        "unknown_because = 'not_delivered'",
        "is_suppressed and observed > 0 and dimension = 'all'",
    ),
    (LIFT, "figures too large"): change(
        LIFT, "unknown_because = 'too_large'", "unknown_because = 'too_few' and dimension = 'all'"
    ),
    (LIFT, "figures no error"): change(
        LIFT,
        "standard_error = null",
        "nps_class = 'promoter' and z is null and observed > 3 and dimension = 'all'",
    ),
    (LIFT, "figures zero"): change(
        LIFT, "total = 0, mean = 0", "unknown_because = 'not_delivered' and dimension = 'all'"
    ),
    (LIFT, "figures days"): "update seeds.assumptions set value = 29.5 where name = 'lift_days'",
    (LIFT, "corrected"): change(LIFT, "p_adjusted = p_value", COMPARED),
    (LIFT, "corrected level"): change(LIFT, "is_significant = not is_significant", COMPARED),
    (LIFT, "figures of a total"): change(LIFT, "total = 1", STANDARDISED),
    (LIFT, "standardised"): change(LIFT, "covered_share = covered_share + 0.1", STANDARDISED),
    (LIFT, "standardised base"): "delete from intermediate.int_customer_base_counted",
    (LIFT, "standardised reason"): change(
        LIFT, "unknown_because = 'no_base'", "unknown_because = 'stratum_too_small'"
    ),
    (LIFT, "of_the_facts"): (
        "update intermediate.int_product_usage_versioned set quantity = quantity + 1"
    ),
    (LIFT, "of_the_facts end"): (
        "update intermediate.int_product_usage_versioned set row_status = 'superseded' "
        "where used_on >= (select max(used_on) - 5 from intermediate.int_product_usage_versioned "
        "where row_status = 'accepted')"
    ),
    (LIFT, "of_the_facts revenue"): "update marts.fct_nps_churn set revenue_before = null",
}
# One name in two tables is wrong in both.
MISTAKES_IN_TWO = {
    (CURVES, WINDOWS, TESTS, "no_emails"): "; ".join(
        f"update {table} set segment = '{ANN}' where segment = 'north'"
        for table in (
            *(f"marts.{name}" for name in (CURVES, WINDOWS, TESTS)),
            "intermediate.int_retention_days_counted",
        )
    ),
    (RISK, LIFT, "keys"): "update seeds.metrics set population = 'employees'",
    (CURVES, RISK, "adds_up"): "insert into raw.segments values (2, 'plan', 'plan')",
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables of value, and what they are made of."""
    path = tmp_path_factory.mktemp("value") / "good.duckdb"
    with empty_database() as connection:
        settle(connection)
        connection.execute("insert into raw.churn_windows values (20)")
        connection.execute("update seeds.assumptions set value = 5 where name = 'min_at_risk'")
        Business(20260101, cases=6, customers=120, answers=200).fill(connection)
        rebuild(connection, STEPS)
        for model in VALUE:
            connection.execute(f"insert into marts.{model} by name {compiled(model)}")
            # compiled for a workspace of two segments, of which this business has one
            if model in (CURVES, WINDOWS, TESTS, RISK):
                connection.execute(f"delete from marts.{model} where dimension = 'plan'")
        connection.execute(
            "delete from intermediate.int_retention_days_counted where dimension = 'plan'"
        )
        connection.execute(f"attach '{path}' as good")
        connection.execute("copy from database nps to good")
    return path


@pytest.fixture(scope="module")
def tables(good: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of it, to make mistakes in."""
    with duckdb.connect(shutil.copy(good, good.with_name("bad.duckdb"))) as connection:
        connection.execute("set threads = 1")
        yield connection


def _found(tables: duckdb.DuckDBPyConnection, statements: str) -> set[tuple[str, str]]:
    """The checks that fail after some statements, which are taken back."""
    return failing_after(tables, ALL, statements)


def test_good_tables_pass(good):
    results = validate(good, VALUE, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, tables):
    assert _found(tables, MISTAKES[mistake]) == {(mistake[0], mistake[1].split()[0])}


@pytest.mark.parametrize("mistake", MISTAKES_IN_TWO, ids=" ".join)
def test_a_mistake_in_two_tables_is_found_in_both(mistake, tables):
    *both, name = mistake
    assert _found(tables, MISTAKES_IN_TWO[mistake]) == {(table, name) for table in both}


def test_every_check_can_fail():
    tried = {(table, name.split()[0]) for table, name in MISTAKES}
    tried |= {(table, name) for *tables, name in MISTAKES_IN_TWO for table in tables}
    assert {(table, check.name) for table, check in ALL} == tried


def test_an_empty_warehouse_says_nothing_wrong(tables):
    facts = ("fct_nps_churn", "fct_nps_responses", "dim_customers")
    emptied = "; ".join(f"delete from marts.{table}" for table in (*facts, *VALUE))
    for table in ("invitations_followed", "first_anchors_chosen", "retention_days_counted"):
        emptied += f"; delete from intermediate.int_{table}"
    assert _found(tables, emptied) == set()


@pytest.mark.parametrize("table, check", ALL, ids=lambda v: getattr(v, "name", v))
def test_checks_are_well_made(table, check):
    assert check.severity == "critical"
    assert check.why.endswith(".")
    assert "{batch}" in check.kwargs["unexpected_rows_query"]
