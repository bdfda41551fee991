"""Which attributes go with a score: the rows of int_drivers_estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.statistics.shares import Floats, Shares, explained_shares
from orchestration.statistics.tables import encoded, groups
from orchestration.statistics.tails import chi_squared_tail, two_sided_level

# Digits that the sums are good for.
_DIGITS = 12

DRIVERS: dict[str, pa.DataType] = {
    "metric": pa.string(),
    "survey_type": pa.string(),
    "attribute": pa.string(),
    "levels": pa.int64(),
    "voices": pa.int64(),
    "r_squared": pa.float64(),
    "share": pa.float64(),
    "ci_low": pa.float64(),
    "ci_high": pa.float64(),
    "own_share": pa.float64(),
    "added_share": pa.float64(),
    "added_degrees": pa.int64(),
    "p_value": pa.float64(),
    "unknown_because": pa.string(),
}


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn.

    Attributes:
        resamples: how many.
        seed: of numpy's generator.
        z: the interval in standard deviations of the normal distribution: 1.96 for 95 %.
    """

    resamples: int
    seed: int
    z: float


class _Counts:
    """The counts of one metric and survey type, by part and pair of levels, as arrays."""

    def __init__(self, pairs: pa.Table) -> None:
        self.attributes = sorted(set(pairs["attribute"].to_pylist()))
        own, names = encoded(pairs["attribute"])
        other, other_names = encoded(pairs["other_attribute"])
        self.names = {name: place for place, name in enumerate(names)}
        self.other_names = {name: place for place, name in enumerate(other_names)}
        self.own, self.other = own, other
        self.level, self.levels = encoded(pairs["level"])
        self.other_level, self.other_levels = encoded(pairs["other_level"])
        parts = pairs["part"].to_numpy()
        self.part = np.unique(parts, return_inverse=True)[1]
        self.parts = int(self.part.max()) + 1
        self.voices = pairs["voices"].to_numpy().astype(float)
        self.contributions = pairs["contributions"].to_numpy().astype(float)
        self.squares = pairs["squares"].to_numpy().astype(float)

    def rows(self, attribute: str, other: str) -> npt.NDArray[np.int64]:
        """Which counts are of a pair of attributes; of one attribute twice, of its levels."""
        if attribute not in self.names or other not in self.other_names:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(
            (self.own == self.names[attribute]) & (self.other == self.other_names[other])
        )

    def sums(self, rows: npt.NDArray[np.int64], values: Floats) -> Floats:
        """Sums of some counts by part, (parts,)."""
        return np.asarray(np.bincount(self.part[rows], values[rows], self.parts), dtype=float)

    def frequent_levels(self, attribute: str) -> list[str]:
        """The attribute's levels, the most frequent first."""
        rows = self.rows(attribute, attribute)
        voices = np.bincount(self.level[rows], self.voices[rows], len(self.levels))
        found = [place for place in range(len(self.levels)) if voices[place]]
        return [self.levels[place] for place in sorted(found, key=lambda p: (-voices[p], p))]


def estimated_drivers(
    pairs: pa.Table, *, least: float, most: int, resampling: Resampling
) -> Iterator[dict[str, Any]]:
    """Rows of DRIVERS: one for each attribute of each metric and survey type.

    Args:
        pairs: the rows of int_driver_pairs_counted.
        least: voices that each coefficient needs.
        most: attributes that are estimated together; of more those that explain most alone.
        resampling: how intervals are drawn.
    """
    for (metric, survey_type), counted in groups(pairs, ("metric", "survey_type")):
        for row in _driver_rows(_Counts(counted), least, most, resampling):
            yield {"metric": metric, "survey_type": survey_type} | row


def _driver_rows(
    counts: _Counts, least: float, most: int, resampling: Resampling
) -> Iterator[dict[str, Any]]:
    levels = {attribute: counts.frequent_levels(attribute) for attribute in counts.attributes}
    first = counts.rows(counts.attributes[0], counts.attributes[0])
    voices = int(counts.voices[first].sum())
    about: dict[str, dict[str, float]] = {
        name: {"levels": len(found), "voices": voices} for name, found in levels.items()
    }
    varying = [name for name, found in levels.items() if len(found) > 1]
    reasons = {name: "one_level" for name in levels if name not in varying}
    total = _totals(counts)
    if total[2] * total[0] == total[1] * total[1]:  # whole numbers: everybody answered alike
        reasons = dict.fromkeys(levels, "no_variation")
        varying = []
    alone = {name: _explained_alone(counts, name, total) for name in varying}
    for name, share in alone.items():
        about[name]["own_share"] = round(share, _DIGITS)
    ranked = sorted(varying, key=lambda name: (-alone[name], name))
    chosen, beyond = ranked[:most], ranked[most:]
    reasons |= dict.fromkeys(beyond, "beyond_limit")
    sizes = [len(levels[name]) - 1 for name in chosen]
    if voices < least * sum(sizes):
        reasons |= dict.fromkeys(chosen, "too_few")
        chosen = []
    figures = {}
    if chosen:
        products = _products(counts, [(name, levels[name][1:]) for name in chosen])
        found = explained_shares(_resampled(products, resampling), sizes)
        figures = dict(zip(chosen, _figures(found, voices, resampling), strict=True))
    for name in counts.attributes:
        rounded = {key: round(value, _DIGITS) for key, value in figures.get(name, {}).items()}
        yield {
            "attribute": name,
            **about[name],
            **rounded,
            "unknown_because": reasons.get(name),
        }


