"""Whom proactive support lists, and the chances to leave: by pandas, scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score

STEPS = (
    "int_proactive_days_chosen",
    "int_proactive_signals_judged",
    "int_proactive_chances_estimated",
    "int_predictions_judged",
)
CUSTOMERS, PRIOR, SHARE, RECENT, BEFORE = 3000, 20, 0.3, 31, 90
AS_OF = pd.Timestamp("2025-12-31")
MONTHS = pd.date_range("2025-01-31", "2025-12-31", freq="ME")
CLASSES = ("promoter", "passive", "detractor")


@pytest.fixture(scope="module")
def world() -> dict[str, pd.DataFrame]:
    """Customers, events and answers; who has trouble uses less, opens tickets and leaves sooner."""
    rng = np.random.default_rng(8)
    customers, events, answers = [], [], []
    days = pd.date_range("2024-06-01", AS_OF)
    for number in range(CUSTOMERS):
        key = f"c{number:05d}"
        signed_up = AS_OF - pd.Timedelta(days=int(rng.integers(30, 900)))
        trouble = (
            AS_OF - pd.Timedelta(days=int(rng.integers(0, 330))) if rng.random() < 0.3 else None
        )
        left = None
        for month in MONTHS:
            is_fresh = trouble is not None and month - pd.Timedelta(days=RECENT) < trouble <= month
            hazard = 0.02 + 0.25 * is_fresh
            if month > signed_up and rng.random() < hazard:
                left = month + pd.Timedelta(days=int(rng.integers(1, 29)))
                break
        customers.append((key, signed_up, left if left is not None and left <= AS_OF else None))
        for measure, rate in (("usage", 0.3), ("tickets", 0.01)):
            for day in rng.choice(len(days), rng.poisson(rate * len(days))):
                is_later = trouble is not None and days[day] >= trouble
                if measure == "usage" and is_later and rng.random() < 0.8:
                    continue
                events.append((measure, key, days[day], float(rng.integers(1, 9))))
        if trouble is not None:
            for _ in range(rng.poisson(3)):
                day = trouble + pd.Timedelta(days=int(rng.integers(0, 30)))
                if day <= AS_OF:
                    events.append(("tickets", key, day, 1.0))
        for _ in range(rng.integers(0, 3)):
            mark = int(rng.integers(3))
            day = AS_OF - pd.Timedelta(days=int(rng.integers(0, 400)))
            answers.append((key, CLASSES[mark], (9, 7, 3)[mark], day))
    events_frame = pd.DataFrame(
        events, columns=["measure", "customer_key", "happened_on", "amount"]
    )
    events_frame.loc[events_frame["measure"] == "tickets", "amount"] = 1.0
    return {
        "customers": pd.DataFrame(customers, columns=["customer_key", "signed_up_at", "left"]),
        "events": events_frame,
        # the second of two answers of a day is the later one
        "answers": pd.DataFrame(answers, columns=["customer_key", "nps_class", "score", "on"]),
    }


@pytest.fixture(scope="module")
def expected(world) -> pd.DataFrame:
    """Every customer and day that is judged, with its signal and what became of it."""
    frames = []
    for month in MONTHS:
        frame = world["customers"].copy()
        frame["as_of_on"] = month
        recent, before = (
            month - pd.Timedelta(days=RECENT),
            month - pd.Timedelta(days=RECENT + BEFORE),
        )
        frame = frame[frame["signed_up_at"] <= before]
        frame = frame[frame["left"].isna() | (frame["left"] > month)]
        for measure in ("usage", "tickets"):
            own = world["events"][world["events"]["measure"] == measure]
            for name, first, last in (("recent", recent, month), ("before", before, recent)):
                within = own[(own["happened_on"] > first) & (own["happened_on"] <= last)]
                sums = within.groupby("customer_key")["amount"].sum()
                frame[f"{measure}_{name}"] = frame["customer_key"].map(sums).fillna(0)
        known = world["answers"][world["answers"]["on"] <= month].sort_values("on", kind="stable")
        latest = known.groupby("customer_key")["nps_class"].last()
        frame["nps_class"] = frame["customer_key"].map(latest).fillna("no_answer")
        frame["has_left"] = frame["left"] <= month + pd.offsets.MonthEnd(1)
        frames.append(frame)
    both = pd.concat(frames)
    usual, scale = both["usage_before"] * RECENT / BEFORE, RECENT / BEFORE
    fell = (both["usage_before"] > 0) & (both["usage_recent"] <= usual / 2)
    rose = both["tickets_recent"] - both["tickets_before"] * scale >= 2
    both["signal"] = np.select(
        [fell & rose, fell, rose], ["both", "usage_fell", "tickets_rose"], "none"
    )
    over = [month for month in MONTHS if month < AS_OF]
    held_back = over[-int(np.ceil(SHARE * len(over))) :]
    both["part"] = np.where(both["as_of_on"].isin(held_back), "held_back", "learned")
    both.loc[both["as_of_on"] == AS_OF, "part"] = "now"
    return both


@pytest.fixture(scope="module")
def found(world) -> dict[str, pd.DataFrame]:
    customers, answers = world["customers"], world["answers"]
    noon = pd.Timedelta(hours=12)
    tables = {
        "raw.workspace": pd.DataFrame({
            "as_of_on": [AS_OF], "min_group_size": 5, "currency": "EUR", "timezone": "UTC",
            "headline_metric": "nps", "headline_survey_type": "relational",
        }),
        "intermediate.int_feature_days_listed": pd.DataFrame({"as_of_on": MONTHS}),
        "intermediate.int_measures_covered": pd.DataFrame({
            "measure": ["usage", "tickets"], "customer_source": "crm",
            "first_on": pd.Timestamp("2024-06-01"), "last_on": AS_OF,
        }),
        "intermediate.int_customer_events_dated": world["events"],
        "marts.fct_nps_responses": pd.DataFrame({
            "customer_key": answers["customer_key"], "metric": "nps", "survey_type": "relational",
            "source": "s", "response_id": [str(10_000 + n) for n in range(len(answers))],
            "nps_class": answers["nps_class"], "score": answers["score"], "responded_on": answers["on"],
            "responded_at": answers["on"] + noon,
        }),
        "marts.dim_customers": pd.DataFrame({
            "customer_key": customers["customer_key"], "source": "crm",
            "signed_up_at": customers["signed_up_at"] + noon, "is_active": customers["left"].isna(),
        }),
        "intermediate.int_customer_lifecycles_dated": pd.DataFrame({
            "customer_key": customers["customer_key"], "churned_at": customers["left"] + noon,
            "has_churn_information": True, "has_mrr_information": True,
        }),
        "intermediate.int_customer_values_summed": pd.DataFrame({
            "customer_key": customers["customer_key"], "mrr": np.arange(len(customers)) % 7 * 10.0,
        }),
    }  # fmt: skip
    with empty_database() as connection:
        for table, frame in tables.items():
            connection.register("frame", frame)
            connection.execute(f"insert into nps.{table} by name from frame")
        rebuild(connection, STEPS)
        return {
            name: connection.execute(f"from {relation}").df()
            for name, relation in {
                "signals": "nps.intermediate.int_proactive_signals_judged",
                "chances": "nps.intermediate.int_proactive_chances_estimated",
                "quality": f"({compiled('proactive_support_quality')})",
                "listed": f"({compiled('proactive_support')})",
            }.items()
        }


CELL = ["nps_class", "signal"]


def smoothed(frame: pd.DataFrame) -> pd.Series:
    """The posterior mean of each cell's share, with PRIOR customers of the share of all added."""
    cells = frame.groupby(CELL)["has_left"].agg(["sum", "count"])
    return (cells["sum"] + PRIOR * frame["has_left"].mean()) / (cells["count"] + PRIOR)


