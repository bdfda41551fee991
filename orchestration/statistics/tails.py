"""Tails of the chi-squared distribution: their exact finite sums, without importing scipy."""

from __future__ import annotations

import math


def chi_squared_tail(statistic: float, degrees: int) -> float:
    """The probability of a chi-squared variable above a value.

    Args:
        statistic: the value, at least 0.
        degrees: degrees of freedom, at least 1.

    Returns:
        P(X > statistic): of even degrees a sum of Poisson terms, of odd ones the normal tail and a
        sum (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5).
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    if math.isinf(half):
        return 0.0
    odd = degrees % 2
    total = math.erfc(math.sqrt(half)) if odd else 0.0
    for term in range((degrees + odd) // 2 - odd):
        power = term + odd / 2
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
    return min(1.0, total)


def two_sided_level(z: float) -> float:
    """The probability outside of ±z under the normal distribution: 0.05 for 1.96."""
    return math.erfc(z / math.sqrt(2))
