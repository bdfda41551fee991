"""Change points of a series: binary segmentation with a permutation p.

A series is searched for the place where splitting it in two lowers the weighted sum of squares
most. How large a gain chance alone brings is seen by permuting the periods' deviations; if the
split is a change point, both of its parts are searched in the same way (Scott and Knott 1974).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

ROUNDING = 1e-9  # gains that differ by less are equal


class Rules(NamedTuple):
    """When a split is a change point (seed `assumptions`).

    Attributes:
        level: how often a series without one may have one.
        confidence_z: errors of drawing that are added to a p-value.
        searched_periods: the fewest periods that are searched.
        side_periods: the fewest periods on either side of a split.
        permutations: the most that are drawn.
        seed: where random numbers begin.
    """

    level: float
    confidence_z: float
    searched_periods: int
    side_periods: int
    permutations: int
    seed: int


class Split(NamedTuple):
    """The best split of some neighbouring periods.

    Attributes:
        first: the first period after it.
        periods: how many periods were searched.
        permutations: how many were drawn.
        p_value: of a gain as large by chance, with the error of drawing added.
        is_change_point: whether the p-value is at most the level.
    """

    first: int
    periods: int
    permutations: int
    p_value: float
    is_change_point: bool


def gains(deviations: np.ndarray, weights: np.ndarray, side_periods: int) -> np.ndarray:
    """What each split lowers the weighted sum of squares by.

    Args:
        deviations: standardised, one row for each order of the periods.
        weights: of the periods, 1 / SE^2.
        side_periods: the fewest periods on either side.

    Returns:
        A column for each split, from the one after the first ``side_periods`` periods.
    """
    sums = np.cumsum(deviations * np.sqrt(weights), axis=1)
    before = np.cumsum(weights)
    share = before / before[-1]
    gained = (sums - sums[:, -1:] * share)[:, :-1] ** 2 / (before * (1 - share))[:-1]
    chosen: np.ndarray = gained[:, side_periods - 1 : len(weights) - side_periods]
    return chosen


def best_split(
    scores: np.ndarray, weights: np.ndarray, rng: np.random.Generator, rules: Rules
) -> Split:
    """Find the best split of neighbouring periods and test it.

    The p-value is sequential (Besag and Clifford 1991): drawing ends once it must exceed the level.

    Args:
        scores: of the periods, in their order.
        weights: 1 / SE^2.
        rng: draws the permutations.
        rules: when a split is a change point.
    """
    most = rules.permutations
    enough = int(np.ceil(rules.level * (most + 1)))
    deviations = (scores - np.average(scores, weights=weights)) * np.sqrt(weights)
    found = gains(deviations[np.newaxis], weights, rules.side_periods)[0]
    least = found.max() * (1 - ROUNDING)
    drawn = np.zeros(0, dtype=bool)
    while len(drawn) < most and drawn.sum() < enough:
        orders = np.tile(deviations, (min(2 * enough, most - len(drawn)), 1))
        permuted = gains(rng.permuted(orders, axis=1), weights, rules.side_periods)
        drawn = np.append(drawn, permuted.max(axis=1) >= least)
    ends = np.flatnonzero(np.cumsum(drawn) == enough)
    permutations = int(ends[0]) + 1 if ends.size else most
    p = enough / permutations if ends.size else (drawn.sum() + 1) / (most + 1)
    error = np.sqrt(p * (1 - p) / (permutations + 1))
    p_value = float(min(1, p + rules.confidence_z * error))
    first = int(found.argmax()) + rules.side_periods
    return Split(first, len(scores), permutations, p_value, p_value <= rules.level)


def search(
    scores: np.ndarray, weights: np.ndarray, rng: np.random.Generator, rules: Rules
) -> Iterator[Split]:
    """The best splits of a series and of the parts that change points divide it into."""
    parts = [(0, len(scores))]
    while parts:
        start, end = parts.pop()
        if end - start >= rules.searched_periods:
            split = best_split(scores[start:end], weights[start:end], rng, rules)
            yield split._replace(first=start + split.first)
            if split.is_change_point:
                parts += [(start, start + split.first), (start + split.first, end)]


def search_all(
    rows: Iterable[tuple[Any, ...]], series_columns: int, rules: Rules
) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Search many series, each with its own permutations, whichever others there are.

    Args:
        rows: of one series after the other: its names, then start, score and weight of a period,
            in their order.
        series_columns: how many names a series has.
        rules: when a split is a change point.

    Yields:
        A series' names, and of each searched stretch the start of the first period after its best
        split, with the split's other attributes.
    """
    for series, members in groupby(rows, itemgetter(slice(series_columns))):
        starts, scores, weights = zip(*(row[series_columns:] for row in members), strict=True)
        rng = np.random.default_rng([rules.seed, zlib.crc32("|".join(series).encode())])
        for split in search(np.array(scores), np.array(weights), rng, rules):
            yield series, (starts[split.first], *split[1:])
