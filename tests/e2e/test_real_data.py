"""The two examples of the documentation on data that others wrote, against what is known of it.

The data is beside the repository and no part of it: without it these tests skip. What its
origin states is quoted here; the rest is computed from the same CSV files with pandas.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import e2e_support as e2e
import pytest

DATA = e2e.REPOSITORY.parent / "shared/data"


def set_up(name: str, folder: Path) -> Path:
    """Run the commands of an example's own remark, as its reader would from the repository.

    Args:
        name: the file in docs/examples.
        folder: an empty one, in which the repository and the data are linked to.

    Returns:
        The workspace.
    """
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent: it belongs beside the repository and holds data of others")
    place = folder / "main"
    place.mkdir()
    (place / "docs").symlink_to(e2e.REPOSITORY / "docs")
    (folder / "shared").symlink_to(DATA.parent)
    lines = (e2e.REPOSITORY / "docs/examples" / name).read_text("utf-8").splitlines()
    commands = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    assert commands[-1] == "NPS_WORKSPACE=ws make run"
    script = "\n".join(["set -eu", *commands[:-1]])
    subprocess.run(["bash", "-c", script], cwd=place, check=True, timeout=60)
    return place / "ws"


SCORES = ("fct_nps_responses", "fct_nps_by_period", "fct_nps_by_segment_period")

# --- needful_things -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    root = set_up("needful_things.yml", tmp_path_factory.mktemp("needful"))
    e2e.build(root, only=[*SCORES, "customer_nps_features", "nps_outcomes_by_class"])
    return root


@pytest.fixture(scope="module")
def reviews():
    """The reviews with the contribution of their score, and the order that holds their address."""
    import pandas as pd

    folder = DATA / "needful_things"
    found = pd.read_csv(folder / "reviews.csv", dtype=str)
    score = found["nps_score"].astype(int)
    found["contribution"] = (score >= 9) * 100 - (score <= 6) * 100
    orders = pd.read_csv(folder / "orders.csv", dtype=str, encoding="utf-8-sig")
    orders["address"] = orders["email"].str.strip().str.lower()
    assert orders["address"].is_unique
    orders["sales"] = orders["sales"].astype(float)
    found["address"] = found["email"].str.strip().str.lower()
    return found.merge(orders[["address", "id", "state", "sales"]], on="address", how="left",
                       suffixes=("", "_of_order"))  # fmt: skip


@pytest.fixture(scope="module")
def latest(reviews):
    """Each reviewer's latest review: by time, then by the id, of which 1000 follows 999."""
    number = reviews["id"].astype(int)
    return (
        reviews.assign(number=number)
        .sort_values(["order_datetime", "number"])
        .groupby("address")
        .tail(1)
    )


ALL = "time_grain = 'all' and metric = 'nps' and survey_type = 'transactional'"


def test_all_reviews(shop):
    """Known: 25,000 reviews, 8,112 promoters, 11,769 detractors, NPS -14.628."""
    found = e2e.marts(
        shop,
        "select responses, promoters, detractors, nps from marts.fct_nps_by_period "
        f"where {ALL} and basis = 'responses'",
    )
    assert found == [(25_000, 8_112, 11_769, pytest.approx(-14.628))]


def test_one_reviewer_one_voice(shop, latest):
    """Known: 2,997 reviewers."""
    found = e2e.marts(
        shop,
        f"select responses, nps from marts.fct_nps_by_period where {ALL} and basis = 'customers'",
    )
    assert found == [(2_997, pytest.approx(latest["contribution"].mean()))]


def test_the_latest_review_of_each_reviewer(shop):
    """n 2,997, NPS -16.2162: the latest per order is the one with the highest review id."""
    (row,) = e2e.marts(
        shop,
        "select responses, nps from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'customers'",
    )
    assert row[0] == 2997
    assert row[1] == pytest.approx(-16.2162, abs=5e-5)


