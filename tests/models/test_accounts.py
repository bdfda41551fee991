"""Scores of accounts: compiled models against pandas, on a hundred random cases.

A case is a survey type, and those are never pooled.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild

CASES = 100
AS_OF = date(2025, 12, 31)
DAYS = 30
MIN_GROUP_SIZE = 2
ARR = {"a": 100.0, "b": 250.5, "c": None, "d": 0.0, "e": 3e9}
ROLES = {"v": "owner", "w": "user", "x": None}
PERIOD = ["survey_type", "time_grain", "period_start"]
Z = 1.959963984540054


def answers(seed: int) -> pd.DataFrame:
    """Few contacts of few accounts on few days, so that they meet often."""
    draw = random.Random(seed)
    rows = []
    for case in range(CASES):
        for number in range(draw.randint(1, 30)):
            day = AS_OF - timedelta(
                draw.choice((0, 1, 29, 30, 31, 59, 60, 61, draw.randint(0, 400)))
            )
            voice = draw.choice("vwxyz")
            rows.append(
                {
                    "source": "s", "response_id": str(number), "account_key": draw.choice("abcde"),
                    "voice_key": voice, "customer_key": voice if voice in ROLES else None,
                    "metric": "nps", "survey_type": f"case {case:03}",
                    "score": draw.randint(0, 10), "nps_class": "any",
                    "contribution": draw.choice((-100, 0, 100)), "responded_on": day,
                    "responded_at": datetime(day.year, day.month, day.day, draw.choice((1, 12))),
                    "version_at": None,
                }
            )  # fmt: skip
    frame = pd.DataFrame(rows)
    frame["length"] = frame["response_id"].str.len()
    order = ["responded_at", "length", "response_id"]
    return frame.sort_values(order).drop(columns="length").reset_index(drop=True)


@pytest.fixture(scope="module")
def given() -> pd.DataFrame:
    return answers(1)


@pytest.fixture(scope="module")
def connection(given):
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, as_of_at, min_group_size, timezone) values "
            f"('{AS_OF}', timestamp '2025-12-31 23:00:00', {MIN_GROUP_SIZE}, 'Europe/Brussels')"
        )
        connection.execute(
            f"update nps.seeds.assumptions set value = {DAYS} where name = 'account_days'"
        )
        roles = [
            (key, f'{{"role":"{role.title()}"}}' if role else '{"plan":"x"}')
            for key, role in ROLES.items()
        ]
        connection.executemany(
            "insert into nps.intermediate.int_customers_known (customer_key, attributes) "
            "values (?, ?)",
            roles,
        )
        # d left before every answer, e came after all but the last
        spans = {"d": ("1900-01-01", "2024-01-01"), "e": ("2025-12-31", "9999-12-31")}
        connection.executemany(
            "insert into nps.intermediate.int_accounts_described "
            "(account_key, arr, customers, since_on, left_on) values (?, ?, 1, ?, ?)",
            [(k, arr, *spans.get(k, ("1900-01-01", "9999-12-31"))) for k, arr in ARR.items()],
        )
        connection.register("given", given)
        connection.execute("insert into nps.marts.fct_nps_responses by name from given")
        rebuild(
            connection,
            (
                "int_account_answers_followed",
                "int_account_periods_averaged",
                "int_account_periods_summed",
            ),
        )
        yield connection


def latest(rows: pd.DataFrame, also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Each contact's latest answer for an account (the rows are in order)."""
    return rows.groupby(["survey_type", *also, "account_key", "voice_key"], as_index=False).last()


def weighted(voices: pd.DataFrame, weight: pd.Series) -> tuple[float, ...]:
    """Mean, Kish's number, standard error and interval, straight from the definitions."""
    mean = np.average(voices["nps"], weights=weight)
    variance = np.average((voices["nps"] - mean) ** 2, weights=weight)
    n = weight.sum() ** 2 / (weight**2).sum()
    # 3 answers more: 3/4 of +100, 3/2 of 0, 3/4 of -100
    middle = n * mean / (n + 3)
    spread = (n * (variance + mean**2) + 1.5 * 100**2) / (n + 3) - middle**2
    half = Z * np.sqrt(spread / (n + 3))
    error = np.sqrt(variance / n) if voices["nps"].nunique() > 1 else half / Z
    return mean, n, error, max(-100, middle - half), min(100, middle + half)


