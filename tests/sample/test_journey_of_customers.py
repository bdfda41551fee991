"""The sample's journey and its rising tickets, recomputed from the delivered files with pandas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sample import journey, truths
from sample.generate import generate

CLASSES = {
    **dict.fromkeys(range(7), "detractor"),
    7: "passive",
    8: "passive",
    9: "promoter",
    10: "promoter",
}
AS_OF = pd.Timestamp("2025-12-31")


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("sample")
    generate(target)
    return target / "landing"


@pytest.fixture(scope="module")
def firsts(landing) -> pd.DataFrame:
    """Each person's first answer at each stage, with its day and whether a later stage follows."""
    frame = pd.read_csv(landing / "journey/stages_2025.csv").sort_values("at")
    assert len(frame) == journey.ACCEPTED_ANSWERS
    frame["day"] = pd.to_datetime(frame["at"].str[:10])
    frame["nps_class"] = frame["points"].map(CLASSES)
    frame["number"] = frame["step"].map(journey.STAGES.index)
    frame = frame.drop_duplicates(["mail", "step"])
    pairs = frame.merge(frame[["mail", "number", "at", "day"]], on="mail", suffixes=("", "_next"))
    pairs = pairs[(pairs["number_next"] > pairs["number"]) & (pairs["at_next"] > pairs["at"])]
    pairs = pairs[pairs["day_next"] <= pairs["day"] + pd.Timedelta(days=90)]
    frame["went_on"] = frame["nr"].isin(pairs["nr"])
    return frame


def test_stages_have_their_scores(firsts):
    found = {
        key: tuple(
            (group["nps_class"] == name).sum() for name in ("promoter", "passive", "detractor")
        )
        for key, group in firsts.groupby("step")
    }
    stages = (journey.TRIAL, journey.SETUP, journey.RENEWAL)
    assert found == {name: score[:3] for name, score in zip(journey.STAGES, stages, strict=True)}


def test_each_class_goes_on_as_often_as_planned(firsts):
    over = firsts[firsts["day"] + pd.Timedelta(days=90) <= AS_OF]
    for stage, steps in (("trial", journey.FROM_TRIAL), ("setup", journey.FROM_SETUP)):
        found = over[over["step"] == stage].groupby("nps_class")["went_on"].agg(["size", "sum"])
        assert {
            name: tuple(row) for name, row in zip(found.index, found.to_numpy(), strict=True)
        } == {**steps}


def test_two_of_five_leave_after_their_tickets_rose(landing):
    tickets = pd.read_csv(landing / "helpdesk/tickets.csv", dtype=str).dropna(subset="customer")
    tickets["day"] = pd.to_datetime(tickets["opened"].str[:10])
    rising = tickets[tickets["ticket"].fillna("").between("T08001", "T08999")]
    customers = pd.read_csv(landing / "crm/customers_20251231.csv", dtype=str)
    left = pd.to_datetime(customers.set_index("customer_no")["left_on"], format="%d/%m/%Y")
    assert rising["customer"].nunique() == len(truths.RISING_MONTHS) * sum(truths.RISING)
    for first, following in truths.RISING_MONTHS:
        begins, ends = pd.Timestamp(first), pd.Timestamp(following)
        group = rising[rising["day"].between(begins - pd.Timedelta(days=25), begins, "left")]
        assert set(group.groupby("customer").size()) == {truths.RISING_TICKETS}
        gone = left[group["customer"].unique()]
        leaving = int(gone.between(begins, ends, "left").sum())
        assert (len(gone), leaving) == (sum(truths.RISING), truths.RISING[1] * (begins <= AS_OF))
        others = tickets[tickets["customer"].isin(gone.index) & (tickets["day"] < begins)]
        others = others[others["day"] >= begins - pd.Timedelta(days=200)]
        assert others.groupby("customer").size().max() <= truths.RISING_TICKETS + 1
