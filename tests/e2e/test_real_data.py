"""Data written by others, with known answers, through the examples of docs/examples.

The answers are those that `shared/data/README.md` gives, and pandas on the same files.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import e2e_support as e2e
import pandas as pd
import pytest

DATA = e2e.REPOSITORY.parent / "shared" / "data"
EXAMPLES = e2e.REPOSITORY / "docs" / "examples"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the data of others is not there: it lies in ../shared/data"
)


def workspace(folder: Path, example: str, landing: dict[str, str]) -> Path:
    """A workspace made as the example's own comments say: its YAML and the files, nothing else."""
    folder.mkdir(exist_ok=True)
    shutil.copy(EXAMPLES / f"{example}.yml", folder / "workspace.yml")
    for source, pattern in landing.items():
        target = folder / "landing" / source
        target.mkdir(parents=True)
        for file in DATA.glob(pattern):
            shutil.copy(file, target)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    root = workspace(
        tmp_path_factory.mktemp("shop"),
        "needful_things",
        {"needful_things": "needful_things/*.csv"},
    )
    e2e.build(root)
    return root


@pytest.fixture(scope="module")
def channels(tmp_path_factory) -> Path:
    root = workspace(
        tmp_path_factory.mktemp("channels"),
        "datacamp_nps",
        {name: f"datacamp_nps/nps_{name}.csv" for name in ("email", "mobile", "web")},
    )
    e2e.build(root)
    return root


def test_the_shop_s_score(shop):
    (row,) = e2e.marts(
        shop,
        "select responses, promoters, detractors, nps from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses'",
    )
    assert row[:3] == (25000, 8112, 11769)
    assert row[3] == pytest.approx(-14.628, abs=1e-9)  # 100 (8112 - 11769) / 25000


def test_every_reviewer_is_found_by_e_mail(shop):
    reviews = pd.read_csv(DATA / "needful_things" / "reviews.csv")
    ((customers, unknown),) = e2e.marts(
        shop,
        "select count(distinct customer_key), count(*) filter (customer_key is null) "
        "from marts.fct_nps_responses",
    )
    assert (customers, unknown) == (reviews.email.nunique(), 0)


def test_reviewers_and_their_revenue_by_class(shop):
    """One reviewer, one voice: the class of the latest review, and what that customer paid."""
    reviews = pd.read_csv(DATA / "needful_things" / "reviews.csv")
    orders = pd.read_csv(DATA / "needful_things" / "orders.csv", encoding="utf-8-sig")
    reviews["id_text"] = reviews["id"].astype(str)  # a tie of times goes by the id as text
    latest = reviews.sort_values(["order_datetime", "id_text"]).groupby("email").tail(1)
    latest = latest.assign(
        nps_class=pd.cut(
            latest.nps_score, [-1, 6, 8, 10], labels=["detractor", "passive", "promoter"]
        ).astype(str)
    )
    revenue = latest.merge(orders[["email", "sales"]], on="email").groupby("nps_class").sales
    expected = {name: (len(sales), sales.sum()) for name, sales in revenue}
    found = e2e.marts(
        shop,
        "select distinct nps_class, customers, realised_ltv from marts.nps_outcomes_by_class "
        "where dimension = 'all'",
    )
    assert {name for name, _, _ in found} == set(expected)
    for name, customers, ltv in found:
        assert customers == expected[name][0]
        assert ltv == pytest.approx(expected[name][1], abs=1e-4)


def test_the_shop_tells_of_no_leaving_so_that_churn_is_unknown(shop):
    rows = e2e.marts(shop, "select distinct churn_rate, observed from marts.nps_outcomes_by_class")
    assert rows == [(None, 0)]


@pytest.mark.parametrize(
    "channel, responses, nps",
    [("email", 1952, 18.5963), ("mobile", 1801, -14.714), ("web", 2290, 22.0961)],
)
def test_the_score_of_a_channel(channels, channel, responses, nps):
    (row,) = e2e.marts(
        channels,
        "select responses, nps from marts.fct_nps_by_segment_period where time_grain = 'all' "
        f"and basis = 'responses' and dimension = 'channel' and segment = '{channel}'",
    )
    assert row[0] == responses
    assert row[1] == pytest.approx(nps, abs=5e-5)


def test_all_channels_with_the_interval(channels):
    (row,) = e2e.marts(
        channels,
        "select responses, nps, ci_low, ci_high from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses'",
    )
    assert row[0] == 6043
    assert row[1] == pytest.approx(9.995, abs=5e-4)
    assert row[2:] == pytest.approx((8.0104, 11.9697), abs=5e-5)


def test_one_person_of_three_channels_is_one_voice(channels):
    people = pd.concat(
        pd.read_csv(DATA / "datacamp_nps" / f"nps_{name}.csv")
        for name in ("email", "mobile", "web")
    ).user_id.nunique()
    (row,) = e2e.marts(
        channels,
        "select responses from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'customers'",
    )
    assert row == (people,)
