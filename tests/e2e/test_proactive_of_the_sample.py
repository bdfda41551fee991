"""Proactive support and the journey of the published sample: what is planted, and the files."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from sample_support import is_held_out, rows
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from sample import journey, truths

# The months of 2025 after whose end a whole one is known; 0.3 x 11, rounded up, are held back.
MONTHS = list(pd.date_range("2025-01-31", "2025-11-30", freq="ME"))
HELD_BACK = MONTHS[-4:]
LOCAL = "({} at time zone 'UTC' at time zone 'Europe/Brussels')::date"


def planted(sample_root) -> pd.DataFrame:
    """Whose tickets rise, and before which day: from the delivered tickets."""
    frame = pd.read_csv(sample_root / "landing/helpdesk/tickets.csv", dtype=str)
    frame = frame[frame["ticket"].fillna("").between("T08001", "T08999")]
    day = pd.to_datetime(frame["opened"].str[:10])
    frame["before"] = (day + pd.offsets.MonthBegin(1)).dt.date
    counts = frame.groupby(["customer", "before"]).size()
    assert set(counts) == {truths.RISING_TICKETS}
    return counts.reset_index()


def test_whose_tickets_rise_now_is_listed(tables, sample_root):
    """All of them, whatever they said, but for those whom nobody is asked to contact."""
    rising = planted(sample_root)
    rising = rising[rising["before"] == date(2026, 1, 1)]["customer"]
    assert len(rising) == sum(truths.RISING)
    keys = dict(
        rows(
            tables,
            "select customer_id, customer_key from marts.dim_customers where source = 'crm'",
        )
    )
    listed = dict(
        rows(tables, "select customer_key, signal from private.restricted.proactive_support")
    )
    for customer in rising:
        key = keys[customer]
        assert listed.get(key) in ((None,) if is_held_out(key) else ("tickets_rose", "both"))
    assert not [key for key in listed if is_held_out(key)]


def test_whose_tickets_rise_leaves_more_often(tables, sample_root):
    """Two of five of the planted, of all others with more tickets fewer, of those without one in a hundred."""
    found = dict(
        rows(
            tables,
            """
            select signal in ('tickets_rose', 'both') as rose, sum(churned) / sum(customers)
            from marts.proactive_support_quality
            where nps_class <> 'all' and signal in ('tickets_rose', 'both', 'none')
                and not is_suppressed
            group by all
            """,
        )
    )
    assert found[True] > 5 * found[False]
    rising = planted(sample_root)
    left = dict(rows(tables, "select customer_id, churned_at from marts.dim_customers"))
    for month in HELD_BACK:
        group = rising[rising["before"] == (month + pd.Timedelta(days=1)).date()]["customer"]
        gone = [c for c in group if left[c] and left[c] <= month + pd.offsets.MonthEnd(1)]
        assert (len(group), len(gone)) == (sum(truths.RISING), truths.RISING[1])


def windows(landing) -> pd.DataFrame:
    """Usage and tickets by customer and month end, of 31 days and of the 90 before: from the files."""
    usage = pd.concat(
        pd.read_csv(file, dtype=str) for file in sorted(landing.glob("crm/usage_*.csv"))
    )
    tickets = pd.read_csv(landing / "helpdesk/tickets.csv", dtype=str)
    tickets = tickets.dropna(subset=["ticket", "customer"])
    events = pd.concat(
        [
            pd.DataFrame(
                {
                    "measure": "usage",
                    "customer_id": usage["customer_no"],
                    "day": pd.to_datetime(usage["day"]),
                    "amount": pd.to_numeric(usage["times"], errors="coerce"),
                }
            ).dropna(),
            pd.DataFrame(
                {
                    "measure": "tickets",
                    "customer_id": tickets["customer"],
                    "day": pd.to_datetime(tickets["opened"].str[:10]),
                    "amount": 1.0,
                }
            ),
        ]
    )
    found = []
    for month in MONTHS:
        age = (month - events["day"]).dt.days
        sums = pd.DataFrame(
            {
                f"{measure}_{name}": events[
                    (events["measure"] == measure) & age.between(first, last)
                ]
                .groupby("customer_id")["amount"]
                .sum()
                for measure in ("usage", "tickets")
                for name, first, last in (("recent", 0, 30), ("before", 31, 120))
            }
        )
        found.append(sums.reset_index().assign(as_of_on=month))
    return pd.concat(found)


def test_chances_are_those_of_the_delivered_files(tables, sample_root):
    """Every row of proactive_support_quality by pandas: usage, tickets, classes and who left."""
    both = tables.execute(
        f"""
        select
            c.customer_id, m.as_of_on::timestamp as as_of_on,
            coalesce(f.last_class, 'no_answer') as nps_class,
            ({LOCAL.format("c.churned_at")})::timestamp as left_on
        from marts.dim_customers as c
        cross join (select unnest(?::date[]) as as_of_on) as m
        left join marts.customer_nps_features as f
            on c.customer_key = f.customer_key and m.as_of_on = f.as_of_on
        where c.source = 'crm' and ({LOCAL.format("c.signed_up_at")}) <= m.as_of_on - 121
            and coalesce({LOCAL.format("c.churned_at")} > m.as_of_on, true)
        """,
        [[month.date() for month in MONTHS]],
    ).df()
    both = both.merge(windows(sample_root / "landing"), how="left").fillna(
        dict.fromkeys(("usage_recent", "usage_before", "tickets_recent", "tickets_before"), 0)
    )
    usual = both["usage_before"] * 31 / 90
    fell = (both["usage_before"] > 0) & (both["usage_recent"] <= usual / 2)
    rose = both["tickets_recent"] - both["tickets_before"] * 31 / 90 >= 2
    both["signal"] = "none"
    both.loc[rose, "signal"] = "tickets_rose"
    both.loc[fell, "signal"] = "usage_fell"
    both.loc[fell & rose, "signal"] = "both"
    both["has_left"] = both["left_on"] <= both["as_of_on"] + pd.offsets.MonthEnd(1)
    is_held_back = both["as_of_on"].isin(HELD_BACK)
    learned, judged = both[~is_held_back], both[is_held_back]
    cells = learned.groupby(["nps_class", "signal"])["has_left"].agg(["sum", "count"])
    chances = (cells["sum"] + 20 * learned["has_left"].mean()) / (cells["count"] + 20)
    found = {
        row[:2]: row[2:]
        for row in rows(
            tables,
            "select nps_class, signal, customers, is_suppressed, churned, mean_probability, ci_low, "
            "ci_high from marts.proactive_support_quality",
        )
    }
    customers, _, churned, *_ = found.pop(("all", "all"))
    assert (customers, churned) == (len(judged), judged["has_left"].sum())
    for cell, group in judged.groupby(["nps_class", "signal"]):
        customers, is_suppressed, churned, chance, *bounds = found.pop(cell)
        n, k = len(group), group["has_left"].sum()
        assert (customers, is_suppressed) == (n, n < 5 * group["as_of_on"].nunique())
        if not is_suppressed:
            assert churned == k
            assert chance == pytest.approx(chances.get(cell, learned["has_left"].mean()), abs=1e-9)
            assert bounds == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)
    assert not found


def test_the_chances_hold_in_later_months(tables):
    """Better than chance, and near what happened: within what the held-back months allow."""
    ((area, low, probability, share, n),) = rows(
        tables,
        "select auc, auc_ci_low, mean_probability, share, customers "
        "from marts.proactive_support_quality where nps_class = 'all'",
    )
    assert 0.5 < low < area
    assert probability == pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)


# --- the journey --------------------------------------------------------------------------------


def test_stages_have_their_planted_scores(tables):
    found = {
        (stage, segment): counts
        for stage, segment, *counts in rows(
            tables,
            "select stage, segment, promoters, passives, detractors, nps from marts.nps_journey "
            "where nps_class = 'all'",
        )
    }
    stages = (journey.TRIAL, journey.SETUP, journey.RENEWAL)
    expected = {
        (name, "all"): list(score) for name, score in zip(journey.STAGES, stages, strict=True)
    }
    expected |= {
        ("trial", channel): list(score) for channel, score in journey.TRIAL_BY_CHANNEL.items()
    }
    expected |= {("setup", "app"): list(journey.SETUP), ("renewal", "email"): list(journey.RENEWAL)}
    assert found.keys() == expected.keys()
    for key, counts in expected.items():
        assert found[key] == pytest.approx(counts)


def test_promoters_go_on_more_often(tables):
    found = {
        (stage, nps_class): figures
        for stage, nps_class, *figures in rows(
            tables,
            "select stage, nps_class, observed, converted, conversion_rate, conversion_ci_low, "
            "conversion_ci_high from marts.nps_journey "
            "where dimension = 'all' and nps_class <> 'all' and next_stage is not null",
        )
    }
    planted_steps = {"trial": journey.FROM_TRIAL, "setup": journey.FROM_SETUP}
    assert found == {
        (stage, nps_class): [
            *step,
            pytest.approx(step.converted / step.observed),
            *map(
                pytest.approx,
                stats.binomtest(step.converted, step.observed).proportion_ci(method="wilson"),
            ),
        ]
        for stage, steps in planted_steps.items()
        for nps_class, step in steps.items()
    }


def test_nobody_goes_on_from_the_last_stage(tables):
    found = rows(
        tables,
        "select distinct stage, observed, converted, conversion_rate from marts.nps_journey "
        "where next_stage is null",
    )
    assert found == [("renewal", None, None, None)]