def _totals(counts: _Counts) -> tuple[float, float, float]:
    """Voices, the sum of their contributions and of the squares of these."""
    rows = counts.rows(counts.attributes[0], counts.attributes[0])
    return (
        float(counts.voices[rows].sum()),
        float(counts.contributions[rows].sum()),
        float(counts.squares[rows].sum()),
    )


def _explained_alone(counts: _Counts, name: str, total: tuple[float, float, float]) -> float:
    """Between the attribute's levels, the share of the variance (eta squared)."""
    rows = counts.rows(name, name)
    voices = np.bincount(counts.level[rows], counts.voices[rows])
    sums = np.bincount(counts.level[rows], counts.contributions[rows])
    n, y, yy = total
    between = (sums[voices > 0] ** 2 / voices[voices > 0]).sum() - y * y / n
    return float(between / (yy - y * y / n))


def _products(counts: _Counts, columns: list[tuple[str, list[str]]]) -> Floats:
    """Cross-products of 1, a dummy for every level but the first, and contributions, by part.

    Args:
        counts: of one metric and survey type.
        columns: the attributes, each with its levels but the one that is compared with.

    Returns:
        (parts, 1 + dummies + 1, 1 + dummies + 1).
    """
    starts = np.cumsum([1, *(len(levels) for _, levels in columns)])
    size = int(starts[-1]) + 1
    products = np.zeros((counts.parts, size, size))
    diagonal = counts.rows(columns[0][0], columns[0][0])
    products[:, 0, 0] = counts.sums(diagonal, counts.voices)
    products[:, 0, -1] = products[:, -1, 0] = counts.sums(diagonal, counts.contributions)
    products[:, -1, -1] = counts.sums(diagonal, counts.squares)
    for (name, levels), start in zip(columns, starts, strict=False):
        for (other, other_levels), other_start in zip(columns, starts, strict=False):
            rows = counts.rows(name, other)
            own = _places(counts.levels, levels)[counts.level[rows]]
            theirs = _places(counts.other_levels, other_levels)[counts.other_level[rows]]
            if name == other:
                known = rows[own >= 0]
                column = start + own[own >= 0]
                for at, values in ((0, counts.voices), (size - 1, counts.contributions)):
                    edge = np.full_like(column, at)
                    np.add.at(products, (counts.part[known], column, edge), values[known])
                    np.add.at(products, (counts.part[known], edge, column), values[known])
            both = (own >= 0) & (theirs >= 0)
            place = (counts.part[rows][both], start + own[both], other_start + theirs[both])
            np.add.at(products, place, counts.voices[rows][both])
            if name != other:  # a pair is counted in one order
                np.add.at(products, (place[0], place[2], place[1]), counts.voices[rows][both])
    return products


def _places(labels: list[str], levels: list[str]) -> npt.NDArray[np.int64]:
    """The place of each label among the levels; -1: it is none of them."""
    known = {level: place for place, level in enumerate(levels)}
    return np.array([known.get(label, -1) for label in labels], dtype=np.int64)


def _resampled(products: Floats, resampling: Resampling) -> Floats:
    """The sum over all parts, and sums over as many parts drawn with replacement."""
    parts = len(products)
    draws = np.random.default_rng(resampling.seed).multinomial(
        parts, np.full(parts, 1 / parts), resampling.resamples
    )
    weights = np.vstack([np.ones(parts), draws])
    size = products.shape[1]
    summed = (weights @ products.reshape(parts, -1)).reshape(-1, size, size)
    # a resample in which everybody answered alike explains nothing
    n, y, yy = summed[:, 0, 0], summed[:, 0, -1], summed[:, -1, -1]
    return np.asarray(summed[(n > 0) & (yy * n - y * y > 0)])


def _figures(found: Shares, voices: int, resampling: Resampling) -> Iterator[dict[str, Any]]:
    """The figures of each attribute: the first regression's, and bounds from the others."""
    low, high = _bounds(found.shares[0], found.shares[1:], two_sided_level(resampling.z) / 2)
    together = float(found.together[0])
    for place, degrees in enumerate(found.degrees):
        added = float(found.added[0, place])
        figures = {
            "r_squared": together,
            "share": float(found.shares[0, place]),
            "ci_low": float(low[place]),
            "ci_high": float(high[place]),
            "added_share": added,
            "added_degrees": int(degrees),
        }
        if degrees and together < 1:
            statistic = (voices - found.rank - 1) * max(0.0, added) / (1 - together)
            figures["p_value"] = chi_squared_tail(statistic, int(degrees))
        yield figures


def _bounds(shares: Floats, resampled: Floats, outside: float) -> tuple[Floats, Floats]:
    """Percentile intervals less the bias of the resamples, which explain more than their sample.

    Bias: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 10. The quantiles are
    those of order p (r + 1) of r resamples (Davison and Hinkley 1997, Bootstrap Methods, 5.2.1).

    Args:
        shares: of the k attributes, (k,).
        resampled: theirs in the resamples, (r, k).
        outside: probability below the lower and above the upper bound.
    """
    bias = resampled.mean(axis=0) - shares
    found = np.quantile(resampled, [outside, 1 - outside], axis=0, method="weibull") - bias
    low, high = np.clip(found, 0.0, 1.0)
    return low, high
