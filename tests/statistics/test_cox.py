"""Cox's model against lifelines and statsmodels, on random customers of whom many leave on one day."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from orchestration.statistics.cox import concordance, fit_cox, proportionality
from orchestration.statistics.tails import chi_squared_tail, two_sided_level

SEEDS = st.integers(0, 2**32 - 1)


def customers(seed: int, rows: int, columns: int, span: int) -> tuple[np.ndarray, ...]:
    """Days, churn and covariates: dummies and a number, few or many days, so few or many ties."""
    draw = np.random.default_rng(seed)
    design = np.column_stack(
        [
            *((draw.random(rows) < 0.4).astype(float) for _ in range(columns - 1)),
            draw.normal(3, 2, rows),
        ]
    )
    hazard = np.exp(design @ draw.normal(0, 0.4, columns) * 0.5)
    leaves = np.ceil(draw.exponential(span / hazard))
    seen = draw.integers(1, span + 1, rows)
    return np.minimum(leaves, seen), leaves <= seen, design


def has_everybody(churned: np.ndarray, design: np.ndarray) -> bool:
    """Enough who left of every level for the likelihood to have a maximum."""
    dummies = design[:, :-1]
    return churned.sum() > 12 and all(
        3 <= dummies[churned, column].sum() <= churned.sum() - 3
        for column in range(dummies.shape[1])
    )


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(60, 300), st.integers(1, 5), st.sampled_from([5, 30, 700]))
def test_the_fit_is_that_of_statsmodels(seed: int, rows: int, columns: int, span: int):
    from statsmodels.duration.hazard_regression import PHReg

    days, churned, design = customers(seed, rows, columns, span)
    assume(has_everybody(churned, design))
    fit = fit_cox(days, churned, design)
    assert fit is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = PHReg(days, design, status=churned.astype(int), ties="efron").fit(
            method="newton", tol=1e-13, maxiter=100
        )
    assert fit.coefficients == pytest.approx(expected.params, abs=1e-9)
    assert fit.covariance == pytest.approx(expected.cov_params(), abs=1e-9)
    assert fit.log_likelihood == pytest.approx(expected.llf, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.sampled_from([5, 30, 700]))
def test_proportionality_and_concordance_are_those_of_lifelines(seed: int, span: int):
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test
    from lifelines.utils import concordance_index

    days, churned, design = customers(seed, 90, 3, span)
    assume(has_everybody(churned, design))
    fit = fit_cox(days, churned, design)
    assert fit is not None
    frame = pd.DataFrame(design, columns=["a", "b", "c"]).assign(days=days, churned=churned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter().fit(
            frame,
            "days",
            "churned",
            fit_options={"precision": 1e-20, "r_precision": 1e-20, "max_steps": 500},
        )
        expected = proportional_hazard_test(fitter, frame, time_transform="km")
    assert fit.coefficients == pytest.approx(fitter.params_.to_numpy(), abs=1e-9)
    errors = fitter.standard_errors_.to_numpy()
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, abs=1e-9)
    z, _ = proportionality(fit)
    assert z**2 == pytest.approx(np.atleast_1d(expected.test_statistic), rel=1e-7, abs=1e-9)
    found = concordance(fit.scores, days, churned)
    assert found == pytest.approx(concordance_index(days, -np.round(fit.scores, 10), churned))


def test_one_covariate_is_tested_alike_alone_and_together():
    days, churned, design = customers(3, 300, 1, 100)
    fit = fit_cox(days, churned, design)
    assert fit is not None
    z, together = proportionality(fit)
    assert together == pytest.approx(z[0] ** 2)


def test_four_customers_by_hand():
    """Two with x = 1, two with 0. Day 1: one with 1 leaves, h / (2h + 2) with h = e^beta; day 2: one with
    0 leaves of one and two, 1 / (h + 2). 1/h - 1/(h + 1) - 1/(h + 2) = 0 at h^2 = 2. The information is
    h / (h + 1)^2 + 2h / (h + 2)^2 = 0.485281.
    """
    fit = fit_cox([1, 2, 3, 3], [True, True, False, False], [[1.0], [0.0], [1.0], [0.0]])
    assert fit is not None
    assert fit.coefficients[0] == pytest.approx(np.log(2) / 2, abs=1e-12)
    assert 1 / fit.covariance[0, 0] == pytest.approx(0.485281374, abs=1e-9)
    assert fit.log_likelihood == pytest.approx(np.log(2**0.5 / (2 * 2**0.5 + 2) / (2**0.5 + 2)))


def test_two_who_leave_on_one_day_by_hand():
    """Efron: h / ((2h + 2) (2h + 2 - (h + 1) / 2)), greatest at h = 1."""
    fit = fit_cox([1, 1, 2, 2], [True, True, False, False], [[1.0], [0.0], [1.0], [0.0]])
    assert fit is not None
    assert fit.coefficients[0] == pytest.approx(0, abs=1e-12)
    assert fit.log_likelihood == pytest.approx(np.log(1 / (4 * 3)))


def test_what_separates_those_who_leave_has_no_estimate():
    days = np.arange(1.0, 41.0)
    assert fit_cox(days, np.ones(40, bool), -days[:, None]) is None


def test_nobody_left_later_is_compared_with_nobody():
    assert concordance([1.0, 2.0], [5, 5], [False, False]) is None
    assert concordance([2.0, 1.0], [5, 6], [True, False]) == 1
    assert concordance([1.0, 2.0], [5, 6], [True, False]) == 0
    assert concordance([1.0, 1.0], [5, 5], [True, False]) == 0.5


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 12, 41])
def test_tails_are_those_of_scipy(degrees: int):
    for statistic in (0.0, 1e-6, 0.5, 3.84, 20.0, 90.0, 400.0):
        expected = stats.chi2.sf(statistic, degrees)
        assert chi_squared_tail(statistic, degrees) == pytest.approx(expected, rel=1e-10)
    assert two_sided_level(1.959963984540054) == pytest.approx(0.05, abs=1e-12)
