"""The checks of asking hold on good tables, and for each there is a mistake that it alone finds."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from statistics import NormalDist

import duckdb
import pytest
from scipy import stats
from suites_support import failing_after

from expectations.suites.asking import ASKING as ASKED_FOR
from expectations.suites.weighting import WEIGHTING
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
NORMAL = NormalDist()
ASKING = ASKED_FOR | WEIGHTING
ALL = [(table, check) for table, checks in ASKING.items() for check in checks]


def _wilson(k: int, n: int) -> tuple[float, float, float, float]:
    """Share, standard error and Wilson's 95 % bounds."""
    z, p = NORMAL.inv_cdf(0.975), k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # of none and of all there is no spread: the error is that of the adjusted share
    q, m = (p, n) if 0 < k < n else ((k + z * z / 2) / (n + z * z), n + z * z)
    return p, math.sqrt(q * (1 - q) / m), middle - half, middle + half


# Of four e-mails of one day one bounced, two were opened and answered, one of these with a score;
# of the one text message nothing more is known, and one is too few.
COHORTS = [
    ("day", "2025-11-20", "2025-11-20", True),
    ("week", "2025-11-17", "2025-11-23", True),
    ("month", "2025-11-01", "2025-11-30", True),
    ("quarter", "2025-10-01", "2025-12-31", True),
    ("year", "2025-01-01", "2025-12-31", True),
    ("all", "2025-11-20", "2025-11-20", True),
]


def _rates(scored: int, delivered: int) -> str:
    """Assignments of the rates of what arrived, where all of it was opened."""
    names = ("response_rate", "standard_error", "ci_low", "ci_high")
    figures = zip(names, _wilson(scored, delivered), strict=True)
    return "open_rate = 1, " + ", ".join(f"{name} = {figure}" for name, figure in figures)


NOTHING = ", ".join(["null::double"] * 6)
RATES = ", ".join(map(str, (0.75, 2 / 3, *_wilson(1, 3))))


