"""The checks of trends hold on good tables, and for each there is a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from suites_support import failing

from expectations.suites.trends import TRENDS
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
ALL = [(table, check) for table, checks in TRENDS.items() for check in checks]
COUNTS = ["promoters", "passives", "detractors"]
SERIES = ["time_grain", "basis", "metric", "survey_type", "dimension", "segment"]
LENGTH, BREAK = 24, 12


def _counts() -> dict[str, list[tuple[int, int, int]]]:
    """Months of two regions: north steps down, south is all promoters; east has few months."""
    rng = np.random.default_rng(1)
    north = [
        tuple(map(int, rng.multinomial(100, (0.8, 0.15, 0.05) if n < BREAK else (0.4, 0.3, 0.3))))
        for n in range(LENGTH)
    ]
    return {"north": north, "south": [(30, 0, 0)] * LENGTH, "east": [(20, 5, 5)] * 3}


def _chart(frame: pd.DataFrame, length: int) -> pd.DataFrame:
    """One series' rows of the chart, with a change point in the middle of a long one."""
    total = frame[COUNTS].sum() / frame["responses"].sum()
    c = total["promoters"] - total["detractors"]
    v = total["promoters"] + total["detractors"] - c**2
    error = 100 * np.sqrt(v / frame["responses"])
    z = (frame["nps"] - 100 * c) / error
    sigma_z = max(1, z.diff().abs().mean() / 1.128)
    k = max(3, stats.norm.isf(0.025 / length))
    skew = c * (1 - c**2 - 3 * v) / v**1.5 / 6 / np.sqrt(frame["responses"]) * (k**2 - 1)
    below = 100 * c - error * (k * sigma_z - skew.clip(upper=0))
    above = 100 * c + error * (k * sigma_z + skew.clip(lower=0))
    is_change = np.arange(length) == BREAK
    level = 1 + is_change.cumsum()
    sums = frame.groupby(level)[[*COUNTS, "responses"]].transform("sum")
    return frame[[*SERIES, "period_start", "period_end", "responses", "nps"]].assign(
        standard_error=error,
        centre=100 * c,
        sigma_z=sigma_z,
        limit_sigmas=k,
        lower_limit=below.clip(lower=-100),
        upper_limit=above.clip(upper=100),
        is_signal=(frame["nps"] < below) | (frame["nps"] > above),
        is_change_point=is_change,
        change_p_value=np.where(is_change, 0.003, np.nan),
        level_number=level,
        level_nps=100 * (sums["promoters"] - sums["detractors"]) / sums["responses"],
    )


def _trend(frame: pd.DataFrame, chart: pd.DataFrame | None) -> dict[str, Any]:
    """One series' row of the trend; without a chart: too short, or all answers alike."""
    total = frame[COUNTS].sum() / frame["responses"].sum()
    c = total["promoters"] - total["detractors"]
    row = {name: frame[name].iloc[0] for name in SERIES} | {
        "first_period_start": frame["period_start"].min(),
        "last_period_end": frame["period_end"].max(),
        "periods": len(frame),
        "responses": int(frame["responses"].sum()),
        "nps": 100 * c,
        "unknown_because": None if chart is not None else "too_few_periods",
    }
    if chart is None and len(frame) == LENGTH:
        row["unknown_because"] = "no_variation"
    if chart is None:
        return row
    weights = 1 / chart["standard_error"] ** 2
    years = (frame["period_start"] - frame["period_start"].min()).dt.days / 365.25
    years -= np.average(years, weights=weights)
    squares = (weights * years**2).sum()
    slope = (weights * years * frame["nps"]).sum() / squares
    left = frame["nps"] - 100 * c - slope * years
    dispersion = (weights * left**2).sum() / (len(frame) - 2)
    error = np.sqrt(max(1, dispersion) / squares)
    half = stats.t.ppf(0.975, len(frame) - 2) * error
    p = 2 * stats.t.sf(abs(slope / error), len(frame) - 2)
    return row | {
        **{"slope_per_year": slope, "standard_error": error, "dispersion": dispersion},
        **{"ci_low": slope - half, "ci_high": slope + half},
        **{"p_value": p, "signals": int(chart["is_signal"].sum()), "change_points": 1},
        "latest_signal_start": chart.loc[chart["is_signal"], "period_start"].max(),
        "latest_change_start": frame["period_start"].iloc[BREAK],
    }


