"""customer_voice_features: nothing from the future, and a hundred customers computed once more by pandas.

Two hundred groups of customers share accounts, and each group has a cut-off of its own. Whatever a group
says after its cut-off is then drawn again; the rows up to the cut-off must stay as they are.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild

GROUPS = 200
CUSTOMERS = 100
AS_OF = date(2025, 12, 31)
FIRST = date(2023, 6, 1)
MONTHS = 18
CHAIN = (
    "int_feature_days_listed",
    "int_account_answers_followed",
    "int_account_voices_dated",
    "int_voice_answers_followed",
)
MART = "customer_voice_features"
# What leaks, by model: a text of its SQL, and what would stand there.
LEAKS = {
    "an answer counts a month too early": (
        MART,
        "followed.counts_from <= days.as_of_on and",
        "followed.counts_from <= days.as_of_on + 31 and",
    ),
    "others of the account have answered whenever they do": (
        "int_account_voices_dated",
        "and answers.responded_on <= days.as_of_on",
        "",
    ),
    "the class before is that of the answer to come": (
        "int_voice_answers_followed",
        "lead(nps_class)",
        "lag(nps_class)",
    ),
}
# The classes of a metric and what they contribute, the worst first.
CLASSES = {
    "nps": (("detractor", -100), ("passive", 0), ("promoter", 100)),
    "csat": (("dissatisfied", 0), ("satisfied", 100)),
    "ces": (("hard", 0), ("easy", 100)),
}
SURVEYS = (
    *[("nps", "relational")] * 4, ("nps", "transactional"), ("csat", "transactional"),
    ("csat", "relational"), ("ces", "transactional"),
)  # fmt: skip


def answer(draw: random.Random, group: int, number: int, first: date) -> dict:
    """An answer of one of a group's four voices, of whom the last is no customer."""
    metric, survey_type = draw.choice(SURVEYS)
    nps_class, contribution = draw.choice(CLASSES[metric])
    day = first + timedelta(days=draw.randint(0, (AS_OF - first).days))
    voice = f"g{group:03}-{draw.randint(0, 3)}"
    return {
        "response_key": f"{group}-{number}", "response_id": str(number), "source": f"s{group}",
        "voice_key": voice, "customer_key": None if voice.endswith("3") else voice,
        "account_key": draw.choice((None, f"a{group}", f"a{group}", f"b{group}")),
        "metric": metric, "survey_type": survey_type, "score": 0, "nps_class": nps_class,
        "contribution": contribution, "responded_on": day,
        "responded_at": datetime(day.year, day.month, day.day, draw.choice((6, 12))),
        "themes": tuple(t for t in ("price", "speed", "staff") if draw.random() < 0.3),
    }  # fmt: skip


@pytest.fixture(scope="module")
def futures() -> tuple[list[dict], dict[str, date], list[dict]]:
    """Answers, the cut-off of each customer's group, and the same answers with another future."""
    draw = random.Random(11)
    cut_offs, one, other = {}, [], []
    for group in range(GROUPS):
        cut_off = date(2024, 9, 1) + timedelta(days=draw.randint(0, 480))
        cut_offs |= {f"g{group:03}-{voice}": cut_off for voice in range(3)}
        answers = [answer(draw, group, number, FIRST) for number in range(draw.randint(4, 24))]
        later = cut_off + timedelta(days=1)
        one += answers
        other += [each for each in answers if each["responded_on"] <= cut_off]
        other += [answer(draw, group, 100 + n, later) for n in range(draw.randint(0, 10))]
    return one, cut_offs, other


def signed_up_at(customer: str) -> datetime | None:
    """One of three customers signs up on the last of January 2025, half past eleven in Brussels."""
    return datetime(2025, 1, 31, 22, 30) if customer.endswith("1") else None


def features(answers: list[dict], leak: tuple[str, str, str] | None = None) -> pd.DataFrame:
    """The rows of the mart, sorted; with a leak, those of a model that was changed."""
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace by name select ? as as_of_on, ? as feature_months, "
            "'Europe/Brussels' as timezone, 'nps' as headline_metric, "
            "'relational' as headline_survey_type",
            [AS_OF, MONTHS],
        )
        given = pd.DataFrame(answers)
        themes = given[["response_key", "themes"]].explode("themes").dropna()
        customers = pd.DataFrame({"customer_key": sorted(given["customer_key"].dropna().unique())})
        customers["signed_up_at"] = customers["customer_key"].map(signed_up_at)
        connection.register("given", given.drop(columns="themes"))
        connection.register("themes", themes.rename(columns={"themes": "theme"}))
        connection.register("customers", customers)
        connection.execute("insert into nps.marts.fct_nps_responses by name from given")
        connection.execute("insert into nps.marts.dim_customers by name from customers")
        connection.execute(
            "insert into nps.intermediate.int_theme_answers_chosen by name from themes"
        )
        for model in CHAIN:
            rebuild(connection, [model])
            if leak and leak[0] == model:
                connection.execute(f"delete from nps.intermediate.{model}")
                connection.execute(
                    f"insert into nps.intermediate.{model} by name {changed(model, leak)}"
                )
        sql = changed(MART, leak) if leak and leak[0] == MART else compiled(MART)
        return connection.execute(f"select * from ({sql}) order by customer_key, as_of_on").df()


