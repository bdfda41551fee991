"""Comparisons of answers, one answer at a time: what nps_change_significance is held to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy import stats

GRAINS = ("day", "week", "month", "quarter", "year")
DIMENSIONS = ("region", "plan", "channel", "touchpoint", "survey")
MARKS = (1, 0, -1)
PRIOR = (0.75, 1.5, 0.75)  # of each group, by mark (Rocks 2016)
LEVEL, POWER, FEWEST_OF_REST, FEWEST_MOVED = 0.05, 0.8, 20, 10

Answer = dict[str, Any]


def period_start(grain: str, day: date) -> date:
    return {
        "day": day,
        "week": day - timedelta(day.weekday()),
        "month": day.replace(day=1),
        "quarter": date(day.year, 3 * ((day.month - 1) // 3) + 1, 1),
        "year": date(day.year, 1, 1),
    }[grain]


def latest_of_each(answers: list[Answer]) -> list[Answer]:
    """Each voice's latest answer; they are in the order of time."""
    return list({answer["voice"]: answer for answer in answers}.values())


def comparisons(
    answers: list[Answer], dimensions: tuple[str, ...] = DIMENSIONS
) -> Iterator[tuple[tuple, date, list[Answer], list[Answer]]]:
    """Every comparison of a case: its key, the start compared with, and both sides' answers."""
    everything = "all", min(a["at"].date() for a in answers)
    for grain in (*GRAINS, "all"):
        starts = (
            sorted({period_start(grain, a["at"].date()) for a in answers})
            if grain != "all"
            else [everything[1]]
        )
        periods = {
            start: [
                a for a in answers if grain == "all" or period_start(grain, a["at"].date()) == start
            ]
            for start in starts
        }
        for basis in ("responses", "customers"):
            if basis == "customers":
                periods = {start: latest_of_each(group) for start, group in periods.items()}
            for place, start in enumerate(starts):
                key = (grain, start, basis)
                pairs = {}
                if place:
                    pairs["previous_period"] = starts[place - 1]
                year_ago = (
                    start.replace(year=start.year - 1)
                    if (start.month, start.day) != (2, 29)
                    else None
                )
                if grain in ("month", "quarter") and year_ago in periods:
                    pairs["previous_year"] = year_ago
                for comparison, other in pairs.items():
                    yield (comparison, *key, "all", "all"), other, periods[start], periods[other]
                    for dimension in dimensions:
                        both = periods[start] + periods[other]
                        for segment in {of(a, dimension) for a in both}:
                            yield (
                                (comparison, *key, dimension, segment),
                                other,
                                [a for a in periods[start] if of(a, dimension) == segment],
                                [a for a in periods[other] if of(a, dimension) == segment],
                            )
                for dimension in dimensions:
                    for segment in {of(a, dimension) for a in periods[start]}:
                        yield (
                            ("rest_of_dimension", *key, dimension, segment),
                            start,
                            [a for a in periods[start] if of(a, dimension) == segment],
                            [a for a in periods[start] if of(a, dimension) != segment],
                        )


def of(answer: Answer, dimension: str) -> str:
    return answer.get(dimension) or "(unknown)"


def mean_and_variance(answers: list[Answer], weight: float, *, by_voice: bool) -> tuple:
    """Mean, its variance and the number of answers, with priors of some weight as further voices."""
    marks = [a["mark"] for a in answers]
    values, weights = (
        np.array([*marks, *MARKS]),
        np.array([1.0] * len(marks) + [weight * p for p in PRIOR]),
    )
    n = weights.sum()
    mean = np.average(values, weights=weights)
    if not by_voice:
        return mean, np.average((values - mean) ** 2, weights=weights) / n, n
    sums: Counter = Counter()
    for answer in answers:
        sums[answer["voice"]] += answer["mark"] - mean
    priors = sum(weight * p * (mark - mean) ** 2 for p, mark in zip(PRIOR, MARKS, strict=True))
    voices = len(sums)
    squares = sum(s * s for s in sums.values()) + priors
    return mean, squares * voices / (voices - 1) / n**2 if voices > 1 else math.nan, n


def compared(
    key: tuple,
    now: list[Answer],
    then: list[Answer],
    fewest: int,
    fewest_of_rest: int = FEWEST_OF_REST,
) -> dict[str, Any]:
    """What the published row of a comparison says."""
    comparison, _, _, basis, _, segment = key
    names = (
        *("change", "tested_change", "standard_error", "z", "p_value", "detectable_change"),
        *("shared_voices", "moved_voices", "covariance", "correlation"),
    )
    row: dict[str, Any] = dict.fromkeys(names)
    if min(len(now), len(then)) < fewest:
        return row | {"untested_because": "suppressed"}
    before = {a["voice"]: a["mark"] for a in then}
    pairs = [(a["mark"], before[a["voice"]]) for a in now if a["voice"] in before]
    weight, covariance = 1.0, 0.0
    if basis == "customers":
        moved = sum(a != b for a, b in pairs)
        row |= {"shared_voices": len(pairs), "moved_voices": moved}
        if moved + len(now) + len(then) - 2 * len(pairs) >= FEWEST_MOVED:
            weight = 1 - len(pairs) / math.sqrt(len(now) * len(then))
        if pairs:
            covariance = float(np.cov(*zip(*pairs, strict=True), bias=True)[0, 1])
            row["covariance"] = covariance
            deviations = np.std(pairs, axis=0)
            if deviations.all():
                row["correlation"] = float(np.corrcoef(*zip(*pairs, strict=True))[0, 1])
    by_voice = basis == "responses"
    (a, v, n), (b, w, m) = (mean_and_variance(g, weight, by_voice=by_voice) for g in (now, then))
    variance = v + w - (2 * len(pairs) * covariance / (n * m) if basis == "customers" else 0)
    row["change"] = 100 * (np.mean([x["mark"] for x in now]) - np.mean([x["mark"] for x in then]))
    row["tested_change"] = 100 * (a - b)
    if variance > 1e-12:
        row["standard_error"] = 100 * math.sqrt(variance)
        row["detectable_change"] = row["standard_error"] * (
            stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)
        )
    if comparison == "rest_of_dimension" and segment == "(unknown)":
        return row | {"untested_because": "unknown_segment"}
    if comparison == "rest_of_dimension" and min(len(now), len(then)) < fewest_of_rest:
        return row | {"untested_because": "too_few_answers"}
    if row["standard_error"] is None or round(row["change"], 9) * round(100 * (a - b), 9) < 0:
        return row | {"untested_because": "too_few_to_test"}
    row["z"] = row["tested_change"] / row["standard_error"]
    row["p_value"] = 2 * stats.norm.sf(abs(row["z"]))
    return row | {"untested_because": None}
