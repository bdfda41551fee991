"""Whether it is real, of the published sample: against truths, pandas and scipy."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import e2e_support as e2e
import pandas as pd
import pytest
from comparison_support import compared
from sample_support import AS_OF, FIGURES, RELATIONAL, TRANSACTIONAL, invitations_sent, rows
from scipy import stats

from sample import panel, truths

# --- rolling score, significance of change, goals -----------------------------------------------

TOUCHPOINTS = ("purchase", "onboarding", "support")
CHANGE = "responses, nps, compared_responses, compared_nps, change"


def comparison(tables, columns: str, condition: str) -> list[tuple]:
    """Rows of nps_change_significance in the basis responses."""
    sql = f"""
        select segment, {columns} from marts.nps_change_significance
        where basis = 'responses' and {condition}
    """
    return rows(tables, sql)


def test_every_touchpoint_rises_and_the_total_falls(tables):
    """Rate +5 and mix -8: support, the lowest, grew from 30 % to 50 % of the answers."""
    when = (
        "comparison = 'previous_period' and time_grain = 'year' "
        f"and period_start = date '2025-01-01' and {TRANSACTIONAL}"
    )
    effects = "rate_effect, mix_effect"
    found = comparison(tables, f"{CHANGE}, {effects}", f"{when} and dimension = 'touchpoint'")
    before, now = truths.TRANSACTIONAL_BY_YEAR[2024], truths.TRANSACTIONAL_BY_YEAR[2025]
    for name, *figures in found:
        old, new = (truths.TRANSACTIONAL_BY_TOUCHPOINT[year, name] for year in (2024, 2025))
        share, old_share = new.responses / now.responses, old.responses / before.responses
        assert figures == pytest.approx(
            [
                *(new.responses, new.nps, old.responses, old.nps, new.nps - old.nps),
                (share + old_share) / 2 * (new.nps - old.nps),
                (new.nps + old.nps) / 2 * (share - old_share),
            ]
        )
        assert figures[4] == pytest.approx(5)
    assert sorted(name for name, *_ in found) == sorted(TOUCHPOINTS)
    assert sum(row[-2] for row in found) == pytest.approx(5)
    assert sum(row[-1] for row in found) == pytest.approx(-8)
    ((_, *total),) = comparison(tables, f"change, {effects}", f"{when} and dimension = 'all'")
    assert total == pytest.approx([now.nps - before.nps, now.nps - before.nps, 0])


def test_the_price_rise_is_significant_and_nothing_else(tables):
    """Plan starter, 30 to -70, of four plans tested at once."""
    answers = answers_of(tables, RELATIONAL)
    found = comparison(
        tables,
        f"{CHANGE}, comparisons, is_significant, p_value, p_adjusted",
        "comparison = 'previous_period' and time_grain = 'quarter' and dimension = 'plan' "
        f"and period_start = date '{truths.PRICE_RISE_ON}' "
        f"and compared_period_start = date '2025-07-01' and is_complete and {RELATIONAL}",
    )
    assert {name for name, *_ in found} == truths.QUARTER_BY_PLAN_AFTER.keys()
    for plan, *figures, comparisons, is_significant, p, adjusted in found:
        old, new = truths.QUARTER_BY_PLAN_BEFORE[plan], truths.QUARTER_BY_PLAN_AFTER[plan]
        assert figures == pytest.approx(
            [new.responses, new.nps, old.responses, old.nps, new.nps - old.nps]
        )
        assert comparisons == 4
        assert is_significant == (plan == "starter")
        # the least p of four, four times; the others' scores did not move at all
        assert adjusted == pytest.approx(4 * p if plan == "starter" else 1)
        now, before = (
            [a for a in answers if a["plan"] == plan and first <= a["at"] < last]
            for first, last in QUARTERS_OF_THE_RISE
        )
        assert p == pytest.approx(expected_test("previous_period", now, before)["p_value"])


def test_the_price_rise_did_it_and_the_app_did_nothing(tables):
    """Starter fell by 100 points from a quarter to the next, and nobody else moved: all of it is the
    event's. The app's quarter is as the one before it."""
    sql = f"""
        select event, segment, responses_before, responses_after, nps_before, nps_after, change,
            spared_change, effect, p_value < 0.001, is_complete, untested_because
        from marts.nps_event_effects where {RELATIONAL} order by happened_on desc
    """
    old, new = (
        plans["starter"] for plans in (truths.QUARTER_BY_PLAN_BEFORE, truths.QUARTER_BY_PLAN_AFTER)
    )
    rise, app = rows(tables, sql)
    assert rise[:4] == ("price rise", "starter", old.responses, new.responses)
    assert rise[4:9] == pytest.approx((old.nps, new.nps, -100, 0, -100))
    assert rise[9:] == (True, True, None)
    assert app[:2] == ("new mobile app", "all")
    assert app[7] is None
    assert app[8] == app[6]
    assert app[9:] == (False, True, None)


def z_of(first: truths.Score, second: truths.Score) -> float:
    """Standard deviations between two groups, each with three answers more (Rocks 2016)."""

    def wald(score: truths.Score) -> tuple[float, float]:
        n, p, d = score.responses + 3, score.promoters + 0.75, score.detractors + 0.75
        return (p - d) / n, ((p + d) / n - ((p - d) / n) ** 2) / n

    (a, v), (b, w) = wald(first), wald(second)
    return (a - b) / math.sqrt(v + w)


QUARTERS_OF_THE_RISE = (
    (datetime(2025, 10, 1), datetime(2026, 1, 1)),
    (datetime(2025, 7, 1), datetime(2025, 10, 1)),
)


def answers_of(tables, condition: str) -> list[dict]:
    """The published answers in the order of time, as comparison_support takes them."""
    sql = f"""
        select voice_key, responded_on::timestamp, contribution // 100, coalesce(plan, '(unknown)')
        from marts.fct_nps_responses where {condition}
        order by responded_at, version_at nulls first, length(response_id), response_id, source
    """
    return [
        dict(zip(("voice", "at", "mark", "plan"), row, strict=True)) for row in rows(tables, sql)
    ]


def expected_test(comparison: str, now: list[dict], before: list[dict], basis="responses") -> dict:
    """Answer by answer; min_group_size of the sample is 5."""
    return compared((comparison, None, None, basis, "plan", "a plan"), now, before, fewest=5)


def test_plans_against_the_others(tables):
    """Enterprise is liked, starter is not, growth is like the rest. Whose plan is unknown is
    compared with nobody."""
    answers = answers_of(tables, RELATIONAL)
    found = comparison(
        tables,
        "change, z, is_significant",
        "comparison = 'rest_of_dimension' and time_grain = 'all' and dimension = 'plan' "
        f"and {RELATIONAL}",
    )
    plans = truths.RELATIONAL_BY_PLAN
    for plan, change, z, is_significant in found:
        counts = [sum(s[i] for name, s in plans.items() if name != plan) for i in range(3)]
        rest = truths.Score(*counts, 100 * (counts[0] - counts[2]) / sum(counts))
        assert change == pytest.approx(plans[plan].nps - rest.nps)
        if plan == truths.UNKNOWN:
            assert (z, is_significant) == (None, None)
            continue
        own, others = (
            [a for a in answers if (a["plan"] == plan) is same] for same in (True, False)
        )
        assert z == pytest.approx(expected_test("rest_of_dimension", own, others)["z"])
        assert is_significant == (plan in ("starter", "enterprise"))
    assert len(found) == len(plans)


def test_a_panel_that_moves_is_no_chance(tables):
    """METRICS: ten of a hundred, asked twice, are promoters who become detractors: 20 points, an
    error of 6, z -3.33, p 0.00086. The same counts of other people could be chance: p 0.113."""
    where = (
        "comparison = 'previous_period' and time_grain = 'quarter' and metric = 'nps' "
        "and survey_type = 'panel' and dimension = 'all' and period_start = date '2025-07-01'"
    )
    figures = "change, tested_change, standard_error, z, p_value"
    ((*found, is_significant, shared, moved),) = rows(
        tables,
        f"select {figures}, is_significant, shared_voices, moved_voices "
        f"from marts.nps_change_significance where {where} and basis = 'customers'",
    )
    assert found == pytest.approx([-20, -20, 6, -20 / 6, 2 * NormalDist().cdf(-20 / 6)])
    assert round(found[-1], 5) == 0.00086
    assert (is_significant, shared, moved) == (True, panel.MEMBERS, 10)
    now, before = truths.Score(40, 20, 40, 0.0), truths.Score(50, 20, 30, 20.0)
    assert round(2 * NormalDist().cdf(-abs(z_of(now, before))), 3) == 0.113


def test_the_panels_scale_is_its_own(tables):
    """1-10, beside 0-10: two survey types, so that nothing is pooled."""
    sql = (
        "select survey_type, scale, min(score) from marts.fct_nps_responses "
        "where metric = 'nps' group by all order by all"
    )
    assert rows(tables, sql) == [
        ("account", "0-10", 0), ("care", "0-10", 0), ("counter", "0-10", 0),
        ("journey", "0-10", 0), ("panel", "1-10", 1), ("relational", "0-10", 0), ("transactional", "0-10", 0),
        ("website", "0-10", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("window", [30, 90, 365])
def test_rolling_scores_of_the_voices(tables, window):
    """Day by day from the published answers, in plain Python, for the total and the plans."""
    answers = rows(
        tables,
        """
        select voice_key, responded_on, contribution, coalesce(plan, '(unknown)')
        from marts.fct_nps_responses where metric = 'nps' and survey_type = 'relational'
        order by responded_at, version_at nulls first, length(response_id), response_id, source
        """,
    )
    found = {
        (day, segment): tuple(counts)
        for day, segment, *counts in rows(
            tables,
            f"""
            select as_of_on, segment, promoters, passives, detractors from marts.fct_nps_rolling
            where window_days = {window} and dimension in ('all', 'plan') and {RELATIONAL}
            """,
        )
    }
    first = min(day for _, day, *_ in answers)
    for ago in range(0, (date(2025, 12, 31) - first).days + 1, 13):
        day = date(2025, 12, 31) - timedelta(ago)
        latest = {
            voice: rest for voice, on, *rest in answers if day - timedelta(window) < on <= day
        }
        sizes = Counter((s, c) for c, plan in latest.values() for s in ("all", plan))
        expected = {
            segment: tuple(sizes[segment, c] for c in (100, 0, -100)) for segment, _ in sizes
        }
        assert {s: counts for (on, s), counts in found.items() if on == day} == expected
    assert min(day for day, _ in found) == first
    assert max(day for day, _ in found) == date(2025, 12, 31)


def test_a_rolling_year_is_the_year_of_customers(tables):
    """As of 31 December: 365 days back is the whole of 2025, each customer's latest answer."""
    published = f"""
        select metric, survey_type, dimension, segment, {FIGURES} from (
            select *, 'all' as dimension, 'all' as segment from marts.fct_nps_by_period
            union all by name select * from marts.fct_nps_by_segment_period
        ) where time_grain = 'year' and basis = 'customers' and period_start = date '2025-01-01'
    """
    rolling = f"""
        select metric, survey_type, dimension, segment, {FIGURES} from marts.fct_nps_rolling
        where window_days = 365 and as_of_on = {AS_OF}
    """
    assert sorted(rows(tables, rolling)) == sorted(rows(tables, published))


