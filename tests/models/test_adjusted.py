"""Comparisons that adjust, as SQL and Python models compute them together, against other libraries.

Compiled SQL runs on random customers in memory: each data set is a survey type of its own, so that one
run computes them all. What the Python models call is tested by itself in tests/statistics.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_support import compiled, empty_database, rebuild

AS_OF = date(2025, 12, 31)
MIN_GROUP_SIZE = 3
DATA_SETS = 100
CLASSES = ("detractor", "passive", "promoter")
REGIONS = ("(unknown)", "north", "south")


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, as_of_at, timezone, min_group_size) "
            "values (?, ?, 'Europe/Brussels', ?)",
            [AS_OF, datetime(2025, 12, 31, 23), MIN_GROUP_SIZE],
        )
        connection.execute("insert into nps.raw.segments values (1, 'region', 'region')")
        connection.execute("insert into nps.raw.segments values (2, 'plan', 'plan')")
        yield connection


def put(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict]) -> None:
    """Replace a table's rows."""
    connection.register("given_rows", pa.Table.from_pylist(rows))
    connection.execute(f"delete from nps.{table}")
    connection.execute(f"insert into nps.{table} by name from given_rows")


def query(connection: duckdb.DuckDBPyConnection, model: str) -> list[dict]:
    return connection.execute(compiled(model)).to_arrow_table().to_pylist()


# --- stratified log-rank ------------------------------------------------------------------------


def random_ends(number: int) -> list[tuple[int, int, str, str]]:
    """Days, churn, class and region of some customers; few or many days, so many or few ties."""
    draw = random.Random(number)
    span = draw.choice((3, 30, 700))
    risk = draw.choice((0.2, 0.7, 1.0))
    ends = []
    for _ in range(draw.choice((8, 40, 150))):
        nps_class = draw.choice(CLASSES)
        region = draw.choice(REGIONS)
        weight = 1 + (nps_class == "detractor") * draw.random() + (region == "south")
        churn = round(draw.random() * span * 1.5 / weight) if draw.random() < risk else span
        seen = draw.randint(0, span)
        ends.append((min(churn, seen), int(churn <= seen and churn < span), nps_class, region))
    return ends


def life_table(survey_type: str, ends: list[tuple[int, int, str, str]]) -> Iterator[dict]:
    """The rows of int_retention_days_counted, by region and for all, from day 0 on."""
    for cut in ("region", "all"):
        cells: dict[tuple[str, str], Counter] = {}
        for days, churned, nps_class, region in ends:
            cell = (region if cut == "region" else "all", nps_class)
            cells.setdefault(cell, Counter({(0, 0): 0}))[days, churned] += 1
        for (segment, nps_class), counts in cells.items():
            for day in sorted({day for day, _ in counts}):
                yield {
                    "basis": "customers",
                    "followed_from": "answer",
                    "metric": "nps",
                    "survey_type": survey_type,
                    "dimension": cut,
                    "segment": segment,
                    "nps_class": nps_class,
                    "days": day,
                    "churned": counts[day, 1],
                    "censored": counts[day, 0],
                }


