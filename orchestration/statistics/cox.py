"""Cox's proportional hazards (Cox 1972) with Efron's ties, fitted by Newton's method.

lifelines and statsmodels fit the same model, and the tests hold this one to both. It is written
here because a run would otherwise import either for every workspace, and because the test of
proportional hazards takes lifelines minutes at 200,000 customers (see docs/decisions.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Newton's decrement, twice the likelihood still to be gained, at which the last step is taken:
# steps converge quadratically, so that what is left is below the digits of a double.
_CONVERGED = 1e-10
_STEPS, _HALVINGS = 40, 30
# Beyond this a standardised covariate's coefficient has no maximum: the likelihood rises forever.
_DIVERGED = 20.0


@dataclass(frozen=True)
class CoxFit:
    """A fitted model of n customers and p covariates.

    Attributes:
        coefficients: logarithms of the hazard ratios, (p,).
        covariance: their covariance, the inverse of the information, (p, p).
        log_likelihood: Efron's partial log-likelihood at its maximum.
        scores: each customer's logarithmic relative hazard, up to a constant, (n,).
        event_days: the day of each event, ascending, (events,).
        residuals: Schoenfeld's residuals of the events (Schoenfeld 1982), (events, p).
        kept: Kaplan and Meier's share of all customers who stay longer than each event's day.
    """

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    scores: Floats
    event_days: Floats
    residuals: Floats
    kept: Floats


class _RiskSets:
    """Who is at risk on which day: customers in the order of their days.

    Efron lets the m events of a day leave one after another, each time with the average of what is
    left of them: the l-th event finds the day's risk set less l/m of the day's events.
    """

    def __init__(self, days: Floats, churned: npt.NDArray[np.bool_]) -> None:
        distinct, starts, day_of_row = np.unique(days, return_index=True, return_inverse=True)
        self.churned = churned
        self.starts, self.day_of_row = starts, day_of_row
        self.count = len(distinct)
        self.day_of_churned = day_of_row[churned]
        self.events = np.bincount(self.day_of_churned, minlength=self.count)
        self.with_events = np.flatnonzero(self.events)
        ties = self.events[self.with_events]
        self.first_of_day = np.cumsum(ties) - ties
        self.gone = (np.arange(ties.sum()) - np.repeat(self.first_of_day, ties)) / np.repeat(
            ties, ties
        )
        self.at_risk = len(days) - starts

    def from_day_on(self, values: Floats) -> Floats:
        """Sums over those at risk on each day, of values a customer."""
        sums = np.add.reduceat(values, self.starts, axis=0)
        return np.flip(np.cumsum(np.flip(sums, axis=0), axis=0), axis=0)

    def of_events(self, values: Floats) -> Floats:
        """Sums over the events of each day, of values a customer."""
        sums = np.zeros((self.count, *values.shape[1:]))
        sums[self.with_events] = np.add.reduceat(values[self.churned], self.first_of_day, axis=0)
        return sums

    def kept(self) -> Floats:
        """Kaplan and Meier's share of those who stay longer than each event's day."""
        product = np.cumprod(1 - self.events / self.at_risk)
        return np.asarray(product[self.day_of_churned])


def fit_cox(days: Any, churned: Any, design: Any) -> CoxFit | None:
    """Fit the hazard of leaving.

    Args:
        days: how long each customer was followed, (n,).
        churned: whether they left then, (n,); the others were still there.
        design: their covariates, (n, p), linearly independent.

    Returns:
        The fit, with arrays of events in the order of days; None: the likelihood has no maximum,
        because a covariate separates those who leave.
    """
    followed = np.asarray(days, dtype=float)
    order = np.argsort(followed, kind="stable")
    x = np.asarray(design, dtype=float)[order]
    center, spread = x.mean(axis=0), x.std(axis=0)
    x = (x - center) / spread
    sets = _RiskSets(followed[order], np.asarray(churned, dtype=bool)[order])
    beta = _maximum(x, sets)
    if beta is None:
        return None
    value, _, information, averages = _likelihood(x, sets, beta)
    ties = sets.events[sets.with_events]
    expected = np.add.reduceat(averages, sets.first_of_day, axis=0) / ties[:, None]
    scores = np.empty(len(order))
    scores[order] = x @ beta
    return CoxFit(
        coefficients=beta / spread,
        covariance=np.linalg.inv(information) / np.outer(spread, spread),
        log_likelihood=value,
        scores=scores,
        event_days=followed[order][sets.churned],
        residuals=(x[sets.churned] - np.repeat(expected, ties, axis=0)) * spread,
        kept=sets.kept(),
    )


def _maximum(x: Floats, sets: _RiskSets) -> Floats | None:
    """The coefficients at which the likelihood is greatest; None: nowhere."""
    beta = np.zeros(x.shape[1])
    value, gradient, information, _ = _likelihood(x, sets, beta)
    for _ in range(_STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        decrement = gradient @ step
        for _ in range(_HALVINGS):
            found = _likelihood(x, sets, beta + step)
            if found[0] >= value - abs(value) * 1e-14:
                break
            step /= 2
        beta = beta + step
        value, gradient, information = found[:3]
        if not np.isfinite(beta).all() or np.abs(beta).max() > _DIVERGED:
            return None
        if decrement < _CONVERGED:
            return beta
    return None


def _likelihood(x: Floats, sets: _RiskSets, beta: Floats) -> tuple[float, Floats, Floats, Floats]:
    """Efron's log-likelihood, its gradient, its information, and each event's expected covariates.

    The information is a sum over risk sets of weighted cross-products; added up customer by
    customer, it is one product of matrices, whatever the number of days.
    """
    eta = x @ beta
    eta -= eta.max()
    weights = np.exp(eta)
    weighted = weights[:, None] * x
    gone, day = sets.gone, sets.day_of_churned
    total = sets.from_day_on(weights)[day] - gone * sets.of_events(weights)[day]
    sums = sets.from_day_on(weighted)[day] - gone[:, None] * sets.of_events(weighted)[day]
    averages = sums / total[:, None]
    value = float(eta[sets.churned].sum() - np.log(total).sum())
    gradient = x[sets.churned].sum(axis=0) - averages.sum(axis=0)
    # a customer is in the risk sets of all events up to the own last day, of the own day in part
    so_far = np.cumsum(np.bincount(day, 1 / total, sets.count))
    share = so_far[sets.day_of_row]
    share[sets.churned] -= np.bincount(day, gone / total, sets.count)[day]
    information = weighted.T @ (share[:, None] * x) - averages.T @ averages
    return value, gradient, information, averages


def proportionality(fit: CoxFit) -> tuple[Floats, float]:
    """Whether hazard ratios change as time passes (Grambsch and Therneau 1994).

    The residuals are correlated with time on the scale 1 - S(t), S the Kaplan-Meier estimate of
    all. The variance of each event's residuals is taken as their average.

    Returns:
        A z for each covariate, above 0 where its ratio grows with time, and chi-squared of all p
        covariates together.
    """
    time = 1 - fit.kept
    time = time - time.mean()
    squares = float(time @ time)
    if squares == 0:
        return np.full(len(fit.coefficients), np.nan), float("nan")
    moved = time @ fit.residuals
    scaled = fit.covariance @ moved
    scale = np.sqrt(len(time) / squares)
    z = scale * scaled / np.sqrt(np.diag(fit.covariance))
    return z, float(scale * scale * (moved @ scaled))


def concordance(scores: Any, days: Any, churned: Any) -> float | None:
    """Of two customers, how often the one with the greater hazard leaves first (Harrell 1982).

    Compared is each who left with all who were still there then; equal scores count half.

    Returns:
        A share, 0.5 for a model that knows nothing; None: nobody can be compared.
    """
    # equal covariates have equal scores but for the last digits
    hazard = np.round(np.asarray(scores, dtype=float), 10)
    followed, left = np.asarray(days, dtype=float), np.asarray(churned, dtype=bool)
    order = np.argsort(followed, kind="stable")
    hazard, left = hazard[order], left[order]
    starts = np.flatnonzero(np.diff(followed[order], prepend=-np.inf))
    stayed = np.empty(0)  # the scores of those who were followed for longer, ascending
    pairs = agreed = 0.0
    for first, end in zip(starts[::-1], [len(hazard), *starts[:0:-1]], strict=True):
        here, ends = hazard[first:end], left[first:end]
        stayed = _merged(stayed, here[~ends])
        leaving = here[ends]
        below = np.searchsorted(stayed, leaving, side="left")
        up_to = np.searchsorted(stayed, leaving, side="right")
        pairs += float(len(leaving) * len(stayed))
        agreed += float((below + up_to).sum()) / 2
        stayed = _merged(stayed, leaving)
    return agreed / pairs if pairs else None


def _merged(ascending: Floats, values: Floats) -> Floats:
    """An ascending array with more values put in their places."""
    values = np.sort(values)
    return np.insert(ascending, np.searchsorted(ascending, values), values)