def test_the_north_needs_200_promoters_or_50_converts(tables):
    """METRICS: 600 promoters and 200 detractors of 1,000 to 50."""
    sql = f"""
        select target, responses, promoters, passives, detractors, nps, gap, promoters_needed,
            detractors_to_convert, is_convertible, promoters_to_offset
        from marts.nps_goal
        where time_grain = 'all' and basis = 'responses' and dimension = 'region'
            and segment = 'north' and {RELATIONAL}
        order by target
    """
    counts = (1000, *truths.RELATIONAL_BY_REGION["north"][:3], 40)
    assert rows(tables, sql) == [
        (0, *counts, -40, 0, 0, True, 400),
        (30, *counts, -10, 0, 0, True, 400),
        (50, *counts, 10, 200, 50, True, 400),
        (70, *counts, 30, 1000, 150, True, 400),
    ]


@pytest.mark.parametrize("region", truths.RELATIONAL_BY_REGION)
def test_goals_of_the_regions(tables, region):
    """By the formula, in fractions."""
    score = truths.RELATIONAL_BY_REGION[region]
    sql = f"""
        select target, promoters_needed, detractors_to_convert from marts.nps_goal
        where time_grain = 'all' and basis = 'responses' and dimension = 'region'
            and segment = '{region}' and {RELATIONAL}
    """
    found = rows(tables, sql)
    assert len(found) == 4
    for target, promoters, converts in found:
        share = Fraction(int(target), 100)
        missing = max(0, share * score.responses - (score.promoters - score.detractors))
        assert (promoters, converts) == (math.ceil(missing / (1 - share)), math.ceil(missing / 2))