def _agresti_caffo(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """Difference and standard error of two shares, one success and one failure added to each."""
    (p, m), (q, n) = (((k + 1) / (size + 2), size + 2) for k, size in (first, second))
    return p - q, math.sqrt(p * (1 - p) / m + q * (1 - q) / n)


# What is tested: 1 of 2 who answered and none of 3 silent left; 100 days against 50.
CHURN = _agresti_caffo((1, 2), (0, 3))
TENURE = (50.0, 20.0)
SURE = _agresti_caffo((2, 2), (0, 3))
# of 4 and 5 with unequal variances
TENURE_T = stats.t(6.5)
P_CHURN = 2 * NORMAL.cdf(-abs(CHURN[0] / CHURN[1]))
P_TENURE = float(2 * TENURE_T.sf(TENURE[0] / TENURE[1]))
assert P_TENURE < P_CHURN


def _interval(tested: tuple[float, float]) -> tuple[float, float]:
    """95 % bounds of a difference of shares, which is not beyond 1."""
    half = NORMAL.inv_cdf(0.975) * tested[1]
    return max(-1.0, tested[0] - half), min(1.0, tested[0] + half)


def _bias(
    measure: str, window: str, sizes: tuple, means: tuple, tested: tuple | None, adjusted: float = 1
) -> str:
    """A row of nps_nonresponse_bias; without a test it says that there are too few."""
    counts = f"{sizes[0]}::bigint as responders, {sizes[1]}::bigint as silent"
    if tested is None:
        figures = ", ".join(["null::double"] * 9) + ", 2::bigint, null::double, null::boolean"
        why = "'too_few'"
    else:
        difference, error = tested
        is_share = measure == "churn_rate"
        p, degrees = (P_CHURN, "null::double") if is_share else (P_TENURE, TENURE_T.args[0])
        low, high = _interval(tested) if is_share else TENURE_T.interval(0.95)
        if not is_share:
            low, high = difference + low * error, difference + high * error
        figures, why = (
            f"{means[0]}, {means[1]}, {means[0] - means[1]}, {error}, {low}, {high}, "
            f"{difference / error}, {degrees}, {p}, 2::bigint, {adjusted}, {adjusted <= 0.05}",
            "null",
        )
    names = (
        "responder_mean, silent_mean, difference, standard_error, ci_low, ci_high, z, "
        "degrees_of_freedom, p_value, comparisons, p_adjusted, is_significant"
    )
    return f"""
    select
        'nps' as metric, 'relational' as survey_type, '{measure}' as measure,
        {window}::int as window_days, {counts},
        {2 if measure == "tenure_days" else 0}::bigint as excluded, t.*,
        {min(sizes) < 2} as is_suppressed,
        {why}::varchar as unknown_because
    from (values ({figures})) as t ({names})
    """


# On the answers' last day of conftest's tables two customers are of north, one is of south: north's
# three answers score 0, south's two 0, the unknown's one counts for nobody. In basis customers north
# scores -50 with two answers.
ASKED = [
    f"create table if not exists seeds.{name} as from read_csv('{SEEDS / name}.csv')"
    for name in ("assumptions", "metrics")
] + [
    "insert into raw.mapped_columns values ('ask', 'survey_invitations', 'crm', 'sent_at')",
    """
    insert into marts.ingest_reconciliation by name
    select 'ask' as source, 'survey_invitations' as entity, 'i' as file_sha256, 5 as rows_accepted
    """,
    f"""
    create or replace table marts.fct_response_rates as
    select
        time_grain, cohort_start::date as cohort_start, cohort_end::date as cohort_end,
        md5('s1') as survey_key, 's1' as survey_id, 'nps' as metric, 'relational' as survey_type,
        counts.*, is_settled, sent < 2 as is_suppressed
    from (values {", ".join(map(str, COHORTS))}) as t (time_grain, cohort_start, cohort_end, is_settled)
    cross join (values
        ('email', 4::bigint, 1::bigint, 0::bigint, 3::bigint, 2::bigint, 2::bigint, 1::bigint, {RATES}),
        ('sms', 1, null, null, null, null, null, null, {NOTHING})
    ) as counts (channel, sent, bounced, opted_out, delivered, opened, responded, scored,
        delivery_rate, open_rate, response_rate, standard_error, ci_low, ci_high)
    """,
    "create or replace table marts.nps_nonresponse_bias as "
    + " union all ".join(
        (
            _bias("churn_rate", "30", (2, 3), (0.5, 0.0), CHURN, P_CHURN),
            _bias("mrr", "null", (1, 3), (0, 0), None),
            _bias("tenure_days", "null", (4, 5), (100.0, 50.0), TENURE, 2 * P_TENURE),
        )
    ),
    """
    create or replace table marts.nps_weighted_by_period as
    select
        'all' as time_grain, date '2025-10-05' as period_start, date '2025-10-06' as period_end,
        basis, 'nps' as metric, 'relational' as survey_type, dimension,
        3::bigint as base_customers, 1.0::double as covered_share, responses::bigint as responses,
        nps, weighted_nps, effective_responses, effective_responses / responses as efficiency,
        false as is_inefficient, 40.0::double as standard_error, -60.0::double as ci_low,
        60.0::double as ci_high, false as is_suppressed, 1.5::double as largest_weight,
        case when dimension = 'region' then 0.0 else 0.1 end as margin_error,
        true as is_converged, 30.0::double as standard_error_stratified,
        -50.0::double as ci_low_stratified, 50.0::double as ci_high_stratified,
        case when basis = 'customers' then -55.0 end as ci_low_finite,
        case when basis = 'customers' then 55.0 end as ci_high_finite
    from (values
        ('responses', 6, 100.0 / 6, 0.0::double, 9 / (4 / 3 + 1 / 2)),
        ('customers', 5, 0.0, -100.0 / 3, 9 / (4 / 2 + 1 / 2))
    ) as t (basis, responses, nps, weighted_nps, effective_responses)
    cross join (select unnest(['region', 'all dimensions']) as dimension)
    """,
    """
    create or replace table marts.survey_fatigue as
    select
        c.customer_key, date '2025-12-31' as as_of_on, c.is_active, last_on::date as last_asked_on,
        date '2025-12-31' - last_on::date as days_since_last_asked, asks_365d, asks,
        opted_out_on::date as opted_out_on, last_on::date + 90 as quarantined_until, may_be_asked
    from marts.dim_customers as c
    inner join (values
        ('c1', '2025-11-20', 1, 2, null, false), ('c2', '2025-01-20', 1, 1, '2025-01-21', false),
        ('c3', null, 0, 0, null, true), ('c4', '2025-10-02', 1, 1, null, true)
    ) as t (customer_id, last_on, asks_365d, asks, opted_out_on, may_be_asked) using (customer_id)
    """,
]

RATE = "update marts.fct_response_rates set"
EMAIL = "where channel = 'email'"
ONE_ARRIVED = "delivered = 1, opened = 1, responded = 1, scored = 1, delivery_rate = 0.25"
BIAS = "update marts.nps_nonresponse_bias set"
# the one test of its family
ALONE = "comparisons = 1, p_adjusted = p_value, is_significant = p_value <= 0.05"
WEIGHTED = "update marts.nps_weighted_by_period set"
FATIGUE = "update marts.survey_fatigue set"


def _p_of(z: float) -> str:
    """Assignments of a larger p of the two, which no correction changes."""
    p = 2 * NORMAL.cdf(-abs(z))
    return f"p_value = {p}, p_adjusted = {p}, is_significant = {p <= 0.05}"


# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
MISTAKES = {
    ("fct_response_rates", "keys"): f"{RATE} cohort_start = null where channel = 'sms'",
    ("fct_response_rates", "keys grain"): (
        f"{RATE} cohort_end = cohort_start - 1 where time_grain = 'week'"
    ),
    ("fct_response_rates", "rates"): f"{RATE} response_rate = 0.5 {EMAIL}",
    ("fct_response_rates", "rates interval"): f"{RATE} ci_low = ci_low + 0.01 {EMAIL}",
    ("fct_response_rates", "rates upper"): f"{RATE} ci_high = ci_high - 0.01 {EMAIL}",
    ("fct_response_rates", "rates error"): f"{RATE} standard_error = 0.1 {EMAIL}",
    ("fct_response_rates", "rates order"): f"{RATE} responded = 0 {EMAIL}",
    (
        "fct_response_rates",
        "rates suppressed",
    ): f"{RATE} is_suppressed = false where sent = 1",
    ("fct_response_rates", "rates settled"): f"{RATE} is_settled = null where sent = 1",
    # four were sent, one of them arrived
    ("fct_response_rates", "rates arrived"): f"{RATE} {ONE_ARRIVED}, {_rates(1, 1)} {EMAIL}",
    ("fct_response_rates", "settled"): f"{RATE} is_settled = false where time_grain = 'all'",
    # by the end of the year, which the last invitation does not wait for
    ("fct_response_rates", "settled year"): (
        f"{RATE} is_settled = cohort_end + 30 < date '2025-12-31'"
    ),
    ("fct_response_rates", "settled days"): (
        "update seeds.assumptions set value = 41 where name = 'response_days'"
    ),
    ("fct_response_rates", "rates zero"): f"{RATE} open_rate = null {EMAIL}",
    ("fct_response_rates", "adds_up"): (
        "delete from marts.fct_response_rates where time_grain = 'month' and channel = 'sms'"
    ),
    ("fct_response_rates", "adds_up event"): (
        f"{RATE} opted_out = 1 {EMAIL} and time_grain = 'month'"
    ),
    ("fct_response_rates", "adds_up invitations"): (
        "update marts.ingest_reconciliation set rows_accepted = 6 where rows_accepted = 5"
    ),
    ("fct_response_rates", "adds_up answers"): "delete from marts.fct_nps_responses",
    ("fct_response_rates", "no_emails"): f"{RATE} survey_id = 'ask ann@mail.example'",
    ("nps_nonresponse_bias", "keys"): f"{BIAS} window_days = 30 where measure = 'mrr'",
    ("nps_nonresponse_bias", "keys twice"): (
        "insert into marts.nps_nonresponse_bias from marts.nps_nonresponse_bias "
        "where measure = 'mrr'"
    ),
    ("nps_nonresponse_bias", "tested"): f"{BIAS} difference = 40 where measure = 'tenure_days'",
    # one-sided
    ("nps_nonresponse_bias", "tested p"): (
        f"{BIAS} p_value = p_value / 2, p_adjusted = p_adjusted / 2 where window_days = 30"
    ),
    ("nps_nonresponse_bias", "tested upper"): (
        f"{BIAS} p_value = 1, p_adjusted = 1 where window_days = 30"
    ),
    ("nps_nonresponse_bias", "tested z"): f"{BIAS} z = -z where measure = 'tenure_days'",
    ("nps_nonresponse_bias", "tested interval"): (
        f"{BIAS} ci_low = ci_low + 1, ci_high = ci_high - 1 where measure = 'tenure_days'"
    ),
    ("nps_nonresponse_bias", "tested degrees"): (
        f"{BIAS} degrees_of_freedom = 8 where measure = 'tenure_days'"
    ),
    # towards the normal distribution's, 0.012, and not yet significant
    ("nps_nonresponse_bias", "tested normal"): (
        f"{BIAS} p_value = 0.6 * p_value, p_adjusted = 0.6 * p_adjusted "
        "where measure = 'tenure_days'"
    ),
    ("nps_nonresponse_bias", "tested reason"): (
        f"{BIAS} unknown_because = 'perhaps' where measure = 'mrr'"
    ),
    # neither Wald's error nor the raw difference belongs to a share
    ("nps_nonresponse_bias", "shares"): (
        f"{BIAS} standard_error = sqrt(0.125), z = z * standard_error / sqrt(0.125), "
        f"{_p_of(CHURN[0] / math.sqrt(0.125))} where window_days = 30"
    ),
    ("nps_nonresponse_bias", "shares difference"): (
        f"{BIAS} z = difference / standard_error, {_p_of(0.5 / CHURN[1])} where window_days = 30"
    ),
    ("nps_nonresponse_bias", "shares seed"): (
        "update seeds.metrics set top_prior_of_two = 2 where metric = 'csat'"
    ),
    ("nps_nonresponse_bias", "corrected"): f"{BIAS} p_adjusted = p_value",
    ("nps_nonresponse_bias", "corrected comparisons"): f"{BIAS} comparisons = 3",
    (
        "nps_nonresponse_bias",
        "corrected significance",
    ): f"{BIAS} is_significant = not is_significant",
    ("nps_nonresponse_bias", "corrected level"): (
        "update seeds.assumptions set value = 0.9999 where name = 'significance_level'"
    ),
    ("nps_nonresponse_bias", "tested suppressed"): (
        f"{BIAS} is_suppressed = false where measure = 'mrr'"
    ),
    ("nps_nonresponse_bias", "tested known"): f"{BIAS} unknown_because = null",
    ("nps_nonresponse_bias", "tested excluded"): f"{BIAS} excluded = 1 where measure = 'mrr'",
    ("nps_nonresponse_bias", "silence"): (
        "update marts.nps_outcomes_by_class set observed = 4 where nps_class = 'no_response'"
    ),
    ("nps_nonresponse_bias", "silence churn"): (
        "update marts.nps_outcomes_by_class set churned = 1 where nps_class = 'no_response'"
    ),
    ("nps_nonresponse_bias", "silence lost"): (
        f"delete from marts.nps_nonresponse_bias where window_days = 30; {BIAS} {ALONE}"
    ),
    ("nps_weighted_by_period", "keys"): (
        "insert into marts.nps_weighted_by_period from marts.nps_weighted_by_period"
    ),
    ("nps_weighted_by_period", "keys employees"): (
        "update seeds.metrics set population = 'employees' where metric = 'nps'; "
        "update marts.nps_weighted_by_period set time_grain = 'year', "
        "period_start = date '2025-01-01'"
    ),
    ("nps_weighted_by_period", "weights"): f"{WEIGHTED} nps = 0",
    ("nps_weighted_by_period", "weights responses"): (
        f"{WEIGHTED} responses = 4, efficiency = 0.9 where basis = 'customers'"
    ),
    ("nps_weighted_by_period", "weights efficiency"): f"{WEIGHTED} efficiency = 0.5",
    ("nps_weighted_by_period", "weights inefficient"): f"{WEIGHTED} is_inefficient = true",
    ("nps_weighted_by_period", "weights interval"): f"{WEIGHTED} ci_high = 101",
    ("nps_weighted_by_period", "weights suppressed"): f"{WEIGHTED} is_suppressed = true",
    ("nps_weighted_by_period", "base"): f"{WEIGHTED} base_customers = 4",
    ("nps_weighted_by_period", "base score"): (
        f"{WEIGHTED} weighted_nps = weighted_nps + 1 where basis = 'customers'"
    ),
    ("nps_weighted_by_period", "base effective"): (
        f"{WEIGHTED} effective_responses = 3, efficiency = 0.6 where basis = 'customers'"
    ),
    ("nps_weighted_by_period", "base lost"): (
        "delete from marts.nps_weighted_by_period where basis = 'customers'"
    ),
    # who has left is no longer there
    ("nps_weighted_by_period", "base churn"): (
        "update marts.dim_customers set churned_at = timestamp '2025-10-06 12:00:00' "
        "where customer_id = 'c2'"
    ),
    ("nps_weighted_by_period", "base history"): (
        "update marts.dim_customer_history set valid_to = timestamp '2025-10-06 21:59:59' "
        "where region = 'south'"
    ),
    ("nps_weighted_by_period", "weights not converged"): (
        f"{WEIGHTED} is_converged = false where dimension = 'all dimensions'"
    ),
    ("nps_weighted_by_period", "bounds"): f"{WEIGHTED} ci_low_stratified = null",
    ("nps_weighted_by_period", "bounds answers"): (
        f"{WEIGHTED} ci_low_finite = -50, ci_high_finite = 50 where basis = 'responses'"
    ),
    ("nps_weighted_by_period", "bounds finite"): f"{WEIGHTED} ci_high_finite = 70",
    ("nps_weighted_by_period", "bounds width"): f"{WEIGHTED} ci_high_stratified = -50",
    ("nps_weighted_by_period", "bounds weight"): f"{WEIGHTED} largest_weight = 0.5",
    ("nps_weighted_by_period", "bounds margin"): (
        f"{WEIGHTED} margin_error = 0.1 where dimension = 'region'"
    ),
    ("nps_weighted_by_period", "raked"): (
        f"{WEIGHTED} base_customers = 4 where dimension = 'all dimensions'"
    ),
    ("nps_weighted_by_period", "raked weight"): (
        f"{WEIGHTED} largest_weight = 6 where dimension = 'all dimensions'"
    ),
    ("survey_fatigue", "keys"): "delete from marts.survey_fatigue where asks = 0",
    ("survey_fatigue", "keys twice"): (
        "insert into marts.survey_fatigue from marts.survey_fatigue where asks = 0"
    ),
    ("survey_fatigue", "keys day"): f"{FATIGUE} as_of_on = date '2026-01-01' where asks = 0",
    ("survey_fatigue", "keys active"): f"{FATIGUE} is_active = false where not may_be_asked",
    ("survey_fatigue", "peace"): f"{FATIGUE} may_be_asked = true where asks = 2",
    ("survey_fatigue", "peace wish"): f"{FATIGUE} may_be_asked = true where asks = 1",
    ("survey_fatigue", "peace quarantine"): f"{FATIGUE} quarantined_until = null",
    ("survey_fatigue", "peace year"): f"{FATIGUE} asks_365d = 3",
    ("survey_fatigue", "asked"): f"{FATIGUE} asks = 4 where asks = 2",
    ("survey_fatigue", "asked later"): (
        f"{FATIGUE} last_asked_on = last_asked_on + 1, quarantined_until = quarantined_until + 1, "
        "days_since_last_asked = days_since_last_asked - 1 where asks = 2"
    ),
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small warehouse with the tables of asking."""
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("asking") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        for statement in ASKED:
            connection.execute(statement)
    return path


def _found(good: Path, statements: str = "select 1") -> set[tuple[str, str]]:
    """The checks that fail after some statements, which are taken back."""
    with duckdb.connect(str(good)) as connection:
        return failing_after(connection, ALL, statements)


def test_good_tables_pass(good):
    results = validate(good, ASKING, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    assert _found(good, MISTAKES[mistake]) == {(mistake[0], mistake[1].split()[0])}


def test_every_check_can_fail():
    assert {(table, check.name) for table, check in ALL} == {
        (table, name.split()[0]) for table, name in MISTAKES
    }


@pytest.mark.parametrize(
    "statements",
    [
        # an empty warehouse says nothing, and nothing wrong
        "delete from marts.ingest_reconciliation; delete from marts.dim_customers; "
        "delete from marts.dim_customer_history; delete from marts.nps_outcomes_by_class; "
        "delete from marts.fct_nps_responses; delete from marts.fct_nps_by_segment_period; "
        + "; ".join(f"delete from marts.{table}" for table in ASKING),
        # nobody who answered is a customer now: there is a raw score and nothing weighted
        "update marts.dim_customer_history set region = 'east'; "
        f"{WEIGHTED} covered_share = 0, weighted_nps = null, effective_responses = null, "
        "efficiency = null, is_inefficient = null, standard_error = null, ci_low = null, "
        "ci_high = null, largest_weight = null, margin_error = null, "
        "standard_error_stratified = null, ci_low_stratified = null, ci_high_stratified = null, "
        "ci_low_finite = null, ci_high_finite = null",
        # nothing varies: a difference of zero, and nothing to test
        f"{BIAS} responder_mean = 50, difference = 0, standard_error = 0, z = null, "
        "ci_low = null, ci_high = null, degrees_of_freedom = null, "
        "p_value = null, p_adjusted = null, is_significant = null where measure = 'tenure_days'; "
        f"{BIAS} comparisons = 1",
        # all against none, and what is too large to be summed
        f"{BIAS} responder_mean = 1, difference = 1, standard_error = {SURE[1]}, "
        f"z = {SURE[0] / SURE[1]}, {_p_of(SURE[0] / SURE[1])}, ci_low = {_interval(SURE)[0]}, "
        f"ci_high = {_interval(SURE)[1]} where window_days = 30; "
        f"delete from marts.nps_nonresponse_bias where measure = 'tenure_days'; {BIAS} {ALONE}; "
        f"{BIAS} unknown_because = 'too_large', is_suppressed = false, responders = 2 "
        "where measure = 'mrr'",
        # some of the silent had answered another invitation
        "update marts.nps_outcomes_by_class set observed = 2 where nps_class = 'no_response'",
        # what is counted by answers has nothing to do with it
        "update marts.nps_outcomes_by_class set observed = 9, churned = 9 "
        "where nps_class = 'no_response' and basis = 'responses'",
        # of four that were sent one arrived: a delivery rate, and no rate of one
        f"{RATE} {ONE_ARRIVED}, open_rate = null, response_rate = null, standard_error = null, "
        f"ci_low = null, ci_high = null {EMAIL}",
        # a workspace without segments
        "delete from raw.segments; delete from marts.fct_nps_by_segment_period "
        "where dimension = 'region'; delete from marts.nps_weighted_by_period; "
        "alter table marts.dim_customer_history drop column region",
    ],
    ids=[
        "empty",
        "not covered",
        "nothing varies",
        "all against none",
        "others answered",
        "by answers",
        "few arrived",
        "no segments",
    ],
)
def test_what_is_allowed(statements, good):
    assert _found(good, statements) == set()