def test_every_reviewer_is_found_by_address(shop, reviews):
    found = e2e.marts(
        shop,
        "select count(*), count(customer_key), count(distinct customer_key) "
        "from marts.fct_nps_responses",
    )
    assert found == [(len(reviews), len(reviews), 2_997)]


def test_revenue_by_class(shop, latest):
    """A reviewer's order counts in the class of the first review, of one instant's by its key."""
    expected = e2e.marts(
        shop,
        "select nps_class, count(*), sum(realised_ltv) from (select customer_key, "
        "arg_min(nps_class, row(responded_at, response_key)) as nps_class "
        "from marts.fct_nps_responses group by customer_key) join marts.customer_nps_features "
        "using (customer_key) where as_of_on = (select max(as_of_on) from "
        "marts.customer_nps_features) group by nps_class",
    )
    found = e2e.marts(
        shop,
        "select nps_class, customers, realised_ltv from marts.nps_outcomes_by_class "
        "where basis = 'customers' and dimension = 'all' and window_days = 365",
    )
    assert {name: figures for name, *figures in found} == {
        name: [count, pytest.approx(revenue)] for name, count, revenue in expected
    }
    everything = sum(revenue for *_, revenue in found)
    assert everything == pytest.approx(latest["sales"].sum())


def test_scores_by_the_orders_state(shop, reviews):
    expected = reviews.groupby("state")["contribution"].agg(["size", "mean"])
    found = e2e.marts(
        shop,
        "select segment, responses, nps from marts.fct_nps_by_segment_period "
        f"where {ALL} and basis = 'responses' and dimension = 'region' and not is_suppressed",
    )
    assert len(found) > 40
    for state, responses, nps in found:
        assert (responses, nps) == (expected["size"][state], pytest.approx(expected["mean"][state]))


def test_churn_is_unknown_and_not_zero(shop):
    found = e2e.marts(
        shop,
        "select count(*), count(churn_rate), sum(observed) from marts.nps_outcomes_by_class "
        "where dimension = 'all'",
    )
    ((rows, rates, observed),) = found
    assert rows > 0
    assert (rates, observed) == (0, 0)


# --- datacamp_nps -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def channels(tmp_path_factory) -> Path:
    root = set_up("datacamp_nps.yml", tmp_path_factory.mktemp("datacamp"))
    e2e.build(root, only=SCORES)
    return root


@pytest.mark.parametrize(
    ("channel", "responses", "nps"),
    [("email", 1_952, 18.5963), ("mobile", 1_801, -14.714), ("web", 2_290, 22.0961)],
)
def test_known_scores_by_channel(channels, channel, responses, nps):
    found = e2e.marts(
        channels,
        "select responses, nps from marts.fct_nps_by_segment_period "
        "where time_grain = 'all' and basis = 'responses' and dimension = 'channel' "
        f"and segment = '{channel}'",
    )
    assert found == [(responses, pytest.approx(nps, abs=5e-5))]


def test_known_score_of_all_with_its_interval(channels):
    """Known: 9.995, adjusted Wald [8.0104, 11.9697]."""
    found = e2e.marts(
        channels,
        "select responses, nps, ci_low, ci_high from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses'",
    )
    figures = (9.995, 8.0104, 11.9697)
    assert found == [(6_043, *(pytest.approx(figure, abs=5e-5) for figure in figures))]


def test_one_person_of_several_channels_is_one_voice(channels):
    """198 people answered in more than one channel; the latest of all their answers counts."""
    import pandas as pd

    frames = [
        pd.read_csv(DATA / f"datacamp_nps/nps_{name}.csv", dtype=str)
        for name in ("email", "mobile", "web")
    ]
    people = pd.concat(frames)["user_id"].nunique()
    found = e2e.marts(
        channels,
        "select responses from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'customers'",
    )
    assert found == [(people,)]
    in_several = e2e.marts(
        channels,
        "select count(*) from (select customer_key from marts.fct_nps_responses "
        "group by 1 having count(distinct channel) > 1)",
    )
    assert in_several == [(198,)]