# --- asking -------------------------------------------------------------------------------------


def _snapshot(path: Path) -> pd.DataFrame:
    """A snapshot of the customers without the rows that the generator broke."""
    return pd.read_csv(path, dtype=str, on_bad_lines="skip").dropna(subset="customer_no")


def _customers(root, day: str) -> pd.DataFrame:
    """Customers of the CRM that are there at the end of a day, with the region valid then."""
    files = sorted((root / "landing/crm").glob("customers_*.csv"))
    frames = [_snapshot(file).assign(valid_from=file.stem[-8:]) for file in files]
    every = pd.concat(frames)
    # the first known snapshot reaches back to the beginning
    first = every.groupby("customer_no")["valid_from"].transform("min")
    compact = day.replace("-", "")
    known = every[(every["valid_from"] <= compact) | (every["valid_from"] == first)]
    known = known.sort_values("valid_from").groupby("customer_no").tail(1).set_index("customer_no")
    dates = frames[-1].set_index("customer_no")[["customer_since", "left_on"]]
    dates = dates.apply(pd.to_datetime, format="%d/%m/%Y")
    there = (dates["customer_since"].isna() | (dates["customer_since"] <= day)) & ~(
        dates["left_on"] <= day
    )
    return known.loc[there[there].index]


@pytest.mark.parametrize("year", truths.INVITATIONS)
def test_response_rates_by_year(tables, year):
    """From counts alone; the interval is Wilson's, by scipy."""
    found = rows(
        tables,
        "select sum(sent), sum(bounced), sum(scored), sum(delivered) "
        "from marts.fct_response_rates where time_grain = 'year' "
        f"and cohort_start = date '{year}-01-01' and {RELATIONAL}",
    )
    sent, bounced, answered = truths.INVITATIONS[year]
    assert found == [(sent, bounced, answered, sent - bounced)]
    cells = rows(
        tables,
        "select scored, delivered, response_rate, standard_error, ci_low, ci_high "
        f"from marts.fct_response_rates where time_grain = 'year' and year(cohort_start) = {year}",
    )
    assert cells
    for scored_, delivered, rate, error, *bounds in cells:
        p = scored_ / delivered
        assert rate == pytest.approx(p)
        # of none and of all, Agresti and Coull 1998: half of z^2 more on either side
        extra = NormalDist().inv_cdf(0.975) ** 2 if p in (0, 1) else 0
        p = (scored_ + extra / 2) / (delivered + extra)
        assert error == pytest.approx(math.sqrt(p * (1 - p) / (delivered + extra)))
        interval = stats.binomtest(scored_, delivered).proportion_ci(0.95, method="wilson")
        assert bounds == pytest.approx(list(interval))


