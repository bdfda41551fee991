"""Answers weighted so that every segment of every dimension has its share of the customers.

Raking (iterative proportional fitting, Deming and Stephan 1940): weights are multiplied until the
answers of each segment weigh as much as its customers, one dimension after another, round after
round. After each round they are trimmed to bounds around their mean (DeBell and Krosnick 2009), so
that no answer speaks for too many customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SERIES = ("time_grain", "period_start", "period_end", "basis", "metric", "survey_type")
CLASSES = ("promoters", "passives", "detractors")


class Limits(NamedTuple):
    """When raking ends, and a weight's bounds as multiples of the mean (seed `assumptions`)."""

    rounds: int
    tolerance: float
    least: float
    most: float


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
    filled = counts + (prior * shares)[:, series]
    # a cell stands for as many customers as it weighs; where all answered, no chance is left
    expected = weights * answers * customers[series]
    left = np.zeros(len(answers))
    np.divide(expected - answers, expected - 1, out=left, where=expected > answers)
    return {
        **{f"{name[:-1]}_share": share for name, share in zip(CLASSES, shares, strict=True)},
        "effective_responses": 1 / total(squares),
        "variance": total(squares * _variance(counts)),
        "adjusted_variance": total(squares * _variance(filled)),
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
    return promoters + detractors - (promoters - detractors) ** 2


def model(dbt: Any, session: Any) -> Any:
    """One row for each period, basis, metric and survey type with several segments to weight by."""
    import pyarrow as pa

    assumed = dict(dbt.ref("assumptions").select("name, value").fetchall())
    limits = Limits(
        int(assumed["raking_rounds"]),
        assumed["raking_tolerance"],
        assumed["min_raked_weight"],
        assumed["max_raked_weight"],
    )
    priors = {
        metric: top + middle + bottom
        for metric, top, middle, bottom in dbt.ref("metrics")
        .select("metric, top_prior, middle_prior, bottom_prior")
        .fetchall()
    }
    segments = dbt.source("raw", "segments").order("position")
    dimensions = segments.select("'seg_' || segment, published_name").fetchall()
    cells = dbt.ref("int_joint_periods_counted")
    keys = ", ".join((*SERIES, *(column for column, _ in dimensions)))
    cells = cells.order(keys).to_arrow_table().to_pylist() if len(dimensions) > 1 else []
    days = {cell["base_on"] for cell in cells}
    base = {
        (day, dimension, segment): customers
        for day, dimension, segment, customers in dbt.ref("int_customer_base_counted")
        .select("as_of_on, dimension, segment, customers")
        .fetchall()
        if day in days
    }
    rows = weighted_rows(cells, dimensions, base, priors, limits)
    fields = [(name, pa.date32() if name.startswith("period_") else pa.string()) for name in SERIES]
    fields += [("dimension", pa.string()), ("base_customers", pa.int64())]
    fields += [("covered_share", pa.float64()), ("responses", pa.int64())]
    fields += [(name, pa.int64()) for name in CLASSES]
    fields += [(name, pa.float64()) for name in FIGURES] + [("is_converged", pa.bool_())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


FIGURES = (
    *(f"{name[:-1]}_share" for name in CLASSES),
    *("effective_responses", "variance", "adjusted_variance", "finite_factor"),
    *("largest_weight", "margin_error"),
)


def weighted_rows(
    cells: list[dict[str, Any]],
    dimensions: list[tuple[str, str]],
    base: dict[tuple[Any, str, str], int],
    priors: dict[str, float],
    limits: Limits,
) -> list[dict[str, Any]]:
    """The figures of every series of which anybody was a customer.

    Args:
        cells: combinations of segments in a period, ordered by series.
        dimensions: the column of each segment, and what the base calls it.
        base: customers by day, dimension and segment.
        priors: answers that a metric's interval adds.
        limits: of the rounds and the weights.
    """
    totals: dict[Any, int] = {}
    for (day, dimension, _), customers in base.items():
        if dimension == dimensions[0][1]:
            totals[day] = totals.get(day, 0) + customers
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    kept: list[dict[str, Any]] = []
    for cell in cells:
        if cell["base_on"] not in totals:
            continue
        name = tuple(cell[column] for column in SERIES)
        row = rows.setdefault(
            name,
            dict(zip(SERIES, name, strict=True))
            | {"dimension": "all dimensions", "base_customers": totals[cell["base_on"]]}
            | {"covered_share": 0.0, "is_converged": True}
            | dict.fromkeys(("responses", *CLASSES), 0),
        )
        for column in CLASSES:
            row[column] += cell[column]
            row["responses"] += cell[column]
        # answers of a segment without customers stand for nobody
        if all(base.get((cell["base_on"], label, cell[seg])) for seg, label in dimensions):
            kept.append(cell | {"row": row})
    if kept:
        _fill(kept, dimensions, base, priors, limits)
    return list(rows.values())


def _fill(
    cells: list[dict[str, Any]],
    dimensions: list[tuple[str, str]],
    base: dict[tuple[Any, str, str], int],
    priors: dict[str, float],
    limits: Limits,
) -> None:
    """Weight cells that stand for customers, and put the figures into the rows of their series."""
    firsts = [n for n, cell in enumerate(cells) if not n or cell["row"] is not cells[n - 1]["row"]]
    begun = np.zeros(len(cells), dtype=int)
    begun[firsts] = 1
    series = np.cumsum(begun) - 1
    total = np.array([cells[first]["row"]["base_customers"] for first in firsts], dtype=float)
    covered, members, shares = total.copy(), [], []
    for column, label in dimensions:
        names = [(int(s), cell[column]) for s, cell in zip(series, cells, strict=True)]
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        owners = np.array([owner for owner, _ in numbers])
        held = np.array(
            [base[cells[firsts[owner]]["base_on"], label, segment] for owner, segment in numbers],
            dtype=float,
        )
        sums = np.bincount(owners, held)
        covered = np.minimum(covered, sums)
        members.append(np.array([numbers[name] for name in names]))
        shares.append(held / sums[owners])
    counts = np.array([[cell[column] for cell in cells] for column in CLASSES], dtype=float)
    raked = rake(counts.sum(axis=0), series, members, shares, limits)
    prior = np.array([priors[cells[first]["metric"]] for first in firsts])
    figures = summed(counts, series, raked, covered, prior)
    for place, first in enumerate(firsts):
        row = cells[first]["row"]
        row["covered_share"] = float(covered[place] / total[place])
        row |= {name: values[place].item() for name, values in figures.items()}
