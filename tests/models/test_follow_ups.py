"""Transitions and follow-ups: compiled models against pandas, numpy and statsmodels on random cases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database
from statsmodels.stats.proportion import proportion_confint

TOLERANCE = 1e-9
MIN_GROUP_SIZE = 5
AS_OF_AT = datetime(2025, 12, 31, 23)
CONTRIBUTIONS = {"detractor": -100, "passive": 0, "promoter": 100}
SLA_HOURS = {"detractor": (48, 336), "passive": (168, 672), "promoter": (336, 1344)}
RECOVERY = timedelta(365)
HOUR = timedelta(hours=1)


class Warehouse:
    """The models' inputs as tables to fill, and the models as queries on them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, as_of_at, min_group_size, timezone) "
            "values ('2025-12-31', ?, ?, 'Europe/Brussels')",
            [AS_OF_AT, MIN_GROUP_SIZE],
        )

    def fill(self, table: str, rows: pd.DataFrame) -> None:
        self.connection.register("filling", rows)
        self.connection.execute(f"insert into {table} by name from filling")
        self.connection.unregister("filling")

    def build(self, schema: str, model: str) -> None:
        self.connection.execute(f"insert into nps.{schema}.{model} by name {compiled(model)}")

    def query(self, model: str) -> pd.DataFrame:
        return self.connection.sql(compiled(model)).df()


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with empty_database() as connection:
        found = Warehouse(connection)
        found.fill("marts.fct_nps_responses", answers())
        found.fill("intermediate.int_follow_ups_versioned", cases())
        found.build("intermediate", "int_responses_contacted")
        found.build("marts", "fct_nps_transitions")
        for model in (
            "transitions_counted",
            "follow_ups_known",
            "follow_ups_dated",
            "follow_ups_judged",
        ):
            found.build("intermediate", f"int_{model}")
        yield found


def answers() -> pd.DataFrame:
    """Forty voices who answer often, on one of three surveys, never twice at one instant."""
    rng = random.Random(15)
    rows = []
    for number in range(1500):
        nps_class = rng.choice(list(CONTRIBUTIONS))
        # noon, so that the business day is the UTC day
        at = datetime(2024, 1, 1, 12) + timedelta(rng.randrange(720), number)
        rows.append(
            {
                "response_key": f"r{number:04d}",
                "response_id": f"{number:04d}",
                "source": "telco",
                "voice_key": f"v{rng.randrange(40)}",
                "customer_key": None,
                "metric": "nps",
                "survey_type": rng.choice(("relational", "transactional", "panel")),
                "nps_class": nps_class,
                "contribution": CONTRIBUTIONS[nps_class],
                "responded_at": at,
                "responded_on": at.date(),
                "region": rng.choice(("north", "south", None)),
            }
        )
    return pd.DataFrame(rows)


def cases() -> pd.DataFrame:
    """A case of a third of the answers, open or closed, contacted or not."""
    rng = random.Random(16)
    rows = []
    for number, answer in enumerate(answers().sample(500, random_state=1).itertuples()):
        contact = answer.responded_at + HOUR * rng.choice((0, 24, 48, 168, rng.randrange(500)))
        closed = contact + HOUR * rng.randrange(1, 2000)
        rows.append(
            {
                "case_key": f"c{number:03d}",
                "response_key": answer.response_key,
                "opened_at": answer.responded_at,
                "first_contact_at": contact if rng.random() < 0.8 else None,
                "closed_at": closed if rng.random() < 0.7 else None,
                "reopened_at": closed + HOUR if rng.random() < 0.1 else None,
                "row_status": "accepted",
            }
        )
    return pd.DataFrame(rows)


def wilson(k: pd.Series, n: pd.Series, minimum: int = MIN_GROUP_SIZE) -> list[np.ndarray]:
    """Share and bounds, NaN where n is too small."""
    shown = n >= minimum
    safe = n.where(shown, 1)
    bounds = proportion_confint(k.where(shown, 0), safe, method="wilson")
    return [np.where(shown, each, np.nan) for each in (k / safe, *bounds)]