def test_response_rates_by_day_and_channel(tables, sample_root):
    """Sent, bounced, arrived, and wishes not to be asked again, as they were delivered."""
    frame = invitations_sent(sample_root)
    columns = ["bounced", "opted_out", "delivered"]
    counts = frame.groupby(["day", "channel"]).agg(
        sent=("sent", "size"), **{name: (name, "count") for name in columns}
    )
    found = rows(
        tables,
        "select cohort_start, channel, sum(sent), sum(bounced), sum(opted_out), sum(delivered) "
        "from marts.fct_response_rates where time_grain = 'day' "
        "group by all order by all",
    )
    assert found == [
        (day.date(), channel, *map(int, values))
        for (day, channel), values in zip(counts.index, counts.to_numpy(), strict=True)
    ]


def test_the_silent_pay_less_and_leave_more(tables, sample_root):
    """Each customer once, by the first invitation whose landmark it saw, from the delivered files."""
    ((silent, silent_mean, responders, responder_mean, difference, *tested),) = rows(
        tables,
        "select silent, silent_mean, responders, responder_mean, difference, "
        "standard_error, z, p_value, p_adjusted, is_significant from marts.nps_nonresponse_bias "
        f"where measure = 'churn_rate' and window_days = {truths.CHURN_WINDOW} and {RELATIONAL}",
    )
    frame = invitations_sent(sample_root)
    newest = _snapshot(sample_root / "landing/crm/customers_20251231.csv")
    left = pd.to_datetime(newest.set_index("customer_no")["left_on"], format="%d/%m/%Y")
    frame["left"] = frame["customer"].map(left)
    frame["landmark"] = frame["day"] + pd.Timedelta(days=truths.RESPONSE_DAYS)
    frame["gone"] = (frame["left"] - frame["landmark"]).dt.days
    here = frame["customer"].isin(left.index) & frame["bounced"].isna()
    here &= (frame["landmark"] <= "2025-12-31") & ~(frame["gone"] <= 0)
    first = frame[here].sort_values("sent").groupby("customer").head(1)
    first = first[first["landmark"] + pd.Timedelta(days=truths.CHURN_WINDOW) <= "2025-12-31"]
    gone = first["gone"] <= truths.CHURN_WINDOW
    answered = first["responded"].notna()
    groups = [(int(gone[kind].sum()), int(kind.sum())) for kind in (answered, ~answered)]
    assert (responders, silent) == (groups[0][1], groups[1][1])
    means = [k / n for k, n in groups]
    assert (responder_mean, silent_mean) == pytest.approx(means)
    assert difference == pytest.approx(means[0] - means[1])
    # Agresti and Caffo 2000: one that left and one that stayed more in each group
    (p, m), (q, n) = (((k + 1) / (size + 2), size + 2) for k, size in groups)
    error = math.sqrt(p * (1 - p) / m + q * (1 - q) / n)
    standard_error, z, p_value, p_adjusted, significant = tested
    assert (standard_error, z) == pytest.approx((error, (p - q) / error))
    assert p_value == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)
    assert significant == (p_adjusted <= 0.05)
    (mrr,) = rows(
        tables,
        "select difference > 0 and is_significant from marts.nps_nonresponse_bias "
        f"where measure = 'mrr' and {RELATIONAL}",
    )
    assert mrr == (True,)


