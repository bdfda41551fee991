"""Answers weighted so that every segment of every dimension has its share of the customers.

Raking (iterative proportional fitting, Deming and Stephan 1940): weights are multiplied until the
answers of each segment weigh as much as its customers, one dimension after another, round after
round. After each round they are trimmed to bounds around their mean (DeBell and Krosnick 2009), so
that no answer speaks for too many customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CLASSES = ("promoters", "passives", "detractors")
FIGURES = (
    *("promoter_share", "passive_share", "detractor_share"),
    *("effective_responses", "variance", "adjusted_variance", "finite_factor"),
    *("largest_weight", "margin_error"),
)


class Limits(NamedTuple):
    """When raking ends, and a weight's bounds as multiples of the mean (seed `assumptions`)."""

    rounds: int
    tolerance: float
    least: float
    most: float


class Cells(NamedTuple):
    """Combinations of segments with answers, of many series.

    Attributes:
        series: the number of each cell's series, from 0 and ascending.
        counts: promoters, passives and detractors of each cell, one row for each class.
        segments: for each dimension, the number of each cell's segment; no two series share one.
        customers: for each dimension, the customers of each cell's segment.
    """

    series: np.ndarray
    counts: np.ndarray
    segments: Sequence[np.ndarray]
    customers: Sequence[np.ndarray]


class Raked(NamedTuple):
    """The weights of single answers, by cell, which add up to 1 over the answers of a series.

    Attributes:
        weights: of one answer of each cell.
        margin_error: largest distance of a segment's weight from its share, by series.
        is_converged: whether a round changed no weight by more than the tolerance, by series.
    """

    weights: np.ndarray
    margin_error: np.ndarray
    is_converged: np.ndarray


def rake(
    answers: np.ndarray,
    series: np.ndarray,
    members: Sequence[np.ndarray],
    shares: Sequence[np.ndarray],
    limits: Limits,
) -> Raked:
    """Rake the cells of many series at once; each as if it were alone.

    Args:
        answers: of each cell, above 0.
        series: the number of each cell's series, from 0 and ascending.
        members: for each dimension, the number of each cell's segment; no two series share one.
        shares: for each dimension, what each segment's answers are to weigh; of a series 1 in sum.
        limits: of the rounds and the weights.
    """
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    sizes = np.bincount(series, answers)
    weights = 1 / sizes[series]
    is_converged = np.zeros(len(starts), dtype=bool)
    for _ in range(limits.rounds):
        raked = weights
        for places, share in zip(members, shares, strict=True):
            found = np.bincount(places, raked * answers, len(share))
            raked = raked * (share / found)[places]
        raked = trim(raked, answers, series, limits)
        change = np.maximum.reduceat(np.abs(raked / weights - 1), starts)
        weights = np.where(is_converged[series], weights, raked)
        is_converged |= change <= limits.tolerance
        if is_converged.all():
            break
    weights = weights / np.bincount(series, weights * answers)[series]
    error = np.zeros(len(starts))
    for places, share in zip(members, shares, strict=True):
        distance = np.abs(np.bincount(places, weights * answers, len(share)) - share)
        error = np.maximum(error, np.maximum.reduceat(distance[places], starts))
    return Raked(weights, error, is_converged)


def trim(
    weights: np.ndarray, answers: np.ndarray, series: np.ndarray, limits: Limits
) -> np.ndarray:
    """Cut weights to their bounds, again until the mean that is left has them within bounds."""
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    sizes = np.bincount(series, answers)
    is_within = np.zeros(len(starts), dtype=bool)
    for _ in range(limits.rounds):
        mean = (np.bincount(series, weights * answers) / sizes)[series]
        cut = np.clip(weights, limits.least * mean, limits.most * mean)
        change = np.maximum.reduceat(np.abs(cut / weights - 1), starts)
        weights = np.where(is_within[series], weights, cut)
        is_within |= change <= limits.tolerance
        if is_within.all():
            break
    return weights


def summed(
    counts: np.ndarray, series: np.ndarray, raked: Raked, customers: np.ndarray, prior: np.ndarray
) -> dict[str, np.ndarray]:
    """What the weighted answers of each series come to.

    Args:
        counts: promoters, passives and detractors of each cell, one row for each class.
        series: the number of each cell's series.
        raked: the weights of the cells.
        customers: those that a series stands for.
        prior: how many answers are added to a cell's for its variance, by series, in the
            proportions of the whole: a cell of few answers that agree is not certain.
    """

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(series, values)

    answers, weights = counts.sum(axis=0), raked.weights
    shares = np.array([total(weights * count) for count in counts])
    squares = weights**2 * answers
    # one degree of freedom is the cell's own mean
    filled = counts + (prior * shares)[:, series]
    adjustment = filled.sum(axis=0) / (filled.sum(axis=0) - 1)
    # a cell stands for as many customers as it weighs; where all answered, no chance is left
    expected = weights * answers * customers[series]
    left = np.zeros(len(answers))
    np.divide(expected - answers, expected - 1, out=left, where=expected > answers)
    return {
        **{f"{name[:-1]}_share": share for name, share in zip(CLASSES, shares, strict=True)},
        "effective_responses": 1 / total(squares),
        "variance": total(squares * _variance(counts)),
        "adjusted_variance": total(squares * _variance(filled) * adjustment),
        "finite_factor": np.sqrt(total(squares * left) / total(squares)),
        "largest_weight": np.maximum.reduceat(
            weights * total(answers)[series], np.flatnonzero(np.diff(series, prepend=-1))
        ),
        "margin_error": raked.margin_error,
        "is_converged": raked.is_converged,
    }


def _variance(counts: np.ndarray) -> np.ndarray:
    """Variance of one answer on the scale -1..1, by cell."""
    promoters, _, detractors = counts / counts.sum(axis=0)
    return np.asarray(promoters + detractors - (promoters - detractors) ** 2)


def weigh(
    cells: Cells, customers: np.ndarray, prior: np.ndarray, limits: Limits
) -> dict[str, np.ndarray]:
    """The figures of every series, NaN where its answers stand for nobody.

    Args:
        cells: combinations of segments.
        customers: by series, all of them.
        prior: by series, answers that the metric's interval adds.
        limits: of the rounds and the weights.
    """
    found = {name: np.full(len(customers), np.nan) for name in FIGURES}
    found["covered_share"] = np.zeros(len(customers))
    found["is_converged"] = np.ones(len(customers), dtype=bool)
    # answers of a segment without customers stand for nobody
    kept = np.ones(len(cells.series), dtype=bool)
    for held in cells.customers:
        kept &= held > 0
    if not kept.any():
        return found
    numbers, series = np.unique(cells.series[kept], return_inverse=True)
    covered, members, shares = customers[numbers], [], []
    for segments, held in zip(cells.segments, cells.customers, strict=True):
        _, firsts, places = np.unique(segments[kept], return_index=True, return_inverse=True)
        owners, held_once = series[firsts], held[kept][firsts]
        sums = np.bincount(owners, held_once)
        covered = np.minimum(covered, sums)
        members.append(places)
        shares.append(held_once / sums[owners])
    counts = cells.counts[:, kept]
    raked = rake(counts.sum(axis=0), series, members, shares, limits)
    for name, values in summed(counts, series, raked, covered, prior[numbers]).items():
        found[name][numbers] = values
    found["covered_share"][numbers] = covered / customers[numbers]
    return found