def agree(found: pd.Series, expected: np.ndarray | pd.Series) -> None:
    np.testing.assert_allclose(
        found.astype(float).to_numpy(),
        np.asarray(expected, dtype=float),
        rtol=0,
        atol=TOLERANCE,
        equal_nan=True,
    )


def pairs() -> pd.DataFrame:
    """Consecutive answers by pandas, with whether a contact lies between."""
    by_voice = answers().sort_values("responded_at")
    following = by_voice.groupby(["voice_key", "survey_type"])[
        ["response_key", "nps_class", "responded_at"]
    ].shift(-1)
    frame = by_voice.join(following.add_prefix("next_")).dropna(subset="next_response_key")
    contacts = cases().groupby("response_key")["first_contact_at"].min()
    contact = frame["response_key"].map(contacts)
    frame["was_followed_up"] = (contact <= frame["next_responded_at"]).fillna(False)
    return frame


def test_transitions_are_consecutive_answers(warehouse):
    found = warehouse.connection.sql("from marts.fct_nps_transitions order by response_key").df()
    expected = pairs().sort_values("response_key")
    assert len(found) > 1300
    for column, reference in (
        ("response_key", "response_key"), ("next_response_key", "next_response_key"),
        ("from_class", "nps_class"), ("to_class", "next_nps_class"),
        ("was_followed_up", "was_followed_up"),
    ):  # fmt: skip
        assert found[column].tolist() == expected[reference].tolist(), column
    days = (
        expected["next_responded_at"].dt.normalize() - expected["responded_at"].dt.normalize()
    ).dt.days
    assert found["days_between"].tolist() == days.tolist()


@pytest.mark.parametrize("dimension", ["all", "region"])
@pytest.mark.parametrize("follow_up", ["any", "followed_up", "not_followed_up"])
@pytest.mark.parametrize("grain", ["quarter", "year", "all"])
def test_the_matrix_is_a_table_of_pairs(warehouse, grain, follow_up, dimension):
    found = warehouse.query("nps_transition_matrix")
    found = found[
        (found["time_grain"] == grain)
        & (found["follow_up"] == follow_up)
        & (found["dimension"] == dimension)
    ]
    frame = pairs()
    if follow_up != "any":
        frame = frame[frame["was_followed_up"] == (follow_up == "followed_up")]
    key = ["survey_type", "segment", "period_start", "from_class"]
    first = pairs().groupby("survey_type")["next_responded_at"].min().dt.normalize()
    frame = frame.assign(
        segment=frame["region"].fillna("(unknown)") if dimension == "region" else "all",
        period_start=frame["survey_type"].map(first)
        if grain == "all"
        else frame["next_responded_at"].dt.to_period(grain[0].upper()).dt.start_time,
        from_class=frame["nps_class"],
    )
    counts = frame.groupby([*key, "next_nps_class"]).size().unstack(fill_value=0)
    expected = counts.stack().rename("transitions").reset_index()
    total = expected.groupby(key)["transitions"].transform("sum")
    better = expected["next_nps_class"].map(CONTRIBUTIONS) > expected["from_class"].map(
        CONTRIBUTIONS
    )
    improved = expected["transitions"].where(better, 0).groupby([expected[k] for k in key])
    improved = improved.transform("sum")
    for name, k in (("", expected["transitions"]), ("improved_", improved)):
        for figure, values in zip(("share", "ci_low", "ci_high"), wilson(k, total), strict=True):
            expected[name + figure] = values
    order = [*key, "to_class"]
    expected = expected.rename(columns={"next_nps_class": "to_class"}).sort_values(order)
    found = found.assign(period_start=pd.to_datetime(found["period_start"])).sort_values(order)
    assert found[order].to_numpy().tolist() == expected[order].to_numpy().tolist()
    for column in ("transitions", "share", "ci_low", "ci_high"):
        agree(found[column], expected[column])
    for column in ("improved_share", "improved_ci_low", "improved_ci_high"):
        agree(found[column], expected[column])


