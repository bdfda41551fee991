"""Earned growth against pandas: from whole states of every customer, not from movements."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIRST = date(2023, 11, 20)
AS_OF = date(2025, 5, 10)
DAYS = (AS_OF - FIRST).days
# What earned_growth is built from, in the order of the build.
INTERMEDIATE = (
    "int_mrr_movements_signed",
    "int_mrr_periods_classified",
    "int_growth_periods_listed",
    "int_growth_periods_summed",
)
RULES = {"month": "M", "quarter": "Q", "year": "Y"}


@st.composite
def lives(draw: st.DrawFn) -> dict:
    """What some customers paid, as movements that never go below nothing, and who was referred."""
    movements, referred = [], []
    is_signed = draw(st.booleans())  # some sources write what goes down with a sign
    for number in range(draw(st.integers(1, 8))):
        customer = f"c{number}"
        day, mrr = draw(st.integers(0, DAYS)), 0.0
        for _ in range(draw(st.integers(1, 5))):
            if day > DAYS:
                break
            kind = "new" if not movements or movements[-1][0] != customer else None
            if kind is None:
                choices = ("expansion", "contraction", "churn") if mrr else ("reactivation",)
                kind = draw(st.sampled_from(choices))
            amount = float(draw(st.integers(1, 40)))
            if kind == "churn":
                amount = mrr
            elif kind == "contraction":
                amount = min(amount, mrr)
            is_down = kind in ("churn", "contraction")
            mrr += -amount if is_down else amount
            signed = -amount if is_down and is_signed else amount
            movements.append((customer, kind, signed, FIRST + timedelta(days=day)))
            day += draw(st.integers(1, 200))
        if draw(st.booleans()):
            referred.append(customer)
    return {"movements": movements, "referred": referred}


def reference(movements: list[tuple], referred: list[str]) -> dict[tuple[str, date], tuple]:
    """(grain, start): opening, closing, nrr, growth, EGR, new and earned customers and MRR."""
    frame = pd.DataFrame(movements, columns=["customer", "kind", "amount", "day"])
    down = frame["kind"].isin(["churn", "contraction"])
    frame["net"] = frame["amount"].abs().where(~down, -frame["amount"].abs())
    frame["day"] = pd.to_datetime(frame["day"])
    begins = frame.groupby("customer")["day"].min()
    found = {}
    for grain, rule in RULES.items():
        for period in pd.period_range(begins.min(), pd.Timestamp(AS_OF), freq=rule):
            start, end = period.start_time, period.end_time
            states = [
                frame[frame["day"] < bound].groupby("customer")["net"].sum()
                for bound in (start, end + pd.Timedelta(1))
            ]
            opening, closing = (state.reindex(begins.index, fill_value=0.0) for state in states)
            base = opening > 0
            new = (begins >= start) & (begins <= end)
            earned = new & begins.index.isin(referred)
            total = opening.sum()
            if total > 0:
                nrr = closing[base].sum() / total
                rates = (nrr, closing.sum() / total - 1, nrr + closing[earned].sum() / total - 1)
            else:
                rates = (None, None, None)
            found[grain, start.date()] = (
                *(total, closing.sum(), *rates, int(new.sum()), int(earned.sum())),
                *(closing[new].sum(), closing[earned].sum()),
            )
    return found


COLUMNS = (
    *("opening_mrr", "closing_mrr", "nrr", "growth", "earned_growth_rate", "new_customers"),
    *("earned_customers", "new_mrr", "earned_new_mrr"),
)


@pytest.fixture(scope="module")
def growing():
    with empty_database() as connection:
        connection.execute("pragma disable_optimizer")
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, timezone) values (?, 'UTC')", [AS_OF]
        )

        def grow(movements: list[tuple], referred: list[str]) -> list[dict]:
            for table in ("mrr_movements_versioned", "referrals_versioned"):
                connection.execute(f"delete from nps.intermediate.int_{table}")
            connection.executemany(
                "insert into nps.intermediate.int_mrr_movements_versioned "
                "(customer_key, customer_source, kind, amount, moved_at, row_status) "
                "values (?, 'crm', ?, ?, ?, 'accepted')",
                [
                    (customer, kind, amount, datetime(day.year, day.month, day.day, 12))
                    for customer, kind, amount, day in movements
                ],
            )
            connection.executemany(
                "insert into nps.intermediate.int_referrals_versioned "
                "(customer_source, referred_customer_key, referred_at, row_status) "
                "values ('crm', ?, timestamp '2023-01-01 00:00:00', 'accepted')",
                [(customer,) for customer in [None, *referred]],
            )
            rebuild(connection, INTERMEDIATE)
            return connection.execute(compiled("earned_growth")).to_arrow_table().to_pylist()

        yield grow


@settings(
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given=lives())
def test_growth_agrees_with_the_states_of_all_customers(growing, given: dict):
    rows = growing(**given)
    expected = reference(**given)
    assert {(row["time_grain"], row["period_start"]) for row in rows} == expected.keys()
    for row in rows:
        values = expected[row["time_grain"], row["period_start"]]
        for column, value in zip(COLUMNS, values, strict=True):
            if value is None:
                assert row[column] is None, column
                assert row["unknown_because"] == "no_opening_mrr"
            else:
                assert row[column] == pytest.approx(value, abs=1e-9), (column, row)
        bought = row["new_mrr"] - row["earned_new_mrr"]
        assert row["bought_new_mrr"] == pytest.approx(bought, abs=1e-9)
        if row["growth"] is not None:
            # what is no new revenue and was not retained came back
            parts = row["nrr"] - 1 + (row["new_mrr"] + row["returned_mrr"]) / row["opening_mrr"]
            assert row["growth"] == pytest.approx(parts, abs=1e-9)
        assert row["is_complete"] == (row["period_end"] <= AS_OF)
