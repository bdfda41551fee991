"""Fiscal quarters and years: models compiled for a workspace that has them, against pandas' periods."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import cache

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from dbt_support import compiled, compiled_inline, empty_database, empty_workspace, nodes, warehouse

from orchestration.lake.settings import write_settings

AS_OF = date(2026, 3, 31)
# Each builds on those before it, if it builds on any.
MODELS = (
    "int_nps_scores_counted",
    "int_nps_days_counted",
    "int_periods_scored",
    "fct_nps_by_period",
    "fct_nps_score_histogram",
    "int_periods_paired",
    "int_periods_compared",
    "nps_restatements",
    "fct_response_rates",
    "int_growth_periods_listed",
    "int_mrr_periods_classified",
)
BORDER = "\n-- next query\n"
# The month in which the year begins, and the name that pandas gives to its quarters and years, by the
# month in which it ends.
STARTS = {4: "MAR", 2: "JAN", 10: "SEP", 1: "DEC"}


@contextmanager
def fiscal_year_from(month: int) -> Iterator[None]:
    """The settings of the empty workspace, with a fiscal year."""
    workspace = empty_workspace()
    write_settings(workspace.model_copy(update={"fiscal_year_start": month}))
    try:
        yield
    finally:
        write_settings(workspace)


@cache
def fiscal(month: int) -> dict[str, str]:
    """The models' SQL, by name, for a fiscal year that begins in the month."""
    warehouse()
    with fiscal_year_from(month):
        code = BORDER.join(nodes("model")[name]["raw_code"] for name in MODELS)
        sql = compiled_inline.__wrapped__(code)  # the same code, other settings: not the cached SQL
    return dict(zip(MODELS, sql.split(BORDER.strip()), strict=True))


@contextmanager
def filled(**tables: list[dict]) -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size, headline_metric, "
            "headline_survey_type) values (?, 1, 'nps', 'relational')",
            [AS_OF],
        )
        for table, rows in tables.items():
            schema, name = table.split("__")
            connection.register("given", pa.Table.from_pylist(rows))
            connection.execute(f"insert into nps.{schema}.{name} by name from given")
        yield connection


def build(connection: duckdb.DuckDBPyConnection, month: int, *models: str) -> None:
    for model in models:
        schema = nodes("model")[model]["schema"]
        connection.execute(
            f"create or replace table nps.{schema}.{model} as {fiscal(month)[model]}"
        )


def with_periods(frame: pd.DataFrame, day: str, month: int) -> pd.DataFrame:
    """Each row once for each of its two fiscal periods, with grain, start and end."""
    days = pd.to_datetime(frame[day])
    parts = []
    for grain, rule in (("fiscal_quarter", "Q"), ("fiscal_year", "Y")):
        periods = days.dt.to_period(f"{rule}-{STARTS[month]}")
        starts, ends = periods.dt.start_time.dt.date, periods.dt.end_time.dt.date
        parts.append(frame.assign(grain=grain, start=starts, end=ends))
    return pd.concat(parts)


def answers(seed: int) -> list[dict]:
    """Two hundred answers of few voices, on days around the ends of months."""
    rng = random.Random(seed)
    rows = []
    for number in range(200):
        end = pd.Timestamp(2023, 1, 1) + pd.offsets.MonthEnd(rng.randrange(1, 38))
        day = end.date() + timedelta(days=rng.randrange(-1, 3))
        score = rng.randrange(11)
        rows.append(
            {
                "voice_key": rng.choice("abcdefghij"),
                "metric": "nps",
                "survey_type": "relational",
                "score": score,
                "contribution": 100 if score > 8 else 0 if score > 6 else -100,
                "responded_at": datetime(day.year, day.month, day.day, 12),
                "responded_on": day,
                "response_id": str(number),
                "source": "telco",
            }
        )
    return rows


@pytest.mark.parametrize("month", STARTS)
def test_scores_of_fiscal_periods_agree_with_pandas(month: int):
    given = answers(month)
    with filled(marts__fct_nps_responses=given) as connection:
        build(connection, month, *MODELS[:5])
        found = connection.execute(
            "select time_grain, period_start, period_end, basis, promoters, passives, detractors "
            "from nps.marts.fct_nps_by_period where time_grain like 'fiscal%'"
        ).fetchall()
        bars = connection.execute(
            "select time_grain, period_start, period_end, basis, score, responses "
            "from nps.marts.fct_nps_score_histogram "
            "where time_grain like 'fiscal%' and dimension = 'all'"
        ).fetchall()
    frame = pd.DataFrame(given).assign(number=range(len(given)))
    every = with_periods(frame, "responded_on", month).sort_values(["responded_at", "number"])
    last = every.groupby(["grain", "start", "voice_key"]).tail(1)
    voices = pd.concat([every.assign(basis="responses"), last.assign(basis="customers")])
    cells = ["grain", "start", "end", "basis"]
    sizes = voices.groupby([*cells, "contribution"]).size().unstack(fill_value=0)
    sizes = sizes.reindex(columns=[100, 0, -100], fill_value=0)
    assert sorted(found) == sorted((*key, *row) for key, *row in sizes.itertuples(name=None))
    expected = voices.groupby([*cells, "score"]).size()
    assert sorted(bars) == sorted((*key, count) for key, count in expected.items())


