"""What goes with a score, against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database
from scipy import stats
from statsmodels.stats.multitest import multipletests

CASES = 100


def random_pairs(rng: np.random.Generator, case: int) -> pd.DataFrame:
    """Scores and another measure, from unrelated to closely related, with ties."""
    size = int(rng.integers(12, 60))
    score = rng.integers(0, 11, size)
    y = score * rng.uniform(-2, 2) + rng.normal(0, rng.uniform(0.5, 20), size)
    y = np.round(y) if case % 2 else y
    return pd.DataFrame({"kpi": f"kpi {case}", "x": score.astype(float), "y": y})


def test_coefficients_and_intervals_agree_with_scipy():
    rng = np.random.default_rng(1)
    pairs = pd.concat([random_pairs(rng, case) for case in range(CASES)])
    pairs = pairs.assign(
        level="customer", metric="nps", survey_type="relational", kpi_survey_type=None
    )
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', 5)"
        )
        connection.execute("insert into nps.intermediate.int_kpis_paired by name from pairs")
        found = connection.execute(
            f"from ({compiled('metric_correlations')}) order by method, kpi"
        ).df()
    assert len(found) == 2 * CASES
    z = stats.norm.ppf(0.975)
    for row in found.itertuples():
        x, y = (pairs.loc[pairs.kpi == row.kpi, name].to_numpy() for name in ("x", "y"))
        if row.method == "pearson":
            expected = stats.pearsonr(x, y)
            error = 1 / np.sqrt(len(x) - 3)
            low, high = expected.confidence_interval(0.95)
            r = expected.statistic
        else:
            r = stats.spearmanr(x, y).statistic
            error = np.sqrt((1 + r**2 / 2) / (len(x) - 3))  # Bonett and Wright 2000
            low, high = np.tanh(np.arctanh(r) + np.array([-z, z]) * error)
        assert (row.n, row.untested_because) == (len(x), None)
        assert row.coefficient == pytest.approx(r, abs=1e-9)
        assert (row.ci_low, row.ci_high) == pytest.approx((low, high), abs=1e-9)
        p = 2 * stats.norm.sf(abs(np.arctanh(r)) / error)
        assert row.p_value == pytest.approx(p, abs=1e-9)
    for _, family in found.groupby("method"):
        adjusted = multipletests(family.p_value, method="fdr_bh")[1]
        assert family.p_adjusted.to_numpy() == pytest.approx(adjusted, rel=1e-9)
        assert set(family.comparisons) == {CASES}


@pytest.mark.simulation
@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("size", [20, 100])
def test_intervals_hold_the_truth(method, rho, size):
    """Of normal values; Spearman's coefficient of a normal pair is 6 / pi asin(rho / 2)."""
    rng = np.random.default_rng(2)
    draws = 2000
    x = rng.normal(size=(draws, size))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=(draws, size))
    truth = rho if method == "pearson" else 6 / np.pi * np.arcsin(rho / 2)
    filling = pd.DataFrame({"kpi": np.repeat(np.arange(draws).astype(str), size),
                            "x": x.ravel(), "y": y.ravel()})  # fmt: skip
    filling = filling.assign(level="customer", metric="nps", survey_type="relational")
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', 5)"
        )
        connection.execute("insert into nps.intermediate.int_kpis_paired by name from filling")
        low, high = connection.execute(
            f"select ci_low, ci_high from ({compiled('metric_correlations')}) where method = '{method}'"
        ).fetchnumpy().values()  # fmt: skip
    held = np.mean((low <= truth) & (truth <= high))
    assert 0.93 <= held <= 0.98
