"""What it is worth, of the published sample: against truths, pandas and lifelines."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from sample_support import AS_OF, CLASSES, RELATIONAL, rows

from sample import truths

# --- retention, revenue at risk, lift -----------------------------------------------------------

# pulse says that they were answered, before they were sent: so they were not silent.
ANSWERED_BEFORE_SENT = sum(of_file.get("before sent", 0) for of_file in truths.BAD_ROWS.values())


@pytest.mark.parametrize("nps_class", truths.CHURN_180)
def test_curves_follow_everybody_who_was_active(tables, nps_class):
    censored = {
        **truths.CENSORED_180,
        "no_response": truths.CENSORED_180_NO_RESPONSE - ANSWERED_BEFORE_SENT,
    }
    ((begun, followed),) = rows(
        tables,
        "select max(at_risk), sum(churned + censored) from marts.nps_retention_curves "
        f"where {RELATIONAL} and basis = 'responses' and dimension = 'all' "
        f"and nps_class = '{nps_class}'",
    )
    assert begun == followed == truths.CHURN_180[nps_class].observed + censored[nps_class]


@pytest.mark.parametrize("nps_class", CLASSES)
def test_curves_are_those_of_lifelines(tables, nps_class):
    """From the published survival records; silences are not published one by one."""
    from lifelines import KaplanMeierFitter

    records = rows(
        tables,
        f"""
        select
            least(coalesce(days_to_churn, 9999), {AS_OF} - responded_on),
            coalesce(days_to_churn <= {AS_OF} - responded_on, false)
        from marts.fct_nps_churn
        where {RELATIONAL} and nps_class = '{nps_class}' and was_active_at_answer
        """,
    )
    fitter = KaplanMeierFitter().fit(*zip(*records, strict=True))
    found = rows(
        tables,
        "select days, retention, ci_low, ci_high from marts.nps_retention_curves "
        f"where {RELATIONAL} and basis = 'responses' and dimension = 'all' "
        f"and nps_class = '{nps_class}' order by days",
    )
    bounds = fitter.confidence_interval_
    expected = zip(
        fitter.timeline, fitter.survival_function_["KM_estimate"], *map(bounds.get, bounds),
        strict=True,
    )  # fmt: skip
    assert found == [pytest.approx(row, abs=1e-9) for row in expected]


def test_detractors_leave_sooner_and_it_is_no_chance(tables):
    found = {
        (first, second): (more, is_significant)
        for first, second, more, is_significant in rows(
            tables,
            "select nps_class, compared_class, churned > expected_churned, is_significant "
            f"from marts.nps_retention_tests where {RELATIONAL} and basis = 'customers' "
            "and dimension = 'all'",
        )
    }
    for other in ("no_response", "passive", "promoter"):
        assert found["detractor", other] == (True, True)
    # 10 % of passives leave within 180 days and 4 % of promoters
    assert found["passive", "promoter"] == (True, True)
    assert len(found) == 6


def test_average_revenue_is_that_of_all_active_customers(tables):
    (found,) = rows(
        tables,
        "select distinct revenue_per_customer from marts.nps_revenue_at_risk "
        "where dimension = 'all'",
    )
    assert found == (pytest.approx(12 * truths.MRR / truths.ACTIVE_CRM_CUSTOMERS, abs=1e-6),)


@pytest.mark.parametrize(
    "nps_class, rate, horizon", [("detractor", 0.5, 90), ("passive", 0.3, 180)]
)
def test_what_is_assumed_and_what_is_seen_of_those_at_risk(tables, nps_class, rate, horizon):
    """Promoter.io's rate beside the class's own: of passives 100 of 1,000 left in 180 days."""
    ((customers, assumed, revenue, observed, seen, evidence, difference),) = rows(
        tables,
        "select priced_customers, assumed_amount, annual_revenue, observed, observed_rate, "
        "evidence_amount, difference from marts.nps_revenue_at_risk "
        f"where {RELATIONAL} and dimension = 'all' and nps_class = '{nps_class}'",
    )
    average = 12 * truths.MRR / truths.ACTIVE_CRM_CUSTOMERS
    assert assumed == pytest.approx(customers * rate * average, abs=1e-5)
    ((over, left),) = rows(
        tables,
        f"select count(*), count(*) filter (days_to_churn <= {horizon}) "
        f"from marts.fct_nps_churn where {RELATIONAL} and was_active_at_answer "
        f"and nps_class = '{nps_class}' and responded_on + {horizon} <= {AS_OF}",
    )
    assert (observed, seen) == (over, pytest.approx(left / over))
    if horizon == truths.CHURN_WINDOW:
        assert (over, left) == truths.CHURN_180[nps_class][:2]
    assert evidence == pytest.approx(revenue * left / over, abs=1e-5)
    assert difference == pytest.approx(evidence - assumed, abs=1e-5)


def test_regions_add_up_to_the_revenue_at_risk(tables):
    found = rows(
        tables,
        """
        select
            sum(customers), sum(priced_customers), sum(assumed_amount), sum(annual_revenue)
        from marts.nps_revenue_at_risk where dimension in ('all', 'region')
        group by metric, survey_type, figure, dimension order by metric, survey_type, figure
        """,
    )
    for total, parts in zip(found[::2], found[1::2], strict=True):
        assert total == pytest.approx(parts, rel=1e-9)


# Files, customer, day and amount of what lift counts, and since when it was delivered.
DEEDS = {
    "revenue": ("crm/invoices_*.csv", "customer_no", "day", "try_cast(amount as double)",
                "coalesce(currency, 'EUR') = 'EUR' and invoice_no is not null"),
    "referrals": ("crm/referrals.csv", "by_customer", "day", "1", "true"),
    "tickets": ("helpdesk/tickets.csv", "customer", "opened[:10]", "1", "ticket is not null"),
}  # fmt: skip


@pytest.mark.parametrize("measure", DEEDS)
@pytest.mark.parametrize("nps_class", CLASSES)
def test_lift_counts_the_year_after_the_first_answer(tables, sample_root, measure, nps_class):
    """From the delivered files: what the customers of a class did in those 365 days."""
    files, customer, day, amount, condition = DEEDS[measure]
    firsts = rows(
        tables,
        f"""
        select c.customer_id, f.responded_on
        from (
            select
                *, row_number() over (
                    partition by customer_key
                    order by responded_at, version_at nulls first, length(response_id), response_id
                ) as place
            from marts.fct_nps_responses where {RELATIONAL} and customer_key is not null
        ) as f
        join marts.dim_customers as c using (customer_key)
        left join marts.fct_nps_churn as h using (response_key)
        where f.place = 1 and f.nps_class = '{nps_class}' and f.responded_on + 365 <= {AS_OF}
            and h.was_active_at_answer is not false
            and ('{measure}' <> 'revenue' or h.revenue_before is not null)
        """,
    )
    with duckdb.connect() as landing:
        landing.execute("create table firsts (customer varchar, answered_on date)")
        landing.executemany("insert into firsts values (?, ?)", firsts)
        ((observed, total),) = landing.execute(
            f"""
            with deeds as (
                select distinct * from (
                    select {customer} as customer, try_cast({day} as date) as done_on,
                        {amount} as amount, *
                    from read_csv('{sample_root}/landing/{files}', all_varchar = true)
                    where {condition}
                )
                where done_on <= {AS_OF}
            ),

            observed as (
                select * from firsts
                where answered_on >= (select min(done_on) from deeds)
                    and answered_on + 365 <= (select max(done_on) from deeds)
            )

            select
                (select count(*) from observed),
                (select sum(amount) from deeds join observed using (customer)
                where done_on > answered_on and done_on <= answered_on + 365)
            """
        ).fetchall()
    (found,) = rows(
        tables,
        "select observed, total from marts.nps_lift_by_class "
        f"where {RELATIONAL} and nps_class = '{nps_class}' and measure = '{measure}'",
    )
    assert found == (observed, pytest.approx(total))


# --- growth -------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", truths.NEW_CUSTOMERS)
def test_new_customers_are_earned_or_bought(tables, year):
    ((new, earned, because),) = rows(
        tables,
        "select new_customers, earned_customers, unknown_because from marts.earned_growth "
        f"where time_grain = 'year' and period_start = date '{year}-01-01'",
    )
    assert (new, earned) == truths.NEW_CUSTOMERS[year]
    assert because is None


def test_all_movements_end_in_the_mrr_of_now(tables):
    for grain in ("month", "quarter", "year"):
        found = rows(
            tables,
            "select closing_mrr from marts.earned_growth "
            f"where time_grain = '{grain}' order by period_start desc limit 1",
        )
        assert found == [(truths.MRR,)]


def test_before_the_first_referral_nobody_knows_who_was_earned(tables):
    found = rows(
        tables,
        "select distinct earned_new_mrr, earned_growth_rate, unknown_because "
        "from marts.earned_growth where time_grain = 'year' and year(period_start) in (2022, 2023)",
    )
    assert found == [(None, None, "no_referrals")]


def test_growth_of_2025_from_the_delivered_movements(tables, sample_root):
    """Whole states of every customer at both ends of the year, by pandas."""
    moves = pd.read_csv(sample_root / "landing/crm/mrr_movements.csv")
    moves["amount"] = pd.to_numeric(moves["amount"], errors="coerce")
    moves = moves[moves["amount"].notna() & (moves["kind"] != "upsell")]
    opening = moves[moves["day"] < "2025-01-01"].groupby("customer_no")["amount"].sum()
    closing = moves.groupby("customer_no")["amount"].sum()
    referrals = pd.read_csv(sample_root / "landing/crm/referrals.csv")
    news = moves[(moves["kind"] == "new") & (moves["day"] >= "2025-01-01")]["customer_no"]
    base = opening[opening > 0]
    nrr = closing[base.index].sum() / base.sum()
    earned = closing[news[news.isin(referrals["new_customer"])]].sum() / base.sum()
    ((found, growth, earned_growth),) = rows(
        tables,
        "select nrr, growth, earned_growth_rate from marts.earned_growth "
        "where time_grain = 'year' and period_start = date '2025-01-01'",
    )
    assert found == pytest.approx(nrr, abs=1e-9)
    assert growth == pytest.approx(closing.sum() / base.sum() - 1, abs=1e-9)
    assert earned_growth == pytest.approx(nrr + earned - 1, abs=1e-9)


def test_what_a_customer_pays_a_year(tables):
    found = rows(
        tables,
        f"select distinct revenue_per_customer from marts.nps_revenue_at_risk where {RELATIONAL} "
        "and revenue_per_customer is not null",
    )
    assert found == [(pytest.approx(truths.REVENUE_PER_CUSTOMER, abs=1e-6),)]