def test_weighted_by_region(tables, sample_root):
    """All answers' counts by region from the truths, the base from the CRM's snapshots."""
    ((period_end, *found),) = rows(
        tables,
        "select period_end, base_customers, covered_share, responses, nps, weighted_nps, "
        "effective_responses, efficiency, is_inefficient "
        "from marts.nps_weighted_by_period where time_grain = 'all' and basis = 'responses' "
        f"and dimension = 'region' and {RELATIONAL}",
    )
    base = (
        _customers(sample_root, period_end.isoformat())["region"]
        .fillna(truths.UNKNOWN)
        .value_counts()
    )
    total, scores = base.sum(), truths.RELATIONAL_BY_REGION
    assert set(base.index) == set(scores)
    effective = 1 / sum((base[r] / total) ** 2 / score.responses for r, score in scores.items())
    assert found == [
        total,
        1.0,
        truths.RELATIONAL.responses,
        pytest.approx(truths.RELATIONAL.nps),
        pytest.approx(sum(base[r] * score.nps for r, score in scores.items()) / total),
        pytest.approx(effective),
        pytest.approx(effective / truths.RELATIONAL.responses),
        False,
    ]


def test_weighted_by_region_and_plan_at_once(tables, sample_root):
    """Raked by pandas: every answer gets a weight, until both dimensions are as in the CRM's snapshot."""
    found = tables.execute(
        "select period_end, base_customers, weighted_nps, effective_responses, largest_weight, "
        "margin_error, is_converged from marts.nps_weighted_by_period where time_grain = 'all' "
        f"and basis = 'responses' and dimension = 'all dimensions' and {RELATIONAL}"
    ).fetchone()
    base = _customers(sample_root, found[0].isoformat())[["region", "plan"]].fillna(truths.UNKNOWN)
    answers = tables.execute(
        "select coalesce(region, '(unknown)') as region, coalesce(plan, '(unknown)') as plan, "
        f"contribution from marts.fct_nps_responses where {RELATIONAL}"
    ).df()
    for dimension in base:
        answers = answers[answers[dimension].isin(base[dimension])]
    answers = answers.assign(weight=1 / len(answers))
    for _ in range(100):
        for dimension in base:
            covered = base[dimension][base[dimension].isin(answers[dimension])]
            share = covered.value_counts(normalize=True)
            sums = answers.groupby(dimension)["weight"].transform("sum")
            answers["weight"] *= answers[dimension].map(share) / sums
    weight = answers["weight"]
    assert weight.max() < 5 * weight.mean()
    assert weight.min() > 0.2 * weight.mean()
    assert found[1:] == (
        len(base),
        pytest.approx((weight * answers["contribution"]).sum()),
        pytest.approx(1 / (weight**2).sum()),
        pytest.approx((weight / weight.mean()).max()),
        pytest.approx(0, abs=1e-6),
        True,
    )


