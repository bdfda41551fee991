"""The sample's profiles, computed again from the published answers and features, and what is planted."""

from __future__ import annotations

import pandas as pd
import pytest
from sample_support import AS_OF, RELATIONAL, rows
from scipy import stats

from sample import truths


@pytest.fixture(scope="module")
def latest(tables) -> pd.DataFrame:
    """Each voice's latest relational answer of 365 days, with the tickets of its customer."""
    return tables.execute(
        f"""
        with ranked as (
            select
                *,
                row_number() over (
                    partition by voice_key
                    order by responded_at desc, version_at desc nulls last,
                        length(response_id) desc, response_id desc, source desc
                ) as place
            from marts.fct_nps_responses
            where {RELATIONAL} and responded_on > {AS_OF} - 365
        )

        select
            coalesce(r.plan, '{truths.UNKNOWN}') as plan,
            coalesce(r.region, '{truths.UNKNOWN}') as region,
            r.nps_class, f.tickets_365d as tickets
        from ranked as r
        left join marts.customer_nps_features as f
            on r.customer_key = f.customer_key and f.as_of_on = {AS_OF}
        where r.place = 1
        """
    ).df()


def test_lifts_are_those_of_the_published_answers(tables, latest):
    found = rows(
        tables,
        f"""
        select attribute, level, lift, lift_ci_low, lift_ci_high from marts.promoter_profile
        where {RELATIONAL} and kind = 'segment' and not is_suppressed
        """,
    )
    assert {attribute for attribute, *_ in found} == {"plan", "region"}
    for attribute, level, *figures in found:
        is_promoter = latest["nps_class"] == "promoter"
        own = latest[attribute] == level
        ratio = stats.contingency.relative_risk(
            (own & is_promoter).sum(), own.sum(), (~own & is_promoter).sum(), (~own).sum()
        )
        interval = ratio.confidence_interval(0.95)
        assert figures == pytest.approx([ratio.relative_risk, *interval], rel=1e-9)


def test_promoters_live_where_the_sample_puts_them(tables):
    """60 % more promoters than detractors in the east, 10 % in the south; the price rise on starter."""
    found = {
        level: (lift > 1, is_significant)
        for level, lift, is_significant in rows(
            tables,
            f"select level, lift, is_significant from marts.promoter_profile where {RELATIONAL} "
            "and kind = 'segment'",
        )
    }
    for level in ("east", "enterprise"):
        assert found[level] == (True, True)
    for level in ("south", "starter"):
        assert found[level] == (False, True)


def test_tickets_are_those_of_the_published_features(tables, latest):
    """truths.COSTLY_PLAN: its detractors open 400 tickets beside those of everybody."""
    detractors = latest[(latest["nps_class"] == "detractor") & latest["tickets"].notna()]
    found = {
        level: (customers, tickets, ratio, is_significant)
        for level, customers, tickets, ratio, is_significant in rows(
            tables,
            f"""
            select level, customers, tickets, rate_ratio, is_significant from marts.costly_profile
            where {RELATIONAL} and attribute = 'plan' and unknown_because is null
            """,
        )
    }
    for level, (customers, tickets, ratio, _) in found.items():
        own = detractors["plan"] == level
        mean, other = (detractors.loc[part, "tickets"].mean() for part in (own, ~own))
        assert (customers, tickets) == (own.sum(), detractors.loc[own, "tickets"].sum())
        assert ratio == pytest.approx(mean / other, rel=1e-9)
    *_, ratio, is_significant = found[truths.COSTLY_PLAN]
    assert ratio > 1.5 and is_significant
    assert max(found, key=lambda level: found[level][2]) == truths.COSTLY_PLAN
