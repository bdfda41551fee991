"""Series of scores for the models of trend, control chart and change points, and these models' rows."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from dbt_support import PROJECT_DIR, compiled, nodes, rebuild

SERIES = ["time_grain", "basis", "metric", "survey_type", "dimension", "segment"]
COUNTS = ["promoters", "passives", "detractors"]
# the first day of the first period, and pandas' name of its grain
FIRST = "2020-01-01"
FREQUENCIES = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


@cache
def change_points_model() -> ModuleType:
    """The Python model that searches change points, loaded from its file as dbt loads it."""
    path = PROJECT_DIR / nodes("model")["int_change_points_searched"]["original_file_path"]
    spec = importlib.util.spec_from_file_location("int_change_points_searched", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Dbt:
    """What dbt hands to a Python model: `ref` of a seed or an intermediate model."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def ref(self, name: str) -> duckdb.DuckDBPyRelation:
        schema = "seeds" if name in nodes("seed") else "intermediate"
        return self.connection.sql(f'select * from nps.{schema}."{name}"')


def periods_of(counts: np.ndarray, grain: str = "quarter") -> pd.DataFrame:
    """Scored periods of many series, the total of a survey type each.

    Args:
        counts: promoters, passives and detractors, by series and period.
        grain: of the periods, which follow each other.
    """
    series, length, _ = counts.shape
    periods = pd.period_range(FIRST, periods=length, freq=FREQUENCIES[grain])
    flat = counts.reshape(-1, 3)
    responses = flat.sum(axis=1)
    return pd.DataFrame(
        {
            "time_grain": grain,
            "period_start": np.tile(periods.start_time, series),
            "period_end": np.tile(periods.end_time.normalize(), series),
            "basis": "customers",
            "metric": "nps",
            "survey_type": np.repeat([f"case {n:05d}" for n in range(series)], length),
            "dimension": "all",
            "segment": "all",
            "responses": responses,
            **dict(zip(COUNTS, flat.T, strict=True)),
            "nps": 100 * (flat[:, 0] - flat[:, 2]) / responses,
            "is_suppressed": False,
        }
    )


def fill(connection: duckdb.DuckDBPyConnection, table: str, rows: Any) -> None:
    """Fill a table from a frame or an Arrow table, by column names."""
    connection.execute(f"delete from {table}")
    connection.register("filling", rows)
    connection.execute(f"insert into {table} by name from filling")
    connection.unregister("filling")


def judge(
    connection: duckdb.DuckDBPyConnection, periods: pd.DataFrame, as_of: str = "2099-12-31"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of nps_trend and of nps_control_chart that the models make of scored periods."""
    connection.execute("delete from nps.raw.workspace")
    connection.execute(
        "insert into nps.raw.workspace (as_of_on, min_group_size) values (?, 5)", [as_of]
    )
    fill(connection, "intermediate.int_periods_scored", periods)
    rebuild(connection, ["int_series_standardised"])
    splits = change_points_model().model(Dbt(connection), connection)
    fill(connection, "intermediate.int_change_points_searched", splits.to_arrow_table())
    connection.execute("delete from nps.marts.nps_control_chart")
    connection.execute(
        f"insert into nps.marts.nps_control_chart by name {compiled('nps_control_chart')}"
    )
    order = [*SERIES, "period_start"]
    chart = connection.sql("from nps.marts.nps_control_chart").df()
    trend = connection.sql(compiled("nps_trend")).df()
    return (
        trend.sort_values(SERIES, ignore_index=True),
        chart.sort_values(order, ignore_index=True),
    )
