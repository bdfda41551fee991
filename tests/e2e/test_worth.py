"""What it is worth, of the published sample: against truths, pandas and lifelines."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from sample_support import AS_OF, CLASSES, RELATIONAL, invitations_sent, rows
from scipy import stats

from sample import truths

# --- retention, revenue at risk, lift -----------------------------------------------------------


@pytest.mark.parametrize("nps_class", CLASSES)
def test_curves_follow_everybody_who_was_active(tables, nps_class):
    ((begun, followed),) = rows(
        tables,
        "select max(at_risk), sum(churned + censored) from marts.nps_retention_curves "
        f"where {RELATIONAL} and basis = 'responses' and dimension = 'all' "
        f"and nps_class = '{nps_class}'",
    )
    expected = truths.CHURN_180[nps_class].observed + truths.CENSORED_180[nps_class]
    assert begun == followed == expected


def test_curves_follow_every_silence_from_its_landmark(tables, sample_root):
    """As delivered: neither answered nor bounced nor named by an answer, sent 30 days before as_of."""
    frame = invitations_sent(sample_root)
    silent = frame[frame["responded"].isna() & frame["bounced"].isna() & frame["sent"].notna()]
    sure = silent["day"] + pd.Timedelta(days=truths.RESPONSE_DAYS) <= "2025-12-31"
    ((followed,),) = rows(
        tables,
        "select sum(churned + censored) from marts.nps_retention_curves "
        f"where {RELATIONAL} and basis = 'responses' and dimension = 'all' "
        "and nps_class in ('no_response', 'answered_other') and followed_from = 'landmark'",
    )
    assert followed == sure.sum()
    # the last quarter's are in the making
    assert truths.CHURN_180["no_response"].observed + 800 < followed < len(silent)


def survival_records(tables, nps_class: str) -> list[tuple[int, bool]]:
    """Days followed after each answer of a class, and whether its customer left on the last."""
    return rows(
        tables,
        f"""
        select
            least(coalesce(days_to_churn, 9999), {AS_OF} - responded_on),
            coalesce(days_to_churn <= {AS_OF} - responded_on, false)
        from marts.fct_nps_churn
        where {RELATIONAL} and nps_class = '{nps_class}' and was_active_at_answer
        """,
    )


@pytest.mark.parametrize("nps_class", CLASSES)
def test_curves_are_those_of_lifelines(tables, nps_class):
    """From the published survival records; silences are not published one by one."""
    from lifelines import KaplanMeierFitter

    records = survival_records(tables, nps_class)
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
    for row, drawn in zip(found, expected, strict=True):
        reference = drawn
        # until somebody leaves, Clopper and Pearson's bound; lifelines has a point
        if row[1] == 1:
            at_risk = sum(days >= row[0] for days, _ in records)
            low = stats.binomtest(at_risk, at_risk).proportion_ci(0.95, method="exact").low
            reference = (row[0], 1, low, 1)
        assert row == pytest.approx(reference, abs=1e-9)


def test_detractors_leave_sooner_and_it_is_no_chance(tables):
    found = {
        (first, second): (more, is_significant)
        for first, second, more, is_significant in rows(
            tables,
            "select nps_class, compared_class, churned > expected_churned, is_significant "
            f"from marts.nps_retention_tests where {RELATIONAL} and basis = 'customers' "
            "and dimension = 'all' and 'answered_other' not in (nps_class, compared_class)",
        )
    }
    for other in ("passive", "promoter"):
        assert found["detractor", other] == (True, True)
    # 10 % of passives leave within 180 days and 4 % of promoters
    assert found["passive", "promoter"] == (True, True)
    # the silent leave as well, promoters hardly
    assert found["no_response", "promoter"] == (True, True)
    assert len(found) == 6


@pytest.mark.parametrize("nps_class", CLASSES)
def test_windows_are_read_off_the_curves(tables, nps_class):
    """From the published survival records, by lifelines."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    records = survival_records(tables, nps_class)
    fitter = KaplanMeierFitter().fit(*zip(*records, strict=True))
    found = rows(
        tables,
        "select window_days, at_risk, retention, restricted_mean_days "
        f"from marts.nps_retention_by_window where {RELATIONAL} and basis = 'responses' "
        f"and dimension = 'all' and nps_class = '{nps_class}' order by 1",
    )
    assert [days for days, *_ in found] == [30, 90, 180, 365]
    for days, at_risk, retention, mean in found:
        assert at_risk == sum(end >= days for end, _ in records)
        assert retention == pytest.approx(fitter.predict(days), abs=1e-9)
        assert mean == pytest.approx(restricted_mean_survival_time(fitter, t=days), abs=1e-9)