def test_stratified_tests_agree_with_statsmodels(database):
    """Of customers in regions where both classes are: the others compare nothing."""
    from statsmodels.duration.survfunc import survdiff

    sets = {f"set {number}": random_ends(number) for number in range(DATA_SETS)}
    put(
        database,
        "intermediate.int_retention_days_counted",
        [row for name, ends in sets.items() for row in life_table(name, ends)],
    )
    rebuild(database, ["int_retention_pairs_summed"])
    rows = {
        (row["survey_type"], row["nps_class"], row["compared_class"]): row
        for row in query(database, "nps_retention_stratified")
    }
    tested = untestable = 0
    for name, ends in sets.items():
        for first, second in itertools.combinations(CLASSES, 2):
            where = [{r for *_, c, r in ends if c == one} for one in (first, second)]
            both = [
                end
                for end in ends
                if end[2] in (first, second) and end[3] in set.intersection(*where)
            ]
            if not both:
                assert (name, first, second) not in rows
                continue
            row = rows[name, first, second]
            days, churned, classes, regions = (np.array(part) for part in zip(*both, strict=True))
            own = classes == first
            assert row["strata"] == len(set(regions))
            assert (row["records"], row["compared_records"]) == (own.sum(), (~own).sum())
            lost = (churned[own].sum(), churned[~own].sum())
            assert (row["churned"], row["compared_churned"]) == lost
            assert row["is_suppressed"] == (min(own.sum(), (~own).sum()) < MIN_GROUP_SIZE)
            if row["is_suppressed"]:
                assert row["expected_churned"] is row["chi_squared"] is row["p_value"] is None
            elif row["chi_squared"] is None:
                assert row["compared_strata"] == 0
                untestable += 1
            else:
                statistic, p_value = survdiff(days, churned, own, strata=regions)
                assert row["chi_squared"] == pytest.approx(statistic, abs=1e-9, rel=1e-9)
                assert row["p_value"] == pytest.approx(p_value, abs=1e-9)
                tested += 1
    assert tested > DATA_SETS
    assert untestable > 0


