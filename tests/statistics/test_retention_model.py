"""Which terms a retention model has, and what it says of those it has not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from orchestration.statistics.retention import HAZARDS, Limits, fitted_hazards
from orchestration.statistics.tables import table_of

SEGMENTS = {"seg_plan": "plan"}


def drawn(count: int = 400, seed: int = 1, **columns: Any) -> dict[str, Any]:
    """Random customers of whom about half leave, detractors twice as fast."""
    draw = np.random.default_rng(seed)
    classes = draw.choice(["detractor", "passive", "promoter"], count)
    leaves = draw.exponential(300 / (1 + (classes == "detractor")), count).astype(int)
    seen = draw.integers(1, 500, count)
    return {
        "metric": ["nps"] * count,
        "survey_type": ["relational"] * count,
        "place": [*range(1, count + 1)],
        "known_customers": [count] * count,
        "nps_class": [*classes],
        "seg_plan": [*draw.choice(["starter", "growth"], count, p=[0.6, 0.4])],
        "tenure_years": [*draw.uniform(0, 5, count)],
        "log_mrr": [*draw.normal(4, 1, count)],
        "days": [*np.minimum(leaves, seen).tolist()],
        "is_churned": [*(leaves <= seen).tolist()],
    } | columns


def fitted(
    columns: dict[str, Any], least: float = 10, known_share: float = 0.5
) -> dict[tuple[str, str], dict[str, Any]]:
    rows = fitted_hazards(pa.table(columns), SEGMENTS, Limits(least, known_share, 10))
    table = table_of(rows, HAZARDS).to_pylist()
    return {(row["covariate"], row["level"]): row for row in table}


def test_a_model_has_a_term_for_everything_that_is_not_compared_with():
    found = fitted(drawn())
    assert [*found] == [
        ("nps_class", "detractor"),
        ("nps_class", "promoter"),
        ("plan", "growth"),
        ("tenure_years", "one more"),
        ("log_mrr", "one more"),
    ]
    detractor = found["nps_class", "detractor"]
    assert detractor["coefficient"] == pytest.approx(np.log(2), abs=3 * detractor["standard_error"])
    assert {row["adjusted_for"] for row in found.values()} == {"plan, tenure_years, log_mrr"}
    assert found["plan", "growth"]["reference"] == "starter"
    assert {row["unknown_because"] for row in found.values()} == {None}


def test_rare_levels_count_together_and_rarer_ones_with_the_reference():
    columns = drawn()
    plans = np.array(columns["seg_plan"], dtype=object)
    churned = np.flatnonzero(columns["is_churned"])
    plans[churned[:6]], plans[churned[6:12]] = "gold", "silver"
    pooled = fitted(columns | {"seg_plan": [*plans]})
    assert ("plan", "(other)") in pooled and pooled["plan", "(other)"]["churned"] == 12
    assert ("plan", "gold") not in pooled
    plans[churned[6:12]] = "starter"
    few = fitted(columns | {"seg_plan": [*plans]})
    assert ("plan", "(other)") not in few and ("plan", "growth") in few
    assert few["nps_class", "detractor"]["model_customers"] == 400


def test_a_class_of_which_few_churned_is_left_out():
    columns = drawn()
    classes = np.array(columns["nps_class"], dtype=object)
    churned = np.flatnonzero(columns["is_churned"])
    classes[churned[:4]] = "neutral"
    found = fitted(columns | {"nps_class": [*classes]})
    assert found["nps_class", "neutral"]["unknown_because"] == "too_few_churned"
    assert found["nps_class", "neutral"]["coefficient"] is None
    assert found["nps_class", "detractor"]["model_customers"] == 396
    assert found["nps_class", "detractor"]["coefficient"] is not None


def test_without_passives_there_is_nothing_to_compare_with():
    columns = drawn()
    classes = np.where(
        np.array(columns["nps_class"]) == "passive", "promoter", columns["nps_class"]
    )
    found = fitted(columns | {"nps_class": [*classes]})
    assert {*found} == {("nps_class", "detractor"), ("nps_class", "promoter")}
    assert {row["unknown_because"] for row in found.values()} == {"too_few_churned"}


def test_each_term_needs_some_who_churned():
    found = fitted(drawn(60, seed=3), least=8)
    assert {row["unknown_because"] for row in found.values()} == {"too_few_churned"}
    assert {row["concordance"] for row in found.values()} == {None}


def test_what_is_unknown_for_many_is_not_adjusted_for():
    """A number that few have is left out; customers without one that most have are."""
    columns = drawn()
    tenure = [None if place % 3 else 1.0 + place % 7 for place in range(400)]
    mrr = [None if place % 10 == 0 else place % 13 + 0.5 for place in range(400)]
    found = fitted(columns | {"tenure_years": tenure, "log_mrr": mrr})
    assert {row["adjusted_for"] for row in found.values()} == {"plan, log_mrr"}
    assert {row["model_customers"] for row in found.values()} == {360}
    assert {row["drawn_customers"] for row in found.values()} == {400}


def test_a_price_that_the_plan_determines_is_collinear():
    columns = drawn()
    price = [np.log(30.0) if plan == "starter" else np.log(100.0) for plan in columns["seg_plan"]]
    found = fitted(columns | {"log_mrr": price})
    assert found["log_mrr", "one more"]["unknown_because"] == "collinear"
    assert found["plan", "growth"]["coefficient"] is not None
    assert found["plan", "growth"]["adjusted_for"] == "plan, tenure_years"


def test_a_price_that_the_plan_nearly_determines_is_left_out():
    """Of a price that varies by a fifth of what plans differ by, 1 / 26 is not the plan's."""
    columns = drawn()
    draw = np.random.default_rng(9)
    plan = np.array([plan == "starter" for plan in columns["seg_plan"]])
    for noise, because in ((0.1, "collinear"), (0.5, None)):
        price = plan + draw.normal(0, noise, 400)  # the plan's deviation is 0.5
        found = fitted(columns | {"log_mrr": [*price]})
        assert found["log_mrr", "one more"]["unknown_because"] == because
        assert found["plan", "growth"]["unknown_because"] is None


