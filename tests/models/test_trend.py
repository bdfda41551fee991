"""Trend, control chart and change points: compiled models against numpy, scipy and enumeration."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_support import empty_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from trend_support import COUNTS, SERIES, judge, periods_of

from orchestration.statistics.change_points import Rules, best_split, gains

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as opened:
        yield opened


def repeated(*levels: tuple[tuple[int, int, int], int]) -> np.ndarray:
    """One series: so many periods of each counts."""
    return np.array([[counts for counts, times in levels for _ in range(times)]])


HIGH, LOW = (60, 20, 20), (20, 20, 60)  # 100 answers each, scores 40 and -40

# --- trend --------------------------------------------------------------------------------------


def weighted_least_squares(periods: pd.DataFrame) -> dict[str, float]:
    """Slope, its standard error, interval and p by numpy and scipy."""
    total = periods[COUNTS].sum() / periods["responses"].sum()
    centre = total["promoters"] - total["detractors"]
    variance = 1e4 * (total["promoters"] + total["detractors"] - centre**2)
    weights = (periods["responses"] / variance).to_numpy()
    years = (periods["period_start"] - periods["period_start"].iloc[0]).dt.days / 365.25
    design = np.column_stack([np.ones(len(years)), years])
    root = np.sqrt(weights)[:, np.newaxis]
    fit, *_ = np.linalg.lstsq(root * design, root[:, 0] * periods["nps"], rcond=None)
    left = periods["nps"] - design @ fit
    dispersion = (weights * left**2).sum() / (len(years) - 2)
    covariance = np.linalg.inv(design.T @ (weights[:, np.newaxis] * design))
    error = np.sqrt(covariance[1, 1] * max(1, dispersion))
    half = stats.t.ppf(0.975, len(years) - 2) * error
    return {
        "slope_per_year": fit[1],
        "standard_error": error,
        "dispersion": dispersion,
        "ci_low": fit[1] - half,
        "ci_high": fit[1] + half,
        "p_value": 2 * stats.t.sf(abs(fit[1] / error), len(years) - 2),
    }


counts_of_a_period = st.tuples(st.integers(5, 400), st.integers(10, 400), st.integers(5, 400))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    counts=st.lists(counts_of_a_period, min_size=8, max_size=40),
    grain=st.sampled_from(["week", "month", "quarter"]),
)
def test_a_trend_is_weighted_least_squares(connection, counts, grain):
    periods = periods_of(np.array([counts]), grain)
    (found,) = judge(connection, periods)[0].to_dict("records")
    expected = weighted_least_squares(periods)
    # a slope may be 0: its error is measured by its standard error
    scale = max(abs(expected["slope_per_year"]), expected["standard_error"])
    assert abs(found["slope_per_year"] - expected["slope_per_year"]) <= TOLERANCE * scale
    assert found["standard_error"] == pytest.approx(expected["standard_error"], rel=TOLERANCE)
    assert found["dispersion"] == pytest.approx(expected["dispersion"], rel=1e-8, abs=TOLERANCE)
    # a p of rounding errors apart, an interval of the quantile's (macros/quantiles.sql)
    assert found["p_value"] == pytest.approx(expected["p_value"], rel=2e-3, abs=1e-6)
    for side in ("ci_low", "ci_high"):
        assert abs(found[side] - expected[side]) <= 1.1e-4 * expected["standard_error"]
    assert found["periods"] == len(counts)
    assert found["responses"] == np.sum(counts)


def test_small_segments_are_adjusted_together(connection):
    """Four segments of one dimension: p times 4 over its rank, as scipy corrects it."""
    rng = np.random.default_rng(1)
    periods = periods_of(rng.multinomial(100, (0.5, 0.3, 0.2), size=(4, 12)))
    periods["segment"] = periods["survey_type"]
    periods = periods.assign(dimension="plan", survey_type="relational")
    trend, _ = judge(connection, periods)
    assert set(trend["comparisons"]) == {4}
    expected = stats.false_discovery_control(trend["p_value"].to_numpy())
    np.testing.assert_allclose(trend["p_adjusted"].to_numpy(), expected, rtol=TOLERANCE)


def test_complete_periods_of_enough_answers_count(connection):
    """Nine quarters, of which one has 19 answers: eight; as of a day earlier, seven: too few."""
    counts = repeated(((10, 5, 4), 1), (HIGH, 8))
    periods = periods_of(counts)
    last = periods["period_end"].iloc[-1]
    trend, chart = judge(connection, periods, str(last.date()))
    assert (trend["periods"].item(), trend["unknown_because"].item()) == (8, None)
    assert (len(chart), trend["first_period_start"].item()) == (8, pd.Timestamp(2020, 4, 1))
    trend, chart = judge(connection, periods, str((last - pd.Timedelta(days=1)).date()))
    assert (trend["periods"].item(), trend["unknown_because"].item()) == (7, "too_few_periods")
    assert trend[["slope_per_year", "p_value", "signals", "change_points"]].isna().all(axis=None)
    assert chart.empty


def test_answers_that_are_all_alike_have_no_trend(connection):
    trend, chart = judge(connection, periods_of(repeated(((30, 0, 0), 10))))
    assert (trend["unknown_because"].item(), trend["nps"].item()) == ("no_variation", 100)
    assert trend[["slope_per_year", "ci_low", "p_value", "signals"]].isna().all(axis=None)
    assert chart.empty


def test_days_all_time_and_answers_that_count_twice_are_no_series(connection):
    periods = periods_of(repeated((HIGH, 8)))
    others = [
        periods.assign(**change)
        for change in ({"time_grain": "day"}, {"time_grain": "all"}, {"basis": "responses"})
    ]
    assert judge(connection, pd.concat(others))[0].empty


# --- control chart ------------------------------------------------------------------------------


def test_limits_by_hand(connection):
    """Seven quarters of 40 and one of -40, 100 answers each: 440, 160 and 200 of 800, centre 30."""
    _, chart = judge(connection, periods_of(repeated((HIGH, 7), (LOW, 1))))
    variance = 0.55 + 0.25 - 0.3**2  # 0.71
    error = 100 * np.sqrt(variance / 100)
    # z is 10 / error seven times, then -70 / error: one of seven moving ranges is not 0
    sigma_z = 80 / error / 7 / 1.128
    skewness = 0.3 * (1 - 0.3**2 - 3 * variance) / variance**1.5  # downwards
    lower = 30 - error * (3 * sigma_z - (3**2 - 1) * skewness / (6 * np.sqrt(100)))
    assert chart["centre"].unique() == pytest.approx([30])
    assert chart["standard_error"].unique() == pytest.approx([error])
    assert chart["sigma_z"].unique() == pytest.approx([sigma_z])
    assert chart["limit_sigmas"].unique() == pytest.approx([3])
    assert chart["lower_limit"].to_numpy() == pytest.approx([lower] * 8)
    assert chart["upper_limit"].to_numpy() == pytest.approx([30 + 3 * error * sigma_z] * 8)
    assert chart["is_signal"].tolist() == [False] * 7 + [True]


def test_skewness_is_the_third_moment():
    """c (1 - c^2 - 3v) of any shares, by the definition."""
    rng = np.random.default_rng(2)
    for p, m, d in rng.dirichlet((1, 1, 1), size=100):
        c = p - d
        moments = [p * (1 - c) ** k + m * (-c) ** k + d * (-1 - c) ** k for k in (2, 3)]
        assert moments[1] == pytest.approx(c * (1 - c**2 - 3 * moments[0]))


@pytest.mark.parametrize("length", [8, 18, 19, 36, 104])
def test_limits_are_further_away_in_long_series(connection, length):
    """Three standard errors, or the two-sided 5 % quantile of so many periods (Bonferroni)."""
    counts = repeated((HIGH, length))
    _, chart = judge(connection, periods_of(counts, "week"))
    quantile = stats.norm.isf(0.05 / (2 * length))
    assert chart["limit_sigmas"].unique() == pytest.approx([max(3, quantile)], abs=4.5e-4)
    # scores that do not differ at all: the answers' own scatter remains
    assert set(chart["sigma_z"]) == {1}
    assert not chart["is_signal"].any()


# --- change points ------------------------------------------------------------------------------

RULES = Rules(
    level=0.05, confidence_z=1.96, searched_periods=8, side_periods=2, permutations=999, seed=0
)


def squares(scores: np.ndarray, weights: np.ndarray) -> float:
    return float((weights * (scores - np.average(scores, weights=weights)) ** 2).sum())


def test_a_split_lowers_the_weighted_squares_by_its_gain():
    """By the definition, for every split of random series."""
    rng = np.random.default_rng(3)
    for length in range(8, 30):
        scores, weights = rng.normal(30, 10, length), rng.uniform(0.1, 2, length)
        deviations = (scores - np.average(scores, weights=weights)) * np.sqrt(weights)
        found = gains(deviations[np.newaxis], weights, 2)[0]
        expected = [
            squares(scores, weights)
            - squares(scores[:k], weights[:k])
            - squares(scores[k:], weights[k:])
            for k in range(2, length - 1)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("after", [2, 3, 4, 5])
def test_the_p_of_a_clean_step_is_a_count_of_orders(after):
    """The same step, upwards or downwards, in 2 of C(n, k) orders of n periods."""
    n = 9
    scores = np.array([40.0] * (n - after) + [0.0] * after)
    split = best_split(scores, np.ones(n), np.random.default_rng(4), RULES)
    orders = list(combinations(range(n), after))
    alike = sum(o in (tuple(range(after)), tuple(range(n - after, n))) for o in orders)
    p = alike / len(orders)
    error = np.sqrt(p * (1 - p) / (split.permutations + 1))
    # drawn, and then raised by 1.96 errors
    assert p - 2 * error <= split.p_value <= p + 6 * error
    assert split.first == n - after
    assert split.is_change_point == (split.p_value <= 0.05)


def test_the_p_of_noise_is_that_of_all_orders():
    """Eight periods have 40,320 orders: all of them, by the weighted squares themselves."""
    rng = np.random.default_rng(5)
    scores, weights = rng.normal(30, 5, 8), rng.uniform(0.5, 2, 8)
    deviations = (scores - np.average(scores, weights=weights)) * np.sqrt(weights)
    every = deviations[np.array(list(permutations(range(8))))]
    best = gains(every, weights, 2).max(axis=1)
    least = gains(deviations[np.newaxis], weights, 2).max()
    p = (best >= least * (1 - 1e-9)).mean()
    rules = RULES._replace(permutations=20_000, level=1.0)
    split = best_split(scores, weights, np.random.default_rng(6), rules)
    error = np.sqrt(p * (1 - p) / (split.permutations + 1))
    assert abs(split.p_value - p) <= 6 * error


def test_two_steps_are_two_change_points(connection):
    """Twelve months of 40, twelve of -40, twelve of 40: each level has its own score."""
    trend, chart = judge(
        connection, periods_of(repeated((HIGH, 12), (LOW, 12), (HIGH, 12)), "month")
    )
    changes = chart[chart["is_change_point"]]
    assert changes["period_start"].tolist() == [pd.Timestamp(2021, 1, 1), pd.Timestamp(2022, 1, 1)]
    assert (changes["change_p_value"] <= 0.05).all()
    assert chart["level_number"].tolist() == [1] * 12 + [2] * 12 + [3] * 12
    assert chart["level_nps"].tolist() == pytest.approx([40] * 12 + [-40] * 12 + [40] * 12)
    assert trend["change_points"].item() == 2
    assert trend["latest_change_start"].item() == pd.Timestamp(2022, 1, 1)


def test_a_series_does_not_depend_on_the_others(connection):
    """The same rows alone, in another order and beside other series."""
    rng = np.random.default_rng(7)
    periods = periods_of(rng.multinomial(60, (0.5, 0.3, 0.2), size=(5, 24)), "month")
    together = judge(connection, periods.sample(frac=1, random_state=8))
    alone = judge(connection, periods[periods["survey_type"] == "case 00003"])
    for every, own in zip(together, alone, strict=True):
        kept = every[every["survey_type"] == "case 00003"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, own)
    assert len(together[0]) == 5
    assert not together[0].duplicated(SERIES).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trend_min_periods", 13),
        ("trend_min_responses", 101),
        ("chart_sigmas", 4),
        ("change_point_min_periods", 6),
        ("change_point_permutations", 10),
        ("random_seed", 1),
        ("significance_level", 0.001),
    ],
)
def test_assumptions_are_read(name, value):
    """Each, changed, changes a row of a series with a step that is hard to see."""
    counts = repeated(((55, 25, 20), 8), ((45, 25, 30), 4))
    counts[0, ::2] += (5, -5, 0)
    with empty_database() as opened:
        before = judge(opened, periods_of(counts, "month"))
        opened.execute(f"update nps.seeds.assumptions set value = {value} where name = '{name}'")
        after = judge(opened, periods_of(counts, "month"))
    assert not all(a.equals(b) for a, b in zip(before, after, strict=True))
