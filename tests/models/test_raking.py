"""Weighting by all dimensions at once: its functions against other ways to the same weights."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.statistics import raking

SERIES = ("time_grain", "period_start", "period_end", "basis", "metric", "survey_type")
LIMITS = raking.Limits(rounds=200, tolerance=1e-9, least=0.2, most=5.0)
UNTRIMMED = raking.Limits(rounds=5000, tolerance=1e-13, least=0.0, most=1e9)
DAY = date(2025, 12, 31)
PRIORS = {"nps": 3.0, "csat": 4.0}
SHAPE = (3, 2, 2)  # regions, plans, tiers


@st.composite
def series(draw: st.DrawFn, least: int = 0) -> dict:
    """Counts of a period by class and combination of segments, and the customers of each segment."""
    counts = draw(
        st.lists(st.integers(least, 9), min_size=36, max_size=36).filter(lambda n: sum(n) > 0)
    )
    customers = [
        draw(st.lists(st.integers(min(least, 1), 400), min_size=size, max_size=size))
        for size in SHAPE
    ]
    return {"counts": np.array(counts, float).reshape(3, *SHAPE), "customers": customers}


def cells_of(given: dict, period: str, metric: str = "nps") -> tuple[list[dict], dict]:
    """The rows of a series, and the base of its day, as the model reads them."""
    counts, cells, base = given["counts"], [], {}
    for place in np.ndindex(SHAPE):
        promoters, passives, detractors = (int(counts[(k, *place)]) for k in range(3))
        if promoters + passives + detractors:
            cells.append(
                {
                    "time_grain": "month", "period_start": period, "period_end": period,
                    "basis": "customers", "metric": metric, "survey_type": "relational",
                    "seg_region": str(place[0]), "seg_plan": str(place[1]),
                    "seg_tier": str(place[2]), "base_on": period, "promoters": promoters,
                    "passives": passives, "detractors": detractors,
                }
            )  # fmt: skip
    for name, customers in zip(("region", "plan", "tier"), given["customers"], strict=True):
        for number, count in enumerate(customers):
            if count:
                base[period, name, str(number)] = count
    return cells, base


def weighted_rows(
    cells: list[dict], dimensions: list[tuple[str, str]], base: dict, priors: dict, limits
) -> list[dict]:
    """The model's figures of cells of few series, as rows.

    Args:
        cells: ordered by series.
        dimensions: the column of each segment, and what the base calls it.
        base: customers by day, dimension and segment.
        priors: answers that a metric's interval adds.
        limits: of the rounds and the weights.
    """
    columns = SERIES
    totals: dict = {}
    for (day, dimension, _), customers in base.items():
        totals[day] = totals.get(day, 0) + customers * (dimension == dimensions[0][1])
    cells = [cell for cell in cells if totals.get(cell["base_on"])]
    names = list(dict.fromkeys(tuple(cell[column] for column in columns) for cell in cells))
    series = [names.index(tuple(cell[column] for column in columns)) for cell in cells]
    segments = [
        [f"{number} {cell[column]}" for number, cell in zip(series, cells, strict=True)]
        for column, _ in dimensions
    ]
    of_series = [cells[series.index(number)] for number in range(len(names))]
    figures = raking.weigh(
        raking.Cells(
            np.array(series, int),
            np.array([[cell[name] for cell in cells] for name in raking.CLASSES], float),
            [np.unique(column, return_inverse=True)[1] for column in segments],
            [
                np.array([base.get((c["base_on"], name, c[column]), 0) for c in cells], float)
                for column, name in dimensions
            ],
        ),
        np.array([totals[cell["base_on"]] for cell in of_series], float),
        np.array([priors[cell["metric"]] for cell in of_series], float),
        limits,
    )
    rows = []
    for number, name in enumerate(names):
        mine = [cell for cell, place in zip(cells, series, strict=True) if place == number]
        counts = {column: sum(cell[column] for cell in mine) for column in raking.CLASSES}
        rows.append(
            dict(zip(columns, name, strict=True))
            | {"dimension": "all dimensions", "base_customers": totals[mine[0]["base_on"]]}
            | {"responses": sum(counts.values()), **counts}
            | {column: values[number].item() for column, values in figures.items()}
        )
    return rows


DIMENSIONS = [("seg_region", "region"), ("seg_plan", "plan"), ("seg_tier", "tier")]


def one_by_one(given: dict, limits, prior: float) -> dict | None:
    """One series alone, answer by answer: every answer has a row of three segments and its weight."""
    rows = []
    for contribution, of_class in zip((1, 0, -1), given["counts"], strict=True):
        for place in np.ndindex(SHAPE):
            if all(given["customers"][d][place[d]] for d in range(3)):
                rows += [(*place, contribution)] * int(of_class[place])
    if not rows:
        return None
    answers = np.array(rows)
    n, cells = len(answers), answers[:, :3]
    weight = np.full(n, 1 / n)
    targets, covered = [], []
    for d in range(3):
        held = np.array(given["customers"][d], float)
        present = np.isin(np.arange(SHAPE[d]), cells[:, d])
        covered.append(held[present].sum())
        targets.append({s: held[s] / held[present].sum() for s in np.flatnonzero(present)})
    converged = False
    for _ in range(limits.rounds):
        before = weight.copy()
        for d, target in enumerate(targets):
            for segment, share in target.items():
                mine = cells[:, d] == segment
                weight[mine] *= share / weight[mine].sum()
        for _ in range(limits.rounds):
            mean, uncut = weight.mean(), weight
            weight = np.minimum(np.maximum(uncut, limits.least * mean), limits.most * mean)
            if np.abs(weight / uncut - 1).max() <= limits.tolerance:
                break
        if np.abs(weight / before - 1).max() <= limits.tolerance:
            converged = True
            break
    weight /= weight.sum()
    c = answers[:, 3]
    shares = [weight[c == k].sum() for k in (1, 0, -1)]
    variance = adjusted = finite = 0.0
    # the strata of W^2 v / n are the combinations of segments
    for cell in {tuple(row) for row in cells}:
        mine = (cells == cell).all(axis=1)
        size, w = mine.sum(), weight[mine].sum()
        variance += w**2 * c[mine].var() / size
        filled = [(c[mine] == k).sum() + prior * s for k, s in zip((1, 0, -1), shares, strict=True)]
        p, d = filled[0] / sum(filled), filled[2] / sum(filled)
        # one degree of freedom is the cell's own mean
        adjusted += w**2 * (p + d - (p - d) ** 2) * sum(filled) / (sum(filled) - 1) / size
        population = w * min(covered)
        if population > size:
            finite += w**2 / size * (population - size) / (population - 1)
    return {
        "promoter_share": shares[0],
        "passive_share": shares[1],
        "detractor_share": shares[2],
        "effective_responses": 1 / (weight**2).sum(),
        "variance": variance,
        "adjusted_variance": adjusted,
        "finite_factor": np.sqrt(finite / (weight**2).sum()),
        "largest_weight": weight.max() * n,
        "margin_error": max(
            abs(weight[cells[:, d] == s].sum() - share)
            for d in range(3)
            for s, share in targets[d].items()
        ),
        "is_converged": converged,
        "covered_share": min(covered) / sum(given["customers"][0]),
    }


@settings(deadline=None, database=None, max_examples=100)
@given(periods=st.lists(series(), min_size=1, max_size=3), metric=st.sampled_from(["nps", "csat"]))
def test_raking_agrees_with_answers_weighted_one_by_one(periods: list[dict], metric: str):
    """Many series at once, trimmed and with empty cells, as each alone."""
    cells, base = [], {}
    for number, each in enumerate(periods):
        # one base for all dimensions: the customers of a region, spread over the others
        total = sum(each["customers"][0])
        for customers in each["customers"][1:]:
            customers[0] = max(0, total - sum(customers[1:]))
        found = cells_of(each, f"2025-0{number + 1}-01", metric)
        cells += found[0]
        base |= found[1]
    rows = {
        row["period_start"]: row for row in weighted_rows(cells, DIMENSIONS, base, PRIORS, LIMITS)
    }
    for number, each in enumerate(periods):
        row = rows.get(f"2025-0{number + 1}-01")
        if not sum(each["customers"][0]):
            assert row is None
            continue
        assert row["responses"] == each["counts"].sum()
        assert row["base_customers"] == sum(each["customers"][0])
        expected = one_by_one(each, LIMITS, PRIORS[metric])
        if expected is None:
            assert row["covered_share"] == 0
            assert np.isnan(row["promoter_share"])
            continue
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


@settings(deadline=None, database=None, max_examples=50)
@given(given=series(least=1))
def test_untrimmed_weights_are_a_product_that_meets_every_margin(given: dict):
    """What defines raking (Ireland and Kullback 1968): w = a_i b_j c_k, and the margins are met."""
    cells, _ = cells_of(given, "2025-01-01")
    answers = np.array([c["promoters"] + c["passives"] + c["detractors"] for c in cells], float)
    places = [[int(c[column]) for c in cells] for column, _ in DIMENSIONS]
    shares = [np.array(customers) / sum(customers) for customers in given["customers"]]
    raked = raking.rake(
        answers, np.zeros(len(cells), int), [np.array(p) for p in places], shares, UNTRIMMED
    )
    assert raked.is_converged[0]
    assert raked.margin_error[0] < 1e-11
    design = np.array(
        [
            [
                float(place[n] == s)
                for place, size in zip(places, SHAPE, strict=True)
                for s in range(size)
            ]
            for n in range(len(cells))
        ]
    )
    logs = np.log(raked.weights)
    fitted = design @ np.linalg.lstsq(design, logs, rcond=None)[0]
    np.testing.assert_allclose(fitted, logs, atol=1e-9)


def test_a_table_worked_out_by_hand():
    """Answers 10, 10, 10, 10 by region and plan; of the customers 60 % are north, 70 % starter.

    Without interaction in the answers the weights are the product of the margins: 0.6 x 0.7 of the
    weight for north starter, and so on. North starter are promoters, the others detractors:
    100 (0.42 - 0.58) = -16.
    """
    cells, base = [], {}
    for region, customers in (("north", 60), ("south", 40)):
        base[DAY, "region", region] = customers
        for plan, others in (("starter", 70), ("growth", 30)):
            base[DAY, "plan", plan] = others
            is_top = (region, plan) == ("north", "starter")
            cells.append(
                {
                    "time_grain": "month", "period_start": DAY, "period_end": DAY,
                    "basis": "customers", "metric": "nps", "survey_type": "relational",
                    "seg_region": region, "seg_plan": plan, "base_on": DAY,
                    "promoters": 10 * is_top, "passives": 0, "detractors": 10 * (not is_top),
                }
            )  # fmt: skip
    (row,) = weighted_rows(cells, DIMENSIONS[:2], base, PRIORS, LIMITS)
    assert 100 * (row["promoter_share"] - row["detractor_share"]) == pytest.approx(-16)
    shares = np.array([0.42, 0.18, 0.28, 0.12])
    assert row["effective_responses"] == pytest.approx(1 / (shares**2 / 10).sum())
    assert row["largest_weight"] == pytest.approx(4 * 0.42)
    assert (row["variance"], row["covered_share"], row["is_converged"]) == (0, 1, True)


def test_a_weight_is_trimmed_to_its_bound():
    """One of 100 answers is south's, which holds half of the customers: 50 times the mean, cut to 5."""
    cells, base = [], {}
    for region, promoters, customers in (("north", 99, 500), ("south", 1, 500)):
        base[DAY, "region", region] = customers
        cells.append(
            {
                "time_grain": "month", "period_start": DAY, "period_end": DAY,
                "basis": "customers", "metric": "nps", "survey_type": "relational",
                "seg_region": region, "base_on": DAY,
                "promoters": promoters, "passives": 0, "detractors": 0,
            }
        )  # fmt: skip
    (row,) = weighted_rows(cells, DIMENSIONS[:1], base, PRIORS, LIMITS)
    # 5 times the mean of 100 answers is a share of 0.05, where the customers' is 0.5
    assert row["largest_weight"] == pytest.approx(5)
    assert row["margin_error"] == pytest.approx(0.45)
    assert row["is_converged"]