def test_what_separates_those_who_leave_is_not_estimated():
    columns = drawn()
    columns |= {
        "tenure_years": [-float(day) for day in columns["days"]],
        "is_churned": [True] * 400,
    }
    found = fitted(columns)
    assert {row["unknown_because"] for row in found.values()} == {"not_converged"}


def test_models_are_apart():
    one, two = drawn(seed=1), drawn(seed=2)
    two["survey_type"] = ["transactional"] * 400
    both = {name: one[name] + two[name] for name in one}
    rows = [*fitted_hazards(pa.table(both), SEGMENTS, Limits(10, 0.5, 10))]
    alone = [*fitted_hazards(pa.table(one), SEGMENTS, Limits(10, 0.5, 10))]
    assert rows[: len(alone)] == alone
    assert {row["survey_type"] for row in rows[len(alone) :]} == {"transactional"}


def test_nobody_is_no_row():
    table = pa.table(drawn()).slice(0, 0)
    assert [*fitted_hazards(table, SEGMENTS, Limits(10, 0.5, 10))] == []
    assert table_of([], HAZARDS).num_rows == 0


@pytest.mark.simulation
def test_intervals_of_hazard_ratios_cover_in_95_of_100():
    """Ratio 2 of detractors, 120 to 500 customers: at least 93 %, at most 98 % (binomial error 0.7 %)."""
    covered = total = 0
    for seed in range(1000):
        row = fitted(drawn(120 + seed % 5 * 95, seed=seed), least=5)["nps_class", "detractor"]
        if row["coefficient"] is not None:
            total += 1
            error = 1.959963984540054 * row["standard_error"]
            covered += abs(row["coefficient"] - np.log(2)) <= error
    assert total > 900
    assert 0.93 <= covered / total <= 0.98
