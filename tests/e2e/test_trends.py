"""Trends of the published sample: the website's drift and step, and what is constant."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sample_support import rows
from scipy import stats

from sample import truths, website

WEBSITE = "metric = 'nps' and survey_type = 'website' and basis = 'customers'"
BY_MONTH = f"{WEBSITE} and time_grain = 'month' and dimension = 'touchpoint'"
MONTHS = [date.fromisoformat(month) for month in website.MONTHS]


def test_the_drift_is_found_with_its_slope(tables):
    """A point a month: least squares on days by numpy, as all months have equally many answers."""
    ((periods, responses, nps, slope, error, dispersion, low, high, p, significant),) = rows(
        tables,
        "select periods, responses, nps, slope_per_year, standard_error, dispersion, ci_low, "
        "ci_high, p_value, is_significant from marts.nps_trend "
        f"where {BY_MONTH} and segment = 'search'",
    )
    scores = website.SCORES_BY_TOUCHPOINT["search"]
    p_total, d_total = (sum(s[i] for s in scores) / 2400 for i in (0, 2))
    variance = p_total + d_total - (p_total - d_total) ** 2
    years = np.array([(month - MONTHS[0]).days for month in MONTHS]) / 365.25
    expected, _ = np.polyfit(years, [score.nps for score in scores], 1)
    squares = ((years - years.mean()) ** 2).sum()
    assert (periods, responses, nps) == (24, 2400, pytest.approx(50 - 11.5))
    assert slope == pytest.approx(expected, rel=1e-9)
    assert slope == pytest.approx(12 * website.DRIFT, abs=0.1)
    # on the line all but exactly: less scatter than chance, which does not narrow the interval
    assert dispersion < 0.01
    assert error == pytest.approx(np.sqrt(1e4 * variance / 100 / squares), rel=1e-9)
    half = stats.t.ppf(0.975, 22) * error
    assert (low, high) == pytest.approx((slope - half, slope + half), abs=1e-4)
    assert p == pytest.approx(2 * stats.t.sf(abs(slope / error), 22), rel=1e-3)
    assert significant


def test_the_step_is_found_where_it_is(tables):
    """The new checkout: 40 until March 2025, 15 from April on, and nothing else."""
    found = rows(
        tables,
        "select period_start, level_number, level_nps, change_p_value from "
        f"marts.nps_control_chart where {BY_MONTH} and segment = 'checkout' order by period_start",
    )
    before, after = website.CHECKOUT_BEFORE.nps, website.CHECKOUT_AFTER.nps
    is_after = [month >= website.RELEASED_ON for month in website.MONTHS]
    assert [row[0] for row in found] == MONTHS
    assert [row[1] for row in found] == [1 + after for after in is_after]
    assert [row[2] for row in found] == pytest.approx([after if a else before for a in is_after])
    ((changes, latest),) = rows(
        tables,
        "select change_points, latest_change_start from marts.nps_trend "
        f"where {BY_MONTH} and segment = 'checkout'",
    )
    assert (changes, latest) == (1, date.fromisoformat(website.RELEASED_ON))
    # of C(24, 9) orders of the months two are such a step: none of 999 draws, and its error
    p = 1 / 1000
    (_, _, _, drawn), *_ = (row for row in found if row[0] == latest)
    assert drawn == pytest.approx(p + stats.norm.ppf(0.975) * np.sqrt(p * (1 - p) / 1000))


def test_the_price_rise_is_a_signal_of_its_quarter(tables):
    """Plan starter, seven quarters alike and one 100 points lower; the other plans are constant."""
    found = dict(
        rows(
            tables,
            "select segment, list(period_start order by period_start) filter (is_signal) "
            "from marts.nps_control_chart where metric = 'nps' and survey_type = 'relational' "
            "and time_grain = 'quarter' and dimension = 'plan' group by 1",
        )
    )
    assert found["starter"] == [date.fromisoformat(truths.PRICE_RISE_ON)]
    assert found["growth"] is None
    assert found["enterprise"] is None
    # twelve answers a quarter are too few for a series
    assert "(unknown)" not in found


def test_a_constant_plan_has_no_trend(tables):
    found = rows(
        tables,
        "select segment, is_significant, change_points from marts.nps_trend "
        "where metric = 'nps' and survey_type = 'relational' and time_grain = 'quarter' "
        "and dimension = 'plan' and segment in ('growth', 'enterprise') order by all",
    )
    assert found == [("enterprise", False, 0), ("growth", False, 0)]