def judged() -> pd.DataFrame:
    """The cases held against targets and next answers, one by one."""
    responses = answers().set_index("response_key")
    rows = []
    for case in cases().itertuples():
        answer = responses.loc[case.response_key]

        def known(moment: datetime) -> datetime | None:
            return moment if pd.notna(moment) and moment < AS_OF_AT else None

        contact, closed, reopened = map(
            known, (case.first_contact_at, case.closed_at, case.reopened_at)
        )
        allowed, to_close = SLA_HOURS[answer["nps_class"]]
        due = answer["responded_at"] + allowed * HOUR
        is_open = closed is None or (reopened is not None and reopened > closed)
        later = responses[
            (responses["voice_key"] == answer["voice_key"])
            & (responses["survey_type"] == answer["survey_type"])
            & (responses["responded_at"] > (closed or AS_OF_AT))
        ].sort_values("responded_at")
        recovered = None
        if not is_open and len(later) and answer["contribution"] < 100:
            following = later.iloc[0]
            if following["responded_on"] <= business_day(closed) + RECOVERY:
                recovered = bool(following["contribution"] > answer["contribution"])
        rows.append(
            {
                "survey_type": answer["survey_type"],
                "nps_class": answer["nps_class"],
                "responded_at": answer["responded_at"],
                "region": answer["region"] if pd.notna(answer["region"]) else "(unknown)",
                "hours": (contact - answer["responded_at"]) / HOUR if contact else np.nan,
                "due": due <= AS_OF_AT,
                "within": due <= AS_OF_AT and contact is not None and contact <= due,
                "open": is_open,
                "overdue": is_open
                and (
                    (contact is None and due < AS_OF_AT)
                    or answer["responded_at"] + to_close * HOUR < AS_OF_AT
                ),
                "reopened": reopened is not None,
                "again": recovered is not None,
                "recovered": recovered is True,
            }
        )
    return pd.DataFrame(rows)


def business_day(at: datetime) -> date:
    return pd.Timestamp(at, tz="UTC").tz_convert("Europe/Brussels").date()


def test_service_levels_are_those_of_the_cases(warehouse):
    found = warehouse.query("follow_up_sla")
    reference = judged()
    assert reference["recovered"].sum() > 30
    for grain, dimension in (("month", "all"), ("quarter", "region"), ("year", "all")):
        part = found[(found["time_grain"] == grain) & (found["dimension"] == dimension)]
        frame = reference.assign(
            period_start=reference["responded_at"].dt.to_period(grain[0].upper()).dt.start_time,
            segment=reference["region"] if dimension == "region" else "all",
        )
        key = ["survey_type", "nps_class", "period_start", "segment"]
        groups = frame.groupby(key)
        expected = groups.agg(
            cases=("hours", "size"), contacted=("hours", "count"), due=("due", "sum"),
            within_sla=("within", "sum"), open_cases=("open", "sum"), overdue=("overdue", "sum"),
            reopened=("reopened", "sum"), answered_again=("again", "sum"),
            recovered=("recovered", "sum"),
        )  # fmt: skip
        part = part.assign(period_start=pd.to_datetime(part["period_start"])).set_index(key)
        part = part.sort_index()
        assert part.index.equals(expected.index)
        for column in expected:
            agree(part[column], expected[column])
        for name, q in (("median", 0.5), ("p90", 0.9)):
            hours = groups["hours"].quantile(q).where(expected["contacted"] >= MIN_GROUP_SIZE)
            agree(part[f"{name}_hours_to_first_contact"], hours)
        for name, k, n in (
            ("within_sla", "within_sla", "due"),
            ("recovered", "recovered", "answered_again"),
        ):
            for end, values in zip(
                ("share", "ci_low", "ci_high"), wilson(expected[k], expected[n]), strict=True
            ):
                agree(part[f"{name}_{end}"], values)
