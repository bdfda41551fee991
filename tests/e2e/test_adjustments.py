"""Comparisons that adjust, of the published sample: planted truths, lifelines and least squares."""

from __future__ import annotations

import itertools
import warnings

import duckdb
import numpy as np
import pandas as pd
import pytest
from sample_support import AS_OF, CLASSES, RELATIONAL, rows

from sample import confounding

ORDER = "responded_at, version_at nulls first, length(response_id), response_id, source"


def firsts(tables: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every customer's first relational answer, with what was known of the customer then."""
    return tables.execute(
        f"""
        select
            c.customer_id, f.nps_class, coalesce(f.region, '(unknown)') as region,
            coalesce(f.plan, '(unknown)') as plan, f.responded_on, h.was_active_at_answer,
            h.mrr_at_answer, h.revenue_before, h.days_to_churn,
            {AS_OF} - f.responded_on as seen,
            f.responded_on - timezone('Europe/Brussels', timezone('UTC', c.signed_up_at))::date
                as tenure
        from (
            select *, row_number() over (partition by customer_key order by {ORDER}) as place
            from marts.fct_nps_responses where {RELATIONAL} and customer_key is not null
        ) as f
        join marts.dim_customers as c using (customer_key)
        join marts.fct_nps_churn as h using (response_key)
        where f.place = 1
        """
    ).df()


# --- a confounded lift --------------------------------------------------------------------------


def test_promoters_pay_more_because_of_their_plans(tables):
    """The lift as it is is the plans'; standardised on the plan little of it is left."""
    found = dict(
        rows(
            tables,
            f"select dimension, lift from marts.nps_lift_by_class where {RELATIONAL} "
            "and nps_class = 'promoter' and measure = 'revenue'",
        )
    )
    assert round(confounding.LIFT_OF_THE_PLANS, 4) == 0.3206
    assert found["all"] > confounding.LIFT_OF_THE_PLANS - 0.05
    assert abs(found["plan"]) < confounding.LIFT_WITHIN_PLANS < found["all"] / 2
    # customers of all regions are on all plans
    assert found["region"] > confounding.LIFT_OF_THE_PLANS - 0.1


@pytest.mark.parametrize("nps_class", ["promoter", "detractor"])
def test_standardised_lift_from_the_delivered_invoices(tables, sample_root, nps_class):
    """Means by plan of the first answer, weighted with the customers who are there at as_of."""
    frame = firsts(tables)
    frame = frame[frame["was_active_at_answer"].eq(True) & frame["revenue_before"].notna()]
    with duckdb.connect() as landing:
        invoices = landing.execute(
            f"""
            select distinct invoice_no, customer_no, try_cast(day as date) as day,
                try_cast(amount as double) as amount
            from read_csv('{sample_root}/landing/crm/invoices_*.csv', all_varchar = true)
            where coalesce(currency, 'EUR') = 'EUR' and invoice_no is not null
                and try_cast(amount as double) is not null and try_cast(day as date) <= {AS_OF}
            """
        ).df()
    end = invoices["day"].max() - pd.Timedelta(days=365)
    last = pd.Timestamp("2025-12-31") - pd.Timedelta(days=365)
    on = pd.to_datetime(frame["responded_on"])
    frame = frame[(on >= invoices["day"].min()) & (on <= end) & (on <= last)]
    paid = frame.reset_index().merge(invoices, left_on="customer_id", right_on="customer_no")
    after = (paid["day"] - pd.to_datetime(paid["responded_on"])).dt.days
    amounts = paid[(after > 0) & (after <= 365)].groupby("index")["amount"].sum()
    frame = frame.assign(amount=amounts.reindex(frame.index).fillna(0.0))
    base = dict(
        rows(
            tables,
            "select plan, count(*) from marts.dim_customers "
            "where is_active and plan is not null group by plan",
        )
    )
    weights = {plan: count / sum(base.values()) for plan, count in base.items()}
    figures = {}
    for name in ("passive", nps_class):
        by_plan = frame[frame["nps_class"] == name].groupby("plan")["amount"]
        mean, error = by_plan.mean(), by_plan.sem()
        figures[name] = (
            sum(weight * mean[plan] for plan, weight in weights.items()),
            sum((weight * error[plan]) ** 2 for plan, weight in weights.items()) ** 0.5,
        )
    (found,) = rows(
        tables,
        "select mean, standard_error, passive_mean, passive_standard_error, lift, covered_share "
        f"from marts.nps_lift_by_class where {RELATIONAL} and nps_class = '{nps_class}' "
        "and measure = 'revenue' and dimension = 'plan'",
    )
    (mean, error), (passive_mean, passive_error) = figures[nps_class], figures["passive"]
    assert found == pytest.approx(
        (mean, error, passive_mean, passive_error, mean / passive_mean - 1, 1), rel=1e-9
    )


# --- retention ----------------------------------------------------------------------------------


def test_hazard_ratios_are_those_of_lifelines(tables):
    """From the published facts, with everything the model says it adjusts for."""
    from lifelines import CoxPHFitter

    published = tables.execute(
        f"select * from marts.nps_retention_adjusted where {RELATIONAL}"
    ).df()
    frame = firsts(tables)
    frame = frame[frame["was_active_at_answer"].eq(True)]
    assert set(published["known_customers"]) == {len(frame)}
    assert set(published["adjusted_for"]) == {"region, plan, tenure_years"}
    # prices follow from plans
    because = published.set_index("covariate")["unknown_because"].dropna().to_dict()
    assert because == {"log_mrr": "collinear"}
    frame = frame[(frame["tenure"] >= 0) & (frame["mrr_at_answer"] >= 0)]
    assert set(published["model_customers"]) == {len(frame)}
    design = pd.DataFrame(
        {
            (row.covariate, row.level): (
                frame["tenure"] / 365
                if row.covariate == "tenure_years"
                else np.log1p(frame["mrr_at_answer"])
                if row.covariate == "log_mrr"
                else (frame[row.covariate] == row.level).astype(float)
            )
            for row in published.itertuples()
            if row.unknown_because is None or pd.isna(row.unknown_because)
        }
    )
    names = [" ".join(column) for column in design.columns]
    flat = design.set_axis(names, axis=1)
    flat["days"] = frame[["days_to_churn", "seen"]].min(axis=1)
    flat["churned"] = frame["days_to_churn"].astype(float) <= frame["seen"].astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter().fit(
            flat,
            "days",
            "churned",
            fit_options={"precision": 1e-20, "r_precision": 1e-20, "max_steps": 500},
        )
    found = published.set_index(published["covariate"] + " " + published["level"])
    for name in names:
        expected = fitter.summary.loc[name]
        assert found.loc[name, "hazard_ratio"] == pytest.approx(expected["exp(coef)"], abs=1e-7)
        assert found.loc[name, "p_value"] == pytest.approx(expected["p"], abs=1e-7)
    assert published["concordance"][0] == pytest.approx(fitter.concordance_index_, abs=1e-9)
    # truths.CHURN_180: 30 % of detractors leave and 10 % of passives, on every plan
    detractor = found.loc["nps_class detractor"]
    assert detractor["ci_low"] > 1 and detractor["is_significant"]
    assert found.loc["nps_class promoter", "ci_high"] < 1


def test_detractors_leave_sooner_within_every_plan(tables):
    found = {
        (dimension, first, second): (more, is_significant)
        for dimension, first, second, more, is_significant in rows(
            tables,
            "select dimension, nps_class, compared_class, churned > expected_churned, "
            f"is_significant from marts.nps_retention_stratified where {RELATIONAL} "
            "and basis = 'customers'",
        )
    }
    for dimension in ("region", "plan"):
        assert found[dimension, "detractor", "passive"] == (True, True)
        assert found[dimension, "detractor", "promoter"] == (True, True)


# --- drivers ------------------------------------------------------------------------------------


def test_drivers_are_those_of_the_published_answers(tables):
    """R² of each subset by least squares on the answers themselves, averaged over all orders."""
    answers = tables.execute(
        f"""
        with recent as (
            select
                *,
                row_number() over (
                    partition by voice_key, metric, survey_type
                    order by responded_at desc, version_at desc nulls last,
                        length(response_id) desc, response_id desc, source desc
                ) as place,
                row_number() over (
                    partition by voice_key, metric
                    order by responded_at desc, version_at desc nulls last,
                        length(response_id) desc, response_id desc, source desc
                ) as place_of_metric
            from marts.fct_nps_responses where responded_on > {AS_OF} - 365
        )

        select
            r.contribution, coalesce(r.region, '?') as region, coalesce(r.plan, '?') as plan,
            coalesce(r.channel, '?') as channel, coalesce(c.nps_class, '-') as csat
        from recent as r
        left join (
            select voice_key, nps_class from recent where metric = 'csat' and place_of_metric = 1
        ) as c using (voice_key)
        where r.place = 1 and r.{RELATIONAL.replace("and ", "and r.")}
        """
    ).df()
    y = answers["contribution"].to_numpy(float)

    def explained(names: frozenset[str]) -> float:
        if not names:
            return 0.0
        dummies = pd.get_dummies(answers[sorted(names)], drop_first=True, dtype=float)
        design = np.column_stack([np.ones(len(y)), dummies.to_numpy()])
        fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
        return 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()

    found = {
        name: (share, ci_low, ci_high)
        for name, share, ci_low, ci_high in rows(
            tables,
            "select attribute, share, ci_low, ci_high from marts.nps_key_drivers "
            f"where {RELATIONAL} and share is not null",
        )
    }
    names = [*found]
    assert {*names} <= {"region", "plan", "channel", "csat"} and {"region", "plan"} <= {*names}
    known = {
        frozenset(some): explained(frozenset(some))
        for size in range(len(names) + 1)
        for some in itertools.combinations(names, size)
    }
    orders = [*itertools.permutations(names)]
    for name in names:
        gained = [
            known[frozenset(order[: order.index(name) + 1])]
            - known[frozenset(order[: order.index(name)])]
            for order in orders
        ]
        share, ci_low, ci_high = found[name]
        assert share == pytest.approx(sum(gained) / len(orders), abs=1e-9)
        assert ci_low <= share <= ci_high


def test_plan_and_region_drive_the_score_and_the_channel_does_not(tables):
    """The price rise of the plan starter and the regions' scores are planted; channels are not."""
    found = {
        attribute: (share, is_significant, lowest, highest)
        for attribute, share, is_significant, lowest, highest in rows(
            tables,
            "select attribute, share, is_significant, lowest_level, highest_level "
            f"from marts.nps_key_drivers where {RELATIONAL}",
        )
    }
    assert found["plan"][1:] == (True, "starter", "enterprise")
    assert found["region"][1:] == (True, "south", "east")
    others = [share for name, (share, *_) in found.items() if name not in ("plan", "region")]
    assert max(share or 0 for share in others) < min(found["plan"][0], found["region"][0])


def test_every_class_of_a_model_is_known_or_says_why(tables):
    for nps_class in CLASSES:
        found = rows(
            tables,
            "select hazard_ratio, unknown_because from marts.nps_retention_adjusted "
            f"where level = '{nps_class}'",
        )
        assert all((ratio is None) == (because is not None) for ratio, because in found)