def _tables() -> dict[str, pd.DataFrame]:
    """The published periods, and both tables of their series."""
    starts = pd.date_range("2024-01-01", periods=LENGTH, freq="MS")
    regions, counts = [], _counts()
    for name, months in counts.items():
        frame = pd.DataFrame(months, columns=COUNTS)
        regions.append(
            frame.assign(segment=name, dimension="region", period_start=starts[: len(frame)])
        )
    total = pd.concat(regions).groupby("period_start", as_index=False)[COUNTS].sum()
    cells = pd.concat([*regions, total.assign(dimension="all", segment="all")], ignore_index=True)
    cells = cells.assign(
        **{"time_grain": "month", "basis": "customers", "metric": "nps"},
        survey_type="relational",
        period_end=cells["period_start"] + pd.offsets.MonthEnd(0),
        responses=cells[COUNTS].sum(axis=1),
    )
    cells["nps"] = 100 * (cells["promoters"] - cells["detractors"]) / cells["responses"]
    charts, trends = [], []
    for (_, segment), frame in cells.groupby(["dimension", "segment"]):
        chart = _chart(frame, LENGTH) if segment in ("all", "north") else None
        charts += [] if chart is None else [chart]
        trends.append(_trend(frame, chart))
    trend = pd.DataFrame(trends)
    # one tested series a family: nothing to correct
    trend["comparisons"] = 1
    trend["p_adjusted"] = trend["p_value"]
    trend["is_significant"] = (
        (trend["p_value"] <= 0.05).astype("boolean").where(trend["p_value"].notna())
    )
    whole = cells["dimension"] == "all"
    # none of it belongs to a series: a month that is not over, days, answers that count twice, few
    other = cells[whole].head(1)
    others = [
        other.assign(period_start=pd.Timestamp(2026, 1, 1), period_end=pd.Timestamp(2026, 1, 31)),
        *(other.assign(**o) for o in ({"time_grain": "day"}, {"basis": "responses"})),
        other.assign(period_start=pd.Timestamp(2023, 1, 1), period_end=pd.Timestamp(2023, 1, 31),
                     promoters=1, passives=0,
                     detractors=0, responses=1),
    ]  # fmt: skip
    by_period = pd.concat([cells[whole], *others]).drop(columns=["dimension", "segment"])
    return {
        "fct_nps_by_period": by_period,
        "fct_nps_by_segment_period": cells[~whole],
        "nps_trend": trend,
        "nps_control_chart": pd.concat(charts),
    }