def changed(model: str, leak: tuple[str, str, str]) -> str:
    sql = compiled(model)
    assert sql.count(leak[1]) == 1
    return sql.replace(leak[1], leak[2])


def until(rows: pd.DataFrame, cut_offs: dict[str, date]) -> list[str]:
    """The rows that are not later than their customer's cut-off, with every digit."""
    kept = rows[rows["as_of_on"].dt.date <= rows["customer_key"].map(cut_offs)]
    return [repr(row) for row in kept.itertuples(index=False)]


def test_no_row_knows_what_comes_after_it(futures):
    answers, cut_offs, others = futures
    one, other = features(answers), features(others)
    assert not one.equals(other)
    kept = until(one, cut_offs)
    assert len(kept) > 5 * GROUPS
    assert kept == until(other, cut_offs)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_would_be_seen(futures, leak: str):
    answers, cut_offs, others = futures
    one, other = (until(features(each, LEAKS[leak]), cut_offs) for each in (answers, others))
    assert one != other


def test_the_order_of_rows_changes_nothing(futures):
    answers, *_ = futures
    shuffled = random.Random(3).sample(answers, len(answers))
    pd.testing.assert_frame_equal(features(answers), features(shuffled))


# --- pandas -------------------------------------------------------------------------------------


def expected(frame: pd.DataFrame, customer: str, day: date) -> dict | None:
    """A row by its definition, from answers in the order of time; none where there is none."""
    known = frame[frame["responded_on"] <= day]
    recent = known[known["responded_on"] > day - timedelta(days=365)]
    own = recent[recent["customer_key"] == customer]
    if own.empty or (customer.endswith("1") and day < date(2025, 1, 31)):
        return None
    row: dict = {}
    for metric in CLASSES:
        said = own[own["metric"] == metric].tail(1)
        row[f"class_{metric}"] = said["nps_class"].iloc[0] if len(said) else None
        row[f"days_since_{metric}"] = (
            (day - said["responded_on"].iloc[0]).days if len(said) else None
        )

    def headline(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[(rows["metric"] == "nps") & (rows["survey_type"] == "relational")]

    ever = headline(known[known["customer_key"] == customer])
    classes = [None, None, *ever["nps_class"]]
    row["previous_headline_class"], row["headline_class"] = classes[-2:]
    moved = ever["contribution"].diff().tail(1)
    row["headline_direction"] = (
        None
        if moved.isna().all()
        else {-1: "worsened", 0: "same", 1: "improved"}[
            int(moved.iloc[0] / abs(moved.iloc[0] or 1))
        ]
    )
    moves = ever["contribution"].diff().fillna(0) != 0
    row["headline_changes_365d"] = int((moves & ever.index.isin(recent.index)).sum())
    row["themes_365d"] = own["themes"].explode().nunique()
    worst = own["contribution"] == own["metric"].map({m: c[0][1] for m, c in CLASSES.items()})
    row["detractor_themes_365d"] = own[worst]["themes"].explode().nunique()
    accounts = own["account_key"].dropna()
    row["account_key"] = account = accounts.iloc[-1] if len(accounts) else None
    others = headline(recent[(recent["account_key"] == account)])
    others = others[others["voice_key"] != customer].groupby("voice_key")["contribution"].last()
    row["other_voices_365d"] = len(others) if account else None
    row["other_voices_nps"] = others.mean() if len(others) else None
    return row


def test_a_hundred_customers_by_pandas(futures):
    answers, *_ = futures
    frame = pd.DataFrame(answers)
    frame["number"] = frame["response_id"].astype(int)
    frame = frame.sort_values(["responded_at", "number"]).reset_index(drop=True)
    names = random.Random(7).sample(sorted(frame["customer_key"].dropna().unique()), CUSTOMERS)
    ends = pd.date_range("2024-07-31", AS_OF, freq="ME")
    assert len(ends) == MONTHS
    wanted = {}
    for name in names:
        group = frame[frame["source"] == f"s{int(name[1:4])}"]
        for day in ends.date:
            if row := expected(group, name, day):
                wanted[name, day] = row
    found = features(answers)
    found = found[found["customer_key"].isin(names)].astype(object)
    found = found.where(found.notna(), None).to_dict("records")
    found = {(row.pop("customer_key"), row.pop("as_of_on").date()): row for row in found}
    assert len(wanted) > 10 * CUSTOMERS and found.keys() == wanted.keys()
    for key, row in wanted.items():
        assert found[key] == pytest.approx(row, abs=1e-9), key
    for column in ("other_voices_nps", "class_ces", "previous_headline_class", "account_key"):
        assert {row[column] is None for row in wanted.values()} == {True, False}