def test_a_class_is_not_disloyal_because_its_segment_is(database):
    """Everybody in the south leaves twice as fast, whatever the class; detractors live there: by region
    nothing is left of a difference that is significant without it.
    """
    ends = []
    for region, daily, counts in (
        ("north", 1, {"detractor": 20, "passive": 180}),
        ("south", 6, {"detractor": 180, "passive": 20}),
    ):
        for nps_class, count in counts.items():
            # of every class in a region the same share leaves on every day
            for customer in range(count):
                day = (customer * 200 // count) // daily
                ends.append((min(day, 30), int(day < 30), nps_class, region))
    put(database, "intermediate.int_retention_days_counted", [*life_table("s", ends)])
    rebuild(database, ["int_retention_pairs_summed"])
    (stratified,) = query(database, "nps_retention_stratified")
    (raw,) = [row for row in query(database, "nps_retention_tests") if row["dimension"] == "all"]
    assert raw["p_value"] < 1e-9
    assert stratified["p_value"] > 0.5
    assert stratified["churned"] == pytest.approx(stratified["expected_churned"], abs=3)


# --- hazards ------------------------------------------------------------------------------------


def customers(survey_type: str, number: int, count: int = 300) -> pd.DataFrame:
    """Random customers with a first answer, a tenure, an MRR and an end."""
    draw = np.random.default_rng(number)
    frame = pd.DataFrame(
        {
            "customer_key": [f"{survey_type} {place:05}" for place in range(count)],
            "survey_type": survey_type,
            "nps_class": draw.choice(CLASSES, count, p=[0.3, 0.3, 0.4]),
            "region": draw.choice(["north", "south", "east"], count, p=[0.5, 0.3, 0.2]),
            "plan": draw.choice(["starter", "growth"], count),
            "seen": draw.integers(1, 700, count),
            "tenure": draw.integers(0, 2000, count),
            "mrr": np.round(draw.lognormal(3, 1, count), 2),
        }
    )
    hazard = np.exp(
        0.7 * (frame["nps_class"] == "detractor") + 0.8 * (frame["plan"] == "starter")
        - 0.2 * frame["tenure"] / 365 - 0.1 * np.log1p(frame["mrr"])
    )  # fmt: skip
    frame["leaves"] = np.floor(draw.exponential(500 / hazard)).astype(int)
    return frame


def fill_customers(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    answered = [AS_OF - timedelta(int(seen)) for seen in frame["seen"]]
    rows = frame.assign(answered=answered).to_dict("records")
    put(connection, "intermediate.int_first_answers_followed", [
        {
            "response_key": row["customer_key"], "customer_key": row["customer_key"],
            "metric": "nps", "survey_type": row["survey_type"], "nps_class": row["nps_class"],
            "seg_region": row["region"], "seg_plan": row["plan"], "responded_on": row["answered"],
        }
        for row in rows
    ])  # fmt: skip
    put(connection, "marts.fct_nps_churn", [
        {
            "response_key": row["customer_key"], "has_churn_information": True,
            "was_active_at_answer": True, "days_to_churn": row["leaves"],
            "mrr_at_answer": row["mrr"],
        }
        for row in rows
    ])  # fmt: skip
    put(connection, "intermediate.int_customer_lifecycles_dated", [
        {
            "customer_key": row["customer_key"],
            "signed_up_at": datetime.combine(
                row["answered"] - timedelta(int(row["tenure"])), datetime.min.time()
            ) + timedelta(hours=12),
        }
        for row in rows
    ])  # fmt: skip


HAZARDS_CHAIN = (
    "int_retention_customers_followed",
    "int_retention_customers_drawn",
    "int_retention_hazards_fitted",
)


def adjusted(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict]:
    rebuild(connection, HAZARDS_CHAIN)
    rows = query(connection, "nps_retention_adjusted")
    return {(row["covariate"], row["level"]): row for row in rows}


def test_hazard_ratios_agree_with_lifelines(database):
    from lifelines import CoxPHFitter

    frame = customers("s", 4)
    fill_customers(database, frame)
    found = adjusted(database)
    design = pd.DataFrame(
        {
            **{("nps_class", c): frame["nps_class"] == c for c in ("detractor", "promoter")},
            **{("region", r): frame["region"] == r for r in ("east", "south")},
            ("plan", "starter"): frame["plan"] == "starter",
            ("tenure_years", "one more"): frame["tenure"] / 365,
            ("log_mrr", "one more"): np.log1p(frame["mrr"]),
        }
    ).astype(float)
    if (frame["plan"] == "starter").sum() > len(frame) / 2:
        design = design.rename(columns={"starter": "growth"}, level=1)
        design[("plan", "growth")] = 1 - design[("plan", "growth")]
    assert found.keys() == {*design.columns}
    names = [" ".join(column) for column in design.columns]
    flat = design.set_axis(names, axis=1)
    flat["days"] = np.minimum(frame["leaves"], frame["seen"])
    flat["churned"] = frame["leaves"] <= frame["seen"]
    options = {"precision": 1e-20, "r_precision": 1e-20, "max_steps": 500}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter().fit(flat, "days", "churned", fit_options=options)
        classes = [name for name in names if name.startswith("nps_class")]
        alone = CoxPHFitter().fit(
            flat[[*classes, "days", "churned"]], "days", "churned", fit_options=options
        )
    table = fitter.summary
    for column, name in zip(design.columns, names, strict=True):
        row, expected = found[column], table.loc[name]
        assert row["hazard_ratio"] == pytest.approx(expected["exp(coef)"], abs=1e-8)
        assert row["ci_low"] == pytest.approx(expected["exp(coef) lower 95%"], abs=1e-8)
        assert row["ci_high"] == pytest.approx(expected["exp(coef) upper 95%"], abs=1e-8)
        assert row["p_value"] == pytest.approx(expected["p"], abs=1e-8)
        assert row["concordance"] == pytest.approx(fitter.concordance_index_, abs=1e-12)
        assert (row["customers"] == len(frame)) == (row["kind"] == "number")
        assert row["adjusted_for"] == "region, plan, tenure_years, log_mrr"
        if row["kind"] == "class":
            ratio = alone.hazard_ratios_[name]
            assert row["unadjusted_hazard_ratio"] == pytest.approx(ratio, abs=1e-8)
        else:
            assert row["unadjusted_hazard_ratio"] is None
    assert not found["nps_class", "detractor"]["is_sampled"]


def test_a_sample_is_drawn_from_many_and_says_so(database):
    """100 of 300: the same whatever the order of rows, and others with another seed."""
    frame = customers("s", 4)
    database.execute("begin")
    update = "update nps.seeds.assumptions set value = ? where name = ?"
    database.execute(update, [100, "adjusted_customers"])
    database.execute(update, [1, "min_per_coefficient"])
    fill_customers(database, frame)
    found = adjusted(database)
    row = found["nps_class", "detractor"]
    assert (row["known_customers"], row["drawn_customers"], row["is_sampled"]) == (300, 100, True)
    fill_customers(database, frame.sample(frac=1, random_state=3))
    assert adjusted(database) == found
    database.execute(update, [7, "random_seed"])
    other = adjusted(database)
    assert other["nps_class", "detractor"]["hazard_ratio"] != row["hazard_ratio"]
    database.execute("rollback")


# --- key drivers --------------------------------------------------------------------------------


def voices(survey_type: str, number: int) -> pd.DataFrame:
    """Each voice's latest answer, with what may drive it."""
    draw = np.random.default_rng(number)
    count = int(draw.integers(150, 400))
    frame = pd.DataFrame(
        {
            "survey_type": survey_type,
            "voice_key": [f"{survey_type} {place:05}" for place in range(count)],
            "region": draw.choice(["north", "south", None], count),
            "plan": draw.choice(["starter", "growth"], count),
            "channel": draw.choice(["email", "app", "web"], count),
            "csat": draw.choice(["satisfied", "dissatisfied", None], count),
        }
    )
    liking = (
        draw.normal(0, 1, count) + 0.8 * (frame["csat"] == "satisfied")
        - 0.6 * (frame["plan"] == "starter") + 0.3 * (frame["channel"] == "app")
    )  # fmt: skip
    frame["contribution"] = np.select([liking > 0.4, liking < -0.3], [100, -100], 0)
    return frame


def fill_voices(connection: duckdb.DuckDBPyConnection, frames: list[pd.DataFrame]) -> None:
    rows = []
    for frame in frames:
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            common = {
                "source": "s", "voice_key": row["voice_key"], "survey_type": row["survey_type"],
                "region": row["region"], "plan": row["plan"], "channel": row["channel"],
                "survey_id": "one",
            }  # fmt: skip
            for age, contribution in ((30, row["contribution"]), (90, 100), (400, -100)):
                day = AS_OF - timedelta(age)
                rows.append({
                    **common, "metric": "nps", "nps_class": "x", "contribution": contribution,
                    "response_id": f"{row['voice_key']} {age}", "responded_on": day,
                    "responded_at": datetime.combine(day, datetime.min.time()),
                })  # fmt: skip
            if row["csat"]:
                rows.append({
                    **common, "metric": "csat", "nps_class": row["csat"], "survey_type": "csat",
                    "contribution": 100 * (row["csat"] == "satisfied"),
                    "response_id": f"{row['voice_key']} csat", "responded_on": AS_OF,
                    "responded_at": datetime.combine(AS_OF, datetime.min.time()),
                })  # fmt: skip
    put(connection, "marts.fct_nps_responses", rows)


CHAIN = (
    "int_driver_answers_chosen",
    "int_driver_classes_known",
    "int_driver_cells_counted",
    "int_driver_levels_counted",
    "int_driver_attributes_named",
    "int_driver_cells_reduced",
    "int_driver_pairs_counted",
    "int_drivers_estimated",
)


def explained(frame: pd.DataFrame, names: list[str]) -> float:
    """R² of dummies by least squares on the rows themselves."""
    y = frame["contribution"].to_numpy(float)
    if not names:
        return 0.0
    dummies = pd.get_dummies(frame[names].fillna("(unknown)"), drop_first=True, dtype=float)
    design = np.column_stack([np.ones(len(frame)), dummies.to_numpy()])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1 - ((y - fitted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def averaged(frame: pd.DataFrame, names: list[str]) -> dict[str, float]:
    """What each adds on average over all orders."""
    orders = [*itertools.permutations(names)]
    gained = dict.fromkeys(names, 0.0)
    known = {
        frozenset(some): explained(frame, [*some])
        for size in range(len(names) + 1)
        for some in itertools.combinations(names, size)
    }
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            gained[name] += (known[before | {name}] - known[before]) / len(orders)
    return gained


def test_drivers_are_those_of_a_regression_on_the_answers(database):
    frames = [voices(f"set {number}", number) for number in range(8)]
    fill_voices(database, frames)
    rebuild(database, CHAIN)
    rows = {
        (row["metric"], row["survey_type"], row["kind"], row["attribute"]): row
        for row in query(database, "nps_key_drivers")
    }
    kinds = {"region": "segment", "plan": "segment", "channel": "answer", "csat": "metric"}
    for frame in frames:
        survey_type = frame["survey_type"][0]
        expected = averaged(frame, [*kinds])
        together = explained(frame, [*kinds])
        for name, kind in kinds.items():
            row = rows["nps", survey_type, kind, name]
            assert row["voices"] == len(frame)
            assert row["r_squared"] == pytest.approx(together, abs=1e-9)
            assert row["share"] == pytest.approx(expected[name], abs=1e-9)
            assert row["relative_share"] == pytest.approx(expected[name] / together, abs=1e-9)
            assert row["own_share"] == pytest.approx(explained(frame, [name]), abs=1e-9)
            others = explained(frame, [other for other in kinds if other != name])
            assert row["added_share"] == pytest.approx(together - others, abs=1e-9)
            if name in ("plan", "csat"):  # of what does not drive the interval lies too high
                assert row["ci_low"] < row["share"] < row["ci_high"]
        csat = rows["nps", survey_type, "metric", "csat"]
        # 0.8 of a standard deviation among a third of the voices
        assert csat["is_significant"] and csat["highest_level"] == "satisfied"
        score = frame[frame["csat"] == "satisfied"]["contribution"].mean()
        assert csat["highest_score"] == pytest.approx(score)
        for kind, name in (("answer", "survey"), ("answer", "touchpoint"), ("metric", "ces")):
            row = rows["nps", survey_type, kind, name]
            assert (row["levels"], row["unknown_because"]) == (1, "one_level")
        assert ("nps", survey_type, "metric", "nps") not in rows
    # csat is explained as well, of all voices that answered it
    assert rows["csat", "csat", "segment", "plan"]["share"] is not None
    assert rows["csat", "csat", "metric", "nps"]["unknown_because"] == "one_level"


def test_drivers_are_the_same_in_any_order_and_others_with_another_seed(database):
    frame = voices("set 1", 1)
    found = []
    for frames, seed in (([frame], 1), ([frame.sample(frac=1, random_state=1)], 1), ([frame], 2)):
        fill_voices(database, frames)
        database.execute(
            "update nps.seeds.assumptions set value = ? where name = 'random_seed'", [seed]
        )
        rebuild(database, CHAIN)
        rows = query(database, "nps_key_drivers")
        found.append({
            (row["metric"], row["kind"], row["attribute"]): (row["share"], row["ci_low"])
            for row in rows
        })  # fmt: skip
    assert found[0] == found[1]
    assert {key: share for key, (share, _) in found[2].items()} == pytest.approx(
        {key: share for key, (share, _) in found[0].items()}
    )
    assert found[0] != found[2]


def test_beyond_the_limit_the_weakest_alone_are_left_out(database):
    database.execute("begin")
    database.execute(
        "update nps.seeds.assumptions set value = 2 where name = 'key_driver_attributes'"
    )
    frame = voices("set 1", 1)
    fill_voices(database, [frame])
    rebuild(database, CHAIN)
    rows = [row for row in query(database, "nps_key_drivers") if row["metric"] == "nps"]
    database.execute("rollback")
    alone = {name: explained(frame, [name]) for name in ("region", "plan", "channel", "csat")}
    kept = sorted(alone, key=alone.__getitem__)[-2:]
    known = {row["attribute"] for row in rows if row["share"] is not None}
    assert known == {*kept}
    reasons = {row["attribute"]: row["unknown_because"] for row in rows}
    assert all(reasons[name] == "beyond_limit" for name in alone.keys() - known)
    shares = averaged(frame, kept)
    assert {row["attribute"]: row["share"] for row in rows if row["attribute"] in known} == (
        pytest.approx(shares, abs=1e-9)
    )