@pytest.fixture(scope="module")
def good_trends(tmp_path_factory) -> Path:
    """A small warehouse with the tables of trends, in which every check holds."""
    path = tmp_path_factory.mktemp("trends") / "good.duckdb"
    dates = ("period_start", "period_end", "first_period_start", "last_period_end")
    dates += ("latest_signal_start", "latest_change_start")
    with duckdb.connect(str(path)) as connection:
        for schema in ("raw", "seeds", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(
            "create table raw.workspace as select date '2025-12-31' as as_of_on, "
            "5 as min_group_size"
        )
        connection.execute(
            f"create table seeds.assumptions as from read_csv('{SEEDS / 'assumptions.csv'}')"
        )
        for name, frame in _tables().items():
            days = [f"{c}::date as {c}" for c in dates if c in frame]
            connection.register("filling", frame)
            connection.execute(
                f"create table marts.{name} as select * replace ({', '.join(days)}) from filling"
            )
            connection.unregister("filling")
        connection.execute("update marts.nps_control_chart set change_p_value = null "
                           "where isnan(change_p_value)")  # fmt: skip
        for column in ("slope_per_year", "standard_error", "ci_low", "ci_high", "dispersion",
                       "p_value", "p_adjusted"):  # fmt: skip
            connection.execute(f"update marts.nps_trend set {column} = null where isnan({column})")
    return path


TREND, CHART = "nps_trend", "nps_control_chart"
JUDGED = "unknown_because is null"
# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
MISTAKES = {
    (TREND, "keys"): f"insert into marts.{TREND} from marts.{TREND} where segment = 'east'",
    (TREND, "series"): f"delete from marts.{TREND} where segment = 'east'",
    (TREND, "series responses"): f"update marts.{TREND} set responses = responses + 1",
    (TREND, "series score"): f"update marts.{TREND} set nps = nps + 0.001",
    (TREND, "series reason"): (
        f"update marts.{TREND} set unknown_because = 'too_few_periods' where segment = 'south'"
    ),
    (TREND, "fitted"): (
        f"update marts.{TREND} set slope_per_year = slope_per_year + 0.001, "
        "ci_low = ci_low + 0.001, ci_high = ci_high + 0.001"
    ),
    (TREND, "fitted error"): f"update marts.{TREND} set standard_error = standard_error - 0.001",
    (TREND, "fitted dispersion"): f"update marts.{TREND} set dispersion = dispersion + 0.001",
    (TREND, "tested"): f"update marts.{TREND} set ci_low = ci_low - 0.001",
    (TREND, "tested p"): f"update marts.{TREND} set p_value = 0.9, p_adjusted = 0.9, "
    "is_significant = false where segment = 'north'",
    (TREND, "tested width"): (
        f"update marts.{TREND} set ci_low = slope_per_year - standard_error, "
        "ci_high = slope_per_year + standard_error"
    ),
    (TREND, "corrected"): f"update marts.{TREND} set comparisons = 2 where {JUDGED}",
    (TREND, "corrected level"): f"update marts.{TREND} set is_significant = not is_significant",
    (TREND, "marks"): f"update marts.{TREND} set signals = signals + 1",
    (TREND, "marks change"): (
        f"update marts.{TREND} set latest_change_start = latest_change_start + 1"
    ),
    (TREND, "no_emails"): "; ".join(
        f"update marts.{table} set segment = 'ann@mail.example' where segment = 'east'"
        for table in (TREND, "fct_nps_by_segment_period")
    ),
    (CHART, "keys"): (
        f"create table doubled as from marts.{CHART} where not is_signal limit 1; "
        f"insert into marts.{CHART} from doubled"
    ),
    (CHART, "limits"): f"update marts.{CHART} set lower_limit = lower_limit - 0.001",
    (CHART, "limits upper"): f"update marts.{CHART} set upper_limit = upper_limit + 0.001 "
    "where upper_limit < 99",
    (CHART, "limits width"): f"update marts.{CHART} set sigma_z = sigma_z + 0.001",
    (CHART, "limits centre"): f"update marts.{CHART} set centre = centre + 0.001",
    (CHART, "limits error"): f"update marts.{CHART} set standard_error = standard_error + 0.001",
    (CHART, "sigmas"): (
        "update seeds.assumptions set value = 0.03 where name = 'significance_level'"
    ),
    (CHART, "sigmas least"): "update seeds.assumptions set value = 4 where name = 'chart_sigmas'",
    (CHART, "levels"): f"update marts.{CHART} set level_number = level_number + 1",
    (CHART, "levels score"): f"update marts.{CHART} set level_nps = level_nps + 0.001",
    (CHART, "levels p"): f"update marts.{CHART} set change_p_value = 0.06 where is_change_point",
    (CHART, "no_emails"): "; ".join(
        f"update marts.{table} set survey_type = 'ann@mail.example'"
        for table in (CHART, TREND, "fct_nps_by_period", "fct_nps_by_segment_period")
    ),
}
# What another check finds as well: the same address in the other table, a period that counts twice.
ALSO = {
    (CHART, "no_emails"): {(TREND, "no_emails")},
    (CHART, "keys"): {(CHART, "levels")},
}


def _found(database: Path) -> set[tuple[str, str]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return failing(connection, ALL)


def _corrupt(good: Path, folder: Path, statements: str) -> Path:
    bad = Path(shutil.copy(good, folder / "bad.duckdb"))
    with duckdb.connect(str(bad)) as connection:
        connection.execute(statements)
    return bad


def test_good_trends_pass(good_trends):
    results = validate(good_trends, TRENDS, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []
    assert len(results) == len(ALL)


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_in_trends_is_found_by_its_check_alone(mistake, good_trends, tmp_path):
    table, name = mistake[0], mistake[1].split()[0]
    found = _found(_corrupt(good_trends, tmp_path, MISTAKES[mistake]))
    assert found == {(table, name), *ALSO.get(mistake, ())}


def test_every_check_of_trends_can_fail():
    tried = {(table, name.split()[0]) for table, name in MISTAKES}
    assert {(table, check.name) for table, check in ALL} == tried


def test_empty_trends_pass(good_trends, tmp_path):
    """A warehouse without answers says nothing, and nothing wrong."""
    tables = (*TRENDS, "fct_nps_by_period", "fct_nps_by_segment_period")
    empty = "; ".join(f"delete from marts.{table}" for table in tables)
    assert _found(_corrupt(good_trends, tmp_path, empty)) == set()
