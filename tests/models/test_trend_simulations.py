"""How often trend, control chart and change points flag what is there, and what is not.

Thousands of random series, seeded, pass through the compiled models and the Python model at once.
The table of docs/metrics.md is made here, and is wrong if it differs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from dbt_support import PROJECT_DIR, empty_database
from trend_support import judge, periods_of

pytestmark = pytest.mark.simulation

SERIES = 2_000
USUAL, EVEN = (0.5, 0.3, 0.2), (1 / 3, 1 / 3, 1 / 3)
SKEWED, SHARE = (0.9, 0.08, 0.02), (0.95, 0.05, 0.0)
# Three years of quarters, each compared with the one before, and as many answers a quarter as make
# such comparisons miss a drift of 2 points a quarter in 44 % of the series.
QUARTERS, QUARTERLY = 13, 550


class Scenario(NamedTuple):
    """What is drawn: answers of each period, and the change of the score in points by period.

    Attributes:
        words: for the table.
        grain: of the periods.
        answers: of each period; two numbers: anything between them, by series and period.
        shares: promoters, passives, detractors, without a change.
        change: in points by period, from the number of periods.
        wobble: standard deviation of periods' levels, in points.
    """

    words: str
    grain: str
    periods: int
    answers: int | tuple[int, int]
    shares: tuple[float, float, float]
    change: Callable[[int], np.ndarray] = np.zeros
    wobble: float = 0


def drift(periods: int) -> np.ndarray:
    """Two points fewer each period."""
    return -2.0 * np.arange(periods)


def step(periods: int) -> np.ndarray:
    """Fifteen points fewer from the middle on."""
    return np.where(np.arange(periods) < periods // 2, 0.0, -15.0)


def dip(periods: int) -> np.ndarray:
    """Thirty-five points fewer in one period."""
    return np.where(np.arange(periods) == 2 * periods // 3, -35.0, 0.0)


CONSTANT = {
    "usual": Scenario("none", "quarter", QUARTERS, QUARTERLY, USUAL),
    "few": Scenario("none", "quarter", 12, 20, EVEN),
    "few and skewed": Scenario("none", "quarter", 12, 20, SKEWED),
    "two classes": Scenario("none", "month", 24, 30, SHARE),
    "months": Scenario("none", "month", 36, 50, USUAL),
    "uneven": Scenario("none", "month", 36, (20, 500), (0.8, 0.15, 0.05)),
    "weeks": Scenario("none", "week", 104, 100, USUAL),
    "wobbling": Scenario("none; periods vary by 5", "month", 36, 400, USUAL, wobble=5),
}
CHANGED = {
    "drift": Scenario("-2 a quarter", "quarter", QUARTERS, QUARTERLY, USUAL, drift),
    "drift of few": Scenario("-2 a quarter", "quarter", QUARTERS, 250, USUAL, drift),
    "step": Scenario("-15 from the 13th on", "month", 24, 200, USUAL, step),
    "dip": Scenario("-35 in the 17th", "month", 24, 200, USUAL, dip),
}
SCENARIOS = CONSTANT | CHANGED
FLAGS = ("neighbours", "trend", "signal", "change_point")


def drawn(scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """Promoters, passives and detractors, by series and period."""
    shape = (SERIES, scenario.periods)
    # a point of change is half a per cent of promoters fewer and of detractors more
    moved = scenario.change(scenario.periods) + rng.normal(0, scenario.wobble, shape)
    top, _, bottom = scenario.shares
    shares = np.stack([top + moved / 200, np.zeros(shape), bottom - moved / 200], axis=-1)
    shares[..., 1] = 1 - shares.sum(axis=-1)
    answers = scenario.answers
    if isinstance(answers, tuple):
        answers = np.exp(rng.uniform(*np.log(answers), size=shape)).astype(int)
    return rng.multinomial(answers, shares)


def neighbours_differ(counts: np.ndarray) -> np.ndarray:
    """Whether any period differs from the one before it at 5 % (Rocks 2016, 3 answers added)."""
    p, m, d = np.moveaxis(counts + np.array([0.75, 1.5, 0.75]), -1, 0)
    n = p + m + d
    mean, variance = (p - d) / n, ((p + d) / n - ((p - d) / n) ** 2) / n
    z = np.diff(mean, axis=1) / np.sqrt(variance[:, 1:] + variance[:, :-1])
    return (np.abs(z) > 1.959963984540054).any(axis=1)


@cache
def shares_flagged(name: str) -> dict[str, float]:
    """The share of a scenario's series with each flag."""
    scenario = SCENARIOS[name]
    rng = np.random.default_rng([2025, list(SCENARIOS).index(name)])
    counts = drawn(scenario, rng)
    with empty_database() as connection:
        trend, _ = judge(connection, periods_of(counts, scenario.grain))
    assert len(trend) == SERIES
    return {
        "neighbours": neighbours_differ(counts).mean(),
        "trend": trend["is_significant"].eq(True).mean(),
        "signal": trend["signals"].gt(0).mean(),
        "change_point": trend["change_points"].gt(0).mean(),
    }


def line(name: str) -> str:
    """A scenario's row of the table."""
    scenario = SCENARIOS[name]
    answers = scenario.answers
    size = f"{answers[0]} to {answers[1]}" if isinstance(answers, tuple) else str(answers)
    shares = " / ".join(f"{100 * share:.0f}" for share in scenario.shares)
    figures = shares_flagged(name)
    cells = [scenario.words, f"{scenario.periods} {scenario.grain}s", size, shares]
    cells += [f"{100 * figures[flag]:.1f} %" for flag in FLAGS]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", CONSTANT)
def test_at_most_one_of_twenty_constant_series_has_a_flag(name):
    """Each flag by itself."""
    found = shares_flagged(name)
    assert max(found[flag] for flag in FLAGS[1:]) <= 0.05, found


def test_a_drift_is_found_where_neighbouring_quarters_miss_it():
    """Two points a quarter for three years, at as many answers as let 44 % go unnoticed."""
    found = shares_flagged("drift")
    assert 1 - found["neighbours"] == pytest.approx(0.44, abs=0.03)
    assert found["trend"] >= 0.95
    # without a change the same comparison flags four of ten series
    assert shares_flagged("usual")["neighbours"] == pytest.approx(0.43, abs=0.03)
    assert shares_flagged("drift of few")["trend"] >= 0.95


def test_steps_and_dips_are_found_by_what_looks_for_them():
    assert shares_flagged("step")["change_point"] >= 0.95
    assert shares_flagged("dip")["signal"] >= 0.9


def test_the_documented_table_is_this_one():
    page = (PROJECT_DIR / "docs/metrics.md").read_text(encoding="utf-8")
    missing = [line(name) for name in SCENARIOS if line(name) not in page]
    assert not missing, "\n".join(missing)