def test_signals_are_those_of_the_events(found, expected):
    columns = ["customer_key", "as_of_on", "part", *CELL]
    own = found["signals"].sort_values(columns[:2])
    other = expected.sort_values(columns[:2])
    assert own[columns].to_numpy().tolist() == other[columns].to_numpy().tolist()
    past = (own["part"] != "now").to_numpy()
    assert own["has_left"][past].astype(bool).tolist() == other["has_left"][past].tolist()
    assert own["has_left"][~past].isna().all()
    assert set(own["signal"]) == {"none", "usage_fell", "tickets_rose", "both"}


def test_chances_are_learned_from_earlier_months(found, expected):
    learned = smoothed(expected[expected["part"] == "learned"])
    everything = smoothed(expected[expected["part"] != "now"])
    own = found["chances"].set_index(CELL)
    assert own["learned_chance"].to_dict() == pytest.approx(learned.to_dict(), abs=1e-12)
    assert (own["weight_left"] / own["weight"]).to_dict() == pytest.approx(
        everything.to_dict(), abs=1e-12
    )


def test_chances_are_judged_by_later_months(found, expected):
    held_back = expected[expected["part"] == "held_back"]
    learned = smoothed(expected[expected["part"] == "learned"])
    given = learned.reindex(pd.MultiIndex.from_frame(held_back[CELL])).to_numpy()
    truth = held_back["has_left"].to_numpy()
    quality = found["quality"].set_index(CELL)
    row = quality.loc[("all", "all")]
    assert (row["customers"], row["churned"]) == (len(truth), truth.sum())
    assert row["auc"] == pytest.approx(roc_auc_score(truth, given), abs=1e-9)
    assert row["brier_score"] == pytest.approx(brier_score_loss(truth, given), abs=1e-9)
    assert row["mean_probability"] == pytest.approx(given.mean(), abs=1e-9)
    assert row["auc_ci_low"] > 0.5
    groups = held_back.assign(given=given).groupby(CELL)
    assert set(groups.groups) == {*quality.index} - {("all", "all")}
    inside = 0
    for cell, group in groups:
        own, n, k = quality.loc[cell], len(group), group["has_left"].sum()
        months = group["as_of_on"].nunique()
        assert (own["customers"], own["is_suppressed"]) == (n, n < 5 * months)
        if own["is_suppressed"]:
            assert pd.isna(own["churned"]) and pd.isna(own["mean_probability"])
            continue
        wilson = stats.binomtest(int(k), n).proportion_ci(method="wilson")
        assert (own["ci_low"], own["ci_high"]) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
        inside += own["ci_low"] <= own["mean_probability"] <= own["ci_high"]
    # the world does not change between the months: of 15 intervals of 95 % three miss in 4 % of all worlds
    assert inside >= len(quality) - 1 - quality["is_suppressed"].sum() - 3


def test_listed_is_whoever_has_a_signal_now(found, expected):
    now = expected[(expected["part"] == "now") & (expected["signal"] != "none")]
    listed = found["listed"].set_index("customer_key")
    assert {*listed.index} == {*now["customer_key"]}
    chances = smoothed(expected[expected["part"] != "now"])
    given = chances.reindex(pd.MultiIndex.from_frame(listed[CELL])).to_numpy()
    assert listed["chance_to_leave"].to_numpy() == pytest.approx(given, abs=1e-12)
    assert listed["mrr_at_risk"].to_numpy() == pytest.approx(
        (listed["mrr"] * given).to_numpy(), abs=1e-5
    )
    order = listed.sort_values("call_rank")["mrr_at_risk"].to_numpy()
    assert (np.diff(order) <= 1e-9).all()