def test_a_fiscal_period_is_compared_with_the_one_before():
    """From April: of FY 2024 (ending March 2024) 5 promoters, of FY 2025 6, of FY 2026 7."""
    rows = [
        {"responded_on": day, "count": count}
        for day, count in ((date(2024, 3, 31), 5), (date(2024, 4, 1), 6), (date(2025, 4, 1), 7))
    ]
    days = [
        {
            "metric": "nps", "survey_type": "relational", "responded_on": row["responded_on"],
            "dimension": "all", "segment": "all", "score": 9, "contribution": 100,
            "responses": row["count"],
            **{f"voices_{g}": row["count"] for g in ("day", "week", "month", "quarter", "year", "all")},
        }
        for row in rows
    ]  # fmt: skip
    with filled(intermediate__int_nps_scores_counted=days) as connection:
        for grain in ("fiscal_quarter", "fiscal_year"):
            connection.execute(
                f"alter table nps.intermediate.int_nps_scores_counted add column voices_{grain} bigint"
            )
            connection.execute(
                f"update nps.intermediate.int_nps_scores_counted set voices_{grain} = responses"
            )
        build(connection, 4, *MODELS[1:3], "int_periods_paired", "int_periods_compared")
        found, a_year_before = (
            connection.execute(
                "select period_start, compared_period_start, period_end, promoters, "
                "compared_promoters from nps.intermediate.int_periods_compared where "
                f"{of_which} and basis = 'customers' order by period_start"
            ).fetchall()
            for of_which in (
                "time_grain = 'fiscal_year' and comparison = 'previous_period'",
                "time_grain = 'fiscal_quarter' and comparison = 'previous_year'",
            )
        )
    assert found == [
        (date(2024, 4, 1), date(2023, 4, 1), date(2025, 3, 31), 6, 5),
        (date(2025, 4, 1), date(2024, 4, 1), date(2026, 3, 31), 7, 6),
    ]
    assert a_year_before == [(date(2025, 4, 1), date(2024, 4, 1), date(2025, 6, 30), 7, 6)]


def test_cohorts_of_fiscal_periods_agree_with_pandas():
    rng = random.Random(1)
    given = [
        {
            "source": "s", "survey_key": "k", "survey_id": "s", "metric": "nps",
            "survey_type": "relational", "channel": "email",
            "sent_on": date(2023, 1, 1) + timedelta(days=rng.randrange(1000)),
        }
        for _ in range(200)
    ]  # fmt: skip
    with filled(intermediate__int_invitations_identified=given) as connection:
        build(connection, 4, "fct_response_rates")
        found = connection.execute(
            "select time_grain, cohort_start, cohort_end, sent from nps.marts.fct_response_rates "
            "where time_grain like 'fiscal%'"
        ).fetchall()
    every = with_periods(pd.DataFrame(given), "sent_on", 4)
    expected = every.groupby(["grain", "start", "end"]).size()
    assert sorted(found) == sorted((*key, count) for key, count in expected.items())


def test_growth_has_every_fiscal_period_once():
    """From the first movement to as_of; the last of them ends with as_of, the next has not begun."""
    moved = [{"customer_key": "c", "moved_on": date(2024, 5, 17), "kind": "new", "amount": 1.0}]
    with filled(intermediate__int_mrr_movements_signed=moved) as connection:
        build(connection, 4, "int_growth_periods_listed", "int_mrr_periods_classified")
        listed = connection.execute(
            "select time_grain, period_start, period_end, is_complete "
            "from nps.intermediate.int_growth_periods_listed where time_grain like 'fiscal%'"
        ).fetchall()
        periods = connection.execute(
            "select time_grain, period_start from nps.intermediate.int_mrr_periods_classified "
            "where time_grain like 'fiscal%'"
        ).fetchall()
    expected = [
        (grain, period.start_time.date(), period.end_time.date(), True)
        for grain, rule in (("fiscal_quarter", "Q-MAR"), ("fiscal_year", "Y-MAR"))
        for period in pd.period_range("2024-05-17", AS_OF, freq=rule)
    ]
    assert sorted(listed) == expected
    assert sorted(periods) == [
        ("fiscal_quarter", date(2024, 4, 1)),
        ("fiscal_year", date(2024, 4, 1)),
    ]


def test_published_figures_of_another_fiscal_year_are_not_restated():
    """The year from July 2024 was published before the year was set to begin in April."""
    published = [
        {
            "metric": "nps", "survey_type": "relational", "time_grain": grain,
            "period_start": date(2024, month, 1), "period_end": date(2025, month - 1, 28),
            "basis": "responses", "promoters": 1, "passives": 0, "detractors": 0,
            "as_of_on": AS_OF,
        }
        for grain, month in (("fiscal_year", 4), ("fiscal_year", 7), ("quarter", 7))
    ]  # fmt: skip
    with filled(raw__published_figures=published) as connection:
        build(connection, 4, "nps_restatements")
        found = connection.execute(
            "select time_grain, period_start from nps.marts.nps_restatements order by all"
        ).fetchall()
        calendar = connection.execute(compiled("nps_restatements")).to_arrow_table().to_pylist()
    assert found == [("fiscal_year", date(2024, 4, 1)), ("quarter", date(2024, 7, 1))]
    assert [row["time_grain"] for row in calendar] == ["quarter"]