def test_average_revenue_is_that_of_all_active_customers(tables):
    (found,) = rows(
        tables,
        "select distinct revenue_per_customer from marts.nps_revenue_at_risk "
        # of the panel and of the website nobody's revenue is known
        "where dimension = 'all' and survey_type in ('relational', 'transactional')",
    )
    assert found == (pytest.approx(12 * truths.MRR / truths.ACTIVE_CRM_CUSTOMERS, abs=1e-6),)


@pytest.mark.parametrize(
    "nps_class, rate, horizon", [("detractor", 0.5, 90), ("passive", 0.3, 180)]
)
def test_what_is_assumed_and_what_is_seen_of_those_at_risk(tables, nps_class, rate, horizon):
    """Promoter.io's rate beside the class's own, each customer once by the first answer or silence."""
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
        "select observed, churned from marts.nps_outcomes_by_class "
        f"where {RELATIONAL} and basis = 'customers' and dimension = 'all' "
        f"and nps_class = '{nps_class}' and window_days = {horizon}",
    )
    assert (observed, seen) == (over, pytest.approx(left / over))
    assert over < truths.CHURN_180[nps_class].observed
    assert evidence == pytest.approx(revenue * left / over, abs=1e-5)
    assert difference == pytest.approx(evidence - assumed, abs=1e-5)


def test_a_customer_counts_once_from_the_first_answer_or_silence(tables, sample_root):
    """Churn by class within 180 days, from published answers and delivered invitations, by pandas."""
    answers = tables.execute(
        "select c.customer_id as customer, f.nps_class, f.responded_on as day, a.responded_at as at, "
        f"f.churned_on from marts.fct_nps_churn as f join marts.fct_nps_responses as a "
        "using (response_key) join marts.dim_customers as c on f.customer_key = c.customer_key "
        f"where f.{RELATIONAL.replace('survey_type', 'f.survey_type')} and f.was_active_at_answer"
    ).df()
    frame = invitations_sent(sample_root)
    silent = frame[frame["responded"].isna() & frame["bounced"].isna()].copy()
    silent["day"] = silent["day"] + pd.Timedelta(days=truths.RESPONSE_DAYS)
    silent = silent[silent["day"] <= "2025-12-31"]
    silent["at"] = pd.to_datetime(silent["sent"], utc=True, format="ISO8601").dt.tz_localize(
        None
    ) + pd.Timedelta(days=truths.RESPONSE_DAYS)
    churned = tables.execute(
        "select customer_id as customer, churned_at::date as churned_on from marts.dim_customers "
        "where churned_at is not null"
    ).df()
    silent = silent[["customer", "day", "at"]].merge(churned, on="customer", how="left")
    silent["nps_class"] = "no_response"
    every = pd.concat(
        [answers, silent[silent["churned_on"].isna() | (silent["churned_on"] > silent["day"])]],
        ignore_index=True,
    )
    firsts = every.sort_values("at").groupby("customer").head(1)
    days = (pd.to_datetime(firsts["churned_on"]) - pd.to_datetime(firsts["day"])).dt.days
    over = pd.to_datetime(firsts["day"]) + pd.Timedelta(days=truths.CHURN_WINDOW) <= "2025-12-31"
    expected = {
        name: (int(over[group].sum()), int((over & (days <= truths.CHURN_WINDOW))[group].sum()))
        for name, group in firsts.groupby("nps_class").groups.items()
    }
    found = rows(
        tables,
        "select nps_class, observed, churned from marts.nps_outcomes_by_class "
        f"where {RELATIONAL} and basis = 'customers' and dimension = 'all' and observed > 0 "
        f"and window_days = {truths.CHURN_WINDOW}",
    )
    assert {name: tuple(counts) for name, *counts in found} == expected


def test_regions_add_up_to_the_revenue_at_risk(tables):
    found = rows(
        tables,
        """
        select
            sum(customers), sum(priced_customers), sum(assumed_amount), sum(annual_revenue)
        from marts.nps_revenue_at_risk
        where dimension in ('all', 'region') and survey_type in ('relational', 'transactional')
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
        f"where {RELATIONAL} and nps_class = '{nps_class}' and measure = '{measure}' "
        "and dimension = 'all'",
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
