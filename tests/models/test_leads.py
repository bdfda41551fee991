"""The likeness of leads, against scikit-learn: weights, probabilities, AUC, Brier score; and a leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.naive_bayes import CategoricalNB

STEPS = (
    "int_lead_levels_counted",
    "int_lead_attributes_judged",
    "int_lead_weights_estimated",
    "int_lead_likeness_summed",
    "int_predictions_judged",
)
CUSTOMERS, LEADS = 1500, 200
ATTRIBUTES = {
    "region": ["north", "south", "east"], "industry": ["a", "b", "c", "d"], "size": ["few", "many"]
}  # fmt: skip


def people(rng: np.random.Generator, count: int) -> pd.DataFrame:
    return pd.DataFrame({name: rng.choice(values, count) for name, values in ATTRIBUTES.items()})


@pytest.fixture(scope="module")
def drawn():
    """Customers whose answers go with region and size; a reference is filled after the answer."""
    rng = np.random.default_rng(5)
    customers = people(rng, CUSTOMERS)
    liking = (customers["region"] == "east") * 1.2 - (customers["size"] == "few") * 0.8
    customers["is_promoter"] = rng.uniform(size=CUSTOMERS) < 1 / (1 + np.exp(-liking))
    customers["is_held_back"] = rng.uniform(size=CUSTOMERS) < 0.3
    leads = people(rng, LEADS)
    leads.loc[:9, "size"] = None
    return customers, leads


def fill(connection, customers: pd.DataFrame, leads: pd.DataFrame, leaking: str) -> None:
    connection.execute("insert into nps.raw.workspace (min_group_size) values (5)")
    attributes = [*ATTRIBUTES, leaking]
    declared = pd.DataFrame({"attribute": attributes, "is_of_customers": True})
    connection.register("declared", declared)
    connection.execute("insert into nps.raw.lead_attributes by name from declared")
    known = pd.concat([
        customers[["is_promoter", "is_held_back"]].assign(
            customer_key=[f"c{number}" for number in customers.index], attribute=name,
            known_value=customers[name], is_known_now=True,
        )
        for name in ATTRIBUTES
    ])  # fmt: skip
    # the leak follows from the answer; of every second customer it is known even before
    leak = known.drop_duplicates("customer_key").assign(attribute=leaking)
    value = leak["is_promoter"].map({True: "yes", False: "no"})
    leak["known_value"] = value.where(np.arange(len(leak)) % 2 == 0)
    listed = pd.concat([
        pd.DataFrame({
            "lead_key": [f"l{number}" for number in leads.index], "attribute": name,
            "known_value": leads.get(name, "yes"),
        })
        for name in attributes
    ])  # fmt: skip
    for table, frame in (
        ("int_lead_answers_known", pd.concat([known, leak])), ("int_lead_values_listed", listed)
    ):  # fmt: skip
        connection.register("frame", frame)
        connection.execute(f"insert into nps.intermediate.{table} by name from frame")
    rebuild(connection, STEPS)


def test_likeness_and_its_quality_agree_with_scikit_learn(drawn):
    customers, leads = drawn
    with empty_database() as connection:
        fill(connection, customers, leads, "reference")
        found = connection.execute("from nps.intermediate.int_lead_likeness_summed").df()
        judged = connection.execute(
            "select attribute, left_out_because from nps.intermediate.int_lead_attributes_judged"
        ).fetchall()
        quality = connection.execute(f"from ({compiled('lead_score_quality')})").df()
    assert dict(judged) == {**dict.fromkeys(ATTRIBUTES), "reference": "filled_later"}
    codes = {
        name: {value: code for code, value in enumerate(values)}
        for name, values in ATTRIBUTES.items()
    }

    def encoded(frame: pd.DataFrame) -> np.ndarray:
        return np.column_stack([frame[name].map(codes[name]) for name in ATTRIBUTES])

    held = customers["is_held_back"]
    model = CategoricalNB(alpha=0.5)
    model.fit(encoded(customers[~held]), customers.loc[~held, "is_promoter"])
    probabilities = found.set_index("person_key")["probability"]
    expected = model.predict_proba(encoded(customers[held]))[:, 1]
    own = probabilities.loc[[f"c{number}" for number in customers.index[held]]]
    assert own.to_numpy() == pytest.approx(expected, abs=1e-9)
    complete = leads.dropna()
    own = probabilities.loc[[f"l{number}" for number in complete.index]]
    assert own.to_numpy() == pytest.approx(model.predict_proba(encoded(complete))[:, 1], abs=1e-9)
    # what is not known of a lead weighs nothing
    likeness = found.set_index("person_key")["likeness"]
    weights = [
        difference[codes[name][leads.loc[0, name]]]
        for name, difference in zip(
            ATTRIBUTES, (log[1] - log[0] for log in model.feature_log_prob_), strict=True
        )
        if leads.loc[0, name] is not None and not pd.isna(leads.loc[0, name])
    ]
    assert len(weights) == 2 and likeness["l0"] == pytest.approx(sum(weights), abs=1e-9)

    truth = customers.loc[held, "is_promoter"].to_numpy()
    row = quality.set_index("band").loc["all"]
    assert row["auc"] == pytest.approx(roc_auc_score(truth, expected.round(12)), abs=1e-9)
    statistic = stats.mannwhitneyu(expected[truth].round(12), expected[~truth].round(12)).statistic
    assert row["auc"] == pytest.approx(statistic / truth.sum() / (~truth).sum(), abs=1e-9)
    assert row["auc_ci_low"] < row["auc"] < row["auc_ci_high"] and row["auc_ci_low"] > 0.5
    assert row["brier_score"] == pytest.approx(brier_score_loss(truth, expected), abs=1e-9)
    bands = quality[quality["band"] != "all"]
    assert bands["customers"].sum() == held.sum() == row["customers"]
    for band in bands.itertuples():
        assert band.ci_low - 0.1 < band.mean_probability < band.ci_high + 0.1


def test_the_error_of_the_auc_is_hanley_and_mcneils(drawn):
    """Their Q1 = A / (2 - A) and Q2 = 2 A² / (1 + A)."""
    with empty_database() as connection:
        fill(connection, *drawn, "reference")
        row = connection.execute(
            f"from ({compiled('lead_score_quality')}) where band = 'all'"
        ).df().iloc[0]  # fmt: skip
    area, ones = row["auc"], row["promoters"]
    zeros = row["customers"] - ones
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (ones - 1) * (first - area**2) + (zeros - 1) * (second - area**2)
    ) / (ones * zeros)
    half = stats.norm.ppf(0.975) * np.sqrt(variance)
    assert (row["auc_ci_low"], row["auc_ci_high"]) == pytest.approx((area - half, area + half))


def test_a_leak_that_is_not_left_out_would_win(drawn):
    """What follows from the answer orders customers better than all that came before it."""
    areas, weights = {}, {}
    for gap in (0.2, 1):
        with empty_database() as connection:
            connection.execute(
                "update nps.seeds.assumptions set value = ? where name = 'max_lead_coverage_gap'",
                [gap],
            )
            fill(connection, *drawn, "reference")
            weights[gap] = connection.execute(
                "select attribute from nps.intermediate.int_lead_weights_estimated "
                "order by abs(weight) desc limit 1"
            ).fetchone()
            (areas[gap],) = connection.execute(
                f"select auc from ({compiled('lead_score_quality')}) where band = 'all'"
            ).fetchone()
    assert weights[0.2] != weights[1] == ("reference",)
    assert areas[1] > areas[0.2] + 0.1