def test_without_customers_or_answers_there_is_nothing_to_weight():
    assert weighted_rows([], DIMENSIONS, {}, PRIORS, LIMITS) == []
    cells, _ = cells_of(
        {"counts": np.ones((3, *SHAPE)), "customers": [[0] * size for size in SHAPE]}, "2025-01-01"
    )
    assert weighted_rows(cells, DIMENSIONS, {}, PRIORS, LIMITS) == []


def test_a_series_does_not_depend_on_the_others():
    """To the last bit: a batch publishes what a full build does."""
    rng = np.random.default_rng(5)
    given = [
        {
            "counts": rng.integers(0, 9, (3, *SHAPE)).astype(float),
            "customers": [list(map(int, rng.integers(1, 400, size))) for size in SHAPE],
        }
        for _ in range(4)
    ]
    parts = [cells_of(each, f"2025-0{number + 1}-01") for number, each in enumerate(given)]
    cells = [cell for part, _ in parts for cell in part]
    base = {key: value for _, part in parts for key, value in part.items()}
    together = weighted_rows(cells, DIMENSIONS, base, PRIORS, LIMITS)
    alone = [
        row
        for part, of_part in parts
        for row in weighted_rows(part, DIMENSIONS, of_part, PRIORS, LIMITS)
    ]
    assert together == alone