def test_scores_by_contact_account_and_revenue(connection, given):
    found = connection.sql(compiled("account_nps_by_period")).df()
    spans = given.assign(day=pd.to_datetime(given["responded_on"]))
    checked = 0
    for grain, code in {"month": "M", "quarter": "Q", "year": "Y"}.items():
        spans["period_start"] = spans["day"].dt.to_period(code).dt.start_time
        voices = (
            latest(spans, ("period_start",))
            .groupby(["survey_type", "period_start", "account_key"])["contribution"]
            .agg(nps="mean", responses="size")
            .reset_index()
        )
        voices["arr"] = voices["account_key"].map(ARR)
        cells = found[found["time_grain"] == grain].set_index(
            ["survey_type", "period_start", "basis"]
        )
        expected_cells = 0
        for (case, start), cell in voices.groupby(["survey_type", "period_start"]):
            weights = {
                "customers": cell["responses"].astype(float),
                "accounts": pd.Series(1.0, index=cell.index),
                "revenue": cell["arr"].where(cell["arr"] > 0).dropna(),
            }
            for basis, weight in weights.items():
                if weight.empty:
                    assert (case, start, basis) not in cells.index
                    continue
                expected_cells += 1
                row = cells.loc[(case, start, basis)]
                inside = cell.loc[weight.index]
                assert row["accounts"] == len(inside)
                assert row["responses"] == inside["responses"].sum()
                figures = row[["nps", "effective_accounts", "standard_error", "ci_low", "ci_high"]]
                if len(inside) < MIN_GROUP_SIZE:
                    assert row["is_suppressed"] and figures.isna().all()
                    continue
                checked += 1
                np.testing.assert_allclose(
                    figures.astype(float), weighted(inside, weight), rtol=0, atol=1e-9
                )
                answered = set(cell["account_key"])
                known = (
                    answered
                    | {"a", "b", "c"}
                    | ({"e"} if row["period_end"] >= pd.Timestamp(AS_OF) else set())
                )
                assert row["silent_accounts"] == len(known - answered)
                arr = sum(ARR[key] or 0 for key in known)
                assert row["revenue_coverage"] == pytest.approx(
                    sum(ARR[key] or 0 for key in answered) / arr, abs=1e-12
                )
        assert expected_cells == len(cells)
    assert checked > 500


def test_accounts_now_and_before(connection, given):
    found = connection.sql(compiled("account_nps")).df().set_index(["survey_type", "account_key"])
    assert len(found) == CASES * len(ARR)
    age = (AS_OF - pd.to_datetime(given["responded_on"]).dt.date).map(lambda gap: gap.days)
    now, before = latest(given[age < DAYS]), latest(given[age.between(DAYS, 2 * DAYS - 1)])
    deciding = now[now["customer_key"].map(ROLES) == "owner"]
    for rows, prefix in ((now, ""), (before, "previous_"), (deciding, "decision_maker_")):
        voices = rows.groupby(["survey_type", "account_key"])["contribution"].agg(["mean", "size"])
        voices = voices.reindex(found.index)
        np.testing.assert_allclose(
            found[f"{prefix}nps"], voices["mean"], rtol=0, atol=1e-9, equal_nan=True
        )
        assert (found[f"{prefix}responses"] == voices["size"].fillna(0)).all()
    ever = given.groupby(["survey_type", "account_key"])["responded_on"].max()
    said = found["last_responded_on"].dropna()
    assert (said.dt.date == ever.reindex(said.index)).all() and len(said) == len(ever)


def test_a_role_that_decides_is_a_row_of_the_seed(connection):
    """Without the owner's row nobody decides."""
    connection.execute("begin")
    connection.execute("delete from nps.seeds.account_roles where role = 'owner'")
    found = connection.sql(
        f"select sum(decision_maker_responses) from ({compiled('account_nps')})"
    ).fetchone()
    connection.execute("rollback")
    assert found == (0,)


def test_each_account_answers_for_its_roles(connection, given):
    found = connection.sql(compiled("account_nps_by_role")).df()
    rows = latest(given)
    rows["role"] = rows["customer_key"].map(ROLES).fillna("(unknown)")
    key = ["survey_type", "account_key", "role"]
    expected = rows.groupby(key)["contribution"].agg(nps="mean", responses="size")
    found = found.set_index(key).sort_index()
    pd.testing.assert_frame_equal(
        found[["nps", "responses"]], expected.sort_index(), check_dtype=False, atol=1e-9
    )