def test_who_is_left_in_peace(tables, sample_root):
    """Every customer once; the days of asking according to the delivered invitations."""
    frame = invitations_sent(sample_root)
    frame = frame[frame["bounced"].isna() & frame["customer"].notna()]
    asked = frame.groupby("customer").agg(last=("day", "max"), asks=("sent", "size"))
    wishes = set(frame.loc[frame["opted_out"].notna(), "customer"])
    found = rows(
        tables,
        "select customer_id, last_asked_on, asks, opted_out_on is not null, f.is_active, "
        "may_be_asked from marts.survey_fatigue as f "
        "inner join marts.dim_customers as c using (customer_key)",
    )
    assert len(found) == truths.CRM_CUSTOMERS + truths.INFERRED_CUSTOMERS
    as_of = datetime(2025, 12, 31)
    for customer, last, asks, unwilling, active, may in found:
        day = asked["last"].get(customer)
        assert last == (None if day is None else day.date()), customer
        assert asks == asked["asks"].get(customer, 0), customer
        assert unwilling == (customer in wishes), customer
        rested = day is None or (as_of - day).days >= 90
        assert may == (rested and not unwilling and active is not False), customer


# --- what was published before ------------------------------------------------------------------


def test_nothing_is_restated_by_the_first_publication(tables):
    """Eight quarters, two years: each its own first, by the generation of the end of 2025."""
    found = rows(
        tables,
        "select time_grain, count(*), count(*) filter (where is_restated), "
        "max(abs(nps - first_nps)), min(first_as_of_on) from marts.nps_restatements "
        "where basis = 'responses' and time_grain in ('quarter', 'year') group by 1 order by 1",
    )
    day = date(2025, 12, 31)
    assert found == [("quarter", 8, 0, 0.0, day), ("year", 2, 0, 0.0, day)]


def test_late_answers_restate_what_was_published(sample_restated):
    """100 late detractors of May 2025: 444, 172, 134 become 444, 172, 234 of 850 answers."""
    before, late = truths.QUARTER_BEFORE, sample_restated.late
    now = 100 * (before.promoters - before.detractors - late) / (before.responses + late)
    found = e2e.marts(
        sample_restated.root,
        "select first_responses, first_nps, responses, nps, change, is_restated "
        "from marts.nps_restatements where time_grain = 'quarter' and basis = 'responses' "
        "and period_start = date '2025-04-01'",
    )
    counts = (before.responses, before.nps, before.responses + late, now, now - before.nps)
    assert found == [(*(pytest.approx(figure) for figure in counts), True)]
    others = e2e.marts(
        sample_restated.root,
        "select count(*) from marts.nps_restatements where is_restated "
        "and not (period_start <= date '2025-05-20' and period_end >= date '2025-05-20')",
    )
    assert others == [(0,)]
