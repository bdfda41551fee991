"""The headline's window, its score and its changes, against pandas and numpy on random answers."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from dbt_support import empty_database
from scipy import stats
from test_scores import AS_OF, MIN_GROUP_SIZE, PRIORS, PRIORS_OF_TWO, Warehouse, answers

LEAST = 6  # voices of a window
LEAST_MOVED = 10
DECLARED = 7
WINDOWS = (1, 7, 30)
SERIES = ["metric", "survey_type"]


@pytest.fixture(scope="module")
def found() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random answers, and what nps_headline makes of them, by metric and survey type."""
    rows = pd.concat([answers(seed=11), dense(seed=12)])
    with empty_database() as connection:
        warehouse = Warehouse(connection)
        connection.execute(f"update nps.raw.workspace set headline_window_days = {DECLARED}")
        connection.execute(
            f"update nps.seeds.assumptions set value = {LEAST} where name = 'min_headline_voices'"
        )
        rolling = warehouse.rolling(rows)
        warehouse.fill("marts.fct_nps_rolling", rolling)
        whole = latest(rows).groupby(SERIES).agg(responses=("voice_key", "size"))
        whole["period_start"] = rows.groupby(SERIES)["responded_on"].min()
        whole = whole.reset_index().assign(time_grain="all", basis="customers", dimension="all")
        warehouse.fill("intermediate.int_periods_scored", whole)
        warehouse.build("int_test_levels_listed")
        for model in ("windows_chosen", "voices_paired", "changes_tested"):
            warehouse.build(f"int_headline_{model}")
        headlines = warehouse.query("nps_headline")
    return rows, headlines.set_index(SERIES)


def dense(seed: int) -> pd.DataFrame:
    """Many voices that answer often: windows that share enough of them to be paired."""
    rng = np.random.default_rng(seed)
    parts = []
    for case in range(40):
        # some series have hardly any answer in the last days, and many before
        size = 20 if case % 5 == 0 else int(rng.integers(50, 200))
        back = rng.integers(6, 30, size) if case % 5 == 0 else rng.integers(0, 16, size)
        if case % 5 == 0:
            back[:2] = 35  # two answers in the window before
        day = pd.Series([AS_OF - timedelta(days=int(b)) for b in back])
        hours = pd.to_timedelta(rng.integers(0, 24, size), unit="h")
        parts.append(
            pd.DataFrame(
                {
                    "source": "telco",
                    "response_id": [f"{n:05}" for n in range(size)],
                    "voice_key": rng.integers(0, 40, size).astype(str),
                    "metric": "nps" if case % 4 else "csat",
                    "survey_type": f"dense {case}",
                    # a voice mostly says the same again
                    "contribution": 0,
                    "responded_on": day,
                    "responded_at": pd.to_datetime(day) + hours,
                }
            )
        )
        moods = rng.choice([-100, 0, 100], 40) if case % 4 else rng.choice([0, 100], 40)
        keeps = rng.random(size) < 0.8
        moved = rng.choice([-100, 0, 100] if case % 4 else [0, 100], size)
        voices = parts[-1]["voice_key"].astype(int).to_numpy()
        parts[-1]["contribution"] = np.where(keeps, moods[voices], moved)
    return pd.concat(parts)


def latest(rows: pd.DataFrame) -> pd.DataFrame:
    """Each voice's latest answer of a metric and survey type."""
    version = pd.to_datetime(rows["version_at"]).fillna(pd.Timestamp(1900, 1, 1))
    rows = rows.assign(version=version, length=rows["response_id"].str.len())
    rows = rows.sort_values(["responded_at", "version", "length", "response_id"])
    return rows.groupby([*SERIES, "voice_key"]).tail(1)


def window_of(rows: pd.DataFrame, end, days: int) -> pd.DataFrame:
    day = pd.to_datetime(rows["responded_on"])
    end = pd.Timestamp(end)
    return rows[(day <= end) & (day > end - pd.Timedelta(days=days))]


def chosen_days(rows: pd.DataFrame) -> int | None:
    sizes = {days: len(latest(window_of(rows, AS_OF, days))) for days in WINDOWS}
    return next((d for d in WINDOWS if d >= DECLARED and sizes[d] >= LEAST), None)


def paired_test(metric: str, own: pd.Series, other: pd.Series) -> tuple[float, float]:
    """Tested change and standard error in points; both by voice, on the -1..1 scale."""
    both = pd.concat([own, other], axis=1, join="inner")
    m = len(both)
    moved = int((both.iloc[:, 0] != both.iloc[:, 1]).sum())
    free = moved + len(own) + len(other) - 2 * m
    weight = 1.0 if free < LEAST_MOVED else 1 - m / math.sqrt(len(own) * len(other))
    covariance = np.cov(both.to_numpy(float), rowvar=False, ddof=0)[0, 1] if m else 0.0
    means, variances, sizes = [], [], []
    for marks in (own, other):
        added = zip((1, 0, -1), PRIORS_OF_TWO[metric], strict=True)
        counts = {mark: (marks == mark).sum() + weight * prior for mark, prior in added}
        n = sum(counts.values())
        mean = sum(mark * count for mark, count in counts.items()) / n
        squares = sum(mark**2 * count for mark, count in counts.items()) / n
        means.append(mean)
        variances.append((squares - mean**2) / n)
        sizes.append(n)
    variance = sum(variances) - 2 * m * covariance / (sizes[0] * sizes[1])
    return 100 * (means[0] - means[1]), 100 * math.sqrt(max(0.0, variance))


def by_voice(rows: pd.DataFrame) -> pd.Series:
    return latest(rows).set_index("voice_key")["contribution"] / 100


def test_the_shortest_window_with_enough_voices_is_shown(found):
    rows, headlines = found
    seen = set()
    for series, own in rows.groupby(SERIES):
        row, days = headlines.loc[series], chosen_days(own)
        assert (None if pd.isna(row["window_days"]) else row["window_days"]) == days
        marks = by_voice(window_of(own, AS_OF, days) if days else own)
        assert row["responses"] == len(marks)
        counts = [row["promoters"], row["passives"], row["detractors"]]
        assert counts == [(marks == mark).sum() for mark in (1, 0, -1)]
        if len(marks) >= MIN_GROUP_SIZE:
            assert row["nps"] == pytest.approx(100 * marks.mean(), abs=1e-9)
            n, top, _, bottom = len(marks), *PRIORS[series[0]]
            total = n + sum(PRIORS[series[0]])
            p, d = (counts[0] + top) / total, (counts[2] + bottom) / total
            half = stats.norm.ppf(0.975) * math.sqrt((p + d - (p - d) ** 2) / total)
            assert row["ci_low"] == pytest.approx(max(-100, 100 * (p - d - half)), abs=1e-9)
        seen.add(days)
    assert seen == {7, 30, None}


def test_answers_are_worth_their_effective_voices(found):
    rows, headlines = found
    for series, own in rows.groupby(SERIES):
        days, row = chosen_days(own), headlines.loc[series]
        sizes = (window_of(own, AS_OF, days) if days else own).groupby("voice_key").size()
        worth = sizes.sum() ** 2 / (sizes**2).sum()
        assert (row["answers"], row["effective_voices"]) == pytest.approx((sizes.sum(), worth))
        assert row["is_carried_by_few"] == (worth < 0.5 * sizes.sum())
    assert 0 < headlines["is_carried_by_few"].mean() < 1


def test_changes_are_tested_as_those_of_the_shared_voices(found):
    rows, headlines = found
    reasons, tested = set(), 0
    for series, own in rows.groupby(SERIES):
        row, days = headlines.loc[series], chosen_days(own)
        for name, back in (("previous_window", days), ("year_before", 365)):
            reason = row[f"{name}_untested_because"]
            reasons.add(reason)
            if days is None:
                assert reason == "no_window"
                continue
            now = by_voice(window_of(own, AS_OF, days))
            then = by_voice(window_of(own, AS_OF - timedelta(days=back), days))
            assert row[f"{name}_responses"] == len(then)
            if min(len(now), len(then)) < MIN_GROUP_SIZE:
                assert reason == ("suppressed" if len(then) else "no_answers")
                assert pd.isna(row[f"{name}_change"])
                continue
            change, error = paired_test(series[0], now, then)
            raw = 100 * (now.mean() - then.mean())
            assert row[f"{name}_change"] == pytest.approx(raw, abs=1e-9)
            assert row[f"{name}_tested_change"] == pytest.approx(change, abs=1e-9)
            shared = pd.concat([now, then], axis=1, join="inner")
            assert row[f"{name}_shared_voices"] == len(shared)
            assert row[f"{name}_moved_voices"] == (shared.iloc[:, 0] != shared.iloc[:, 1]).sum()
            if error < 1e-6 or round(raw, 9) * round(change, 9) < 0:
                assert reason == "too_few_to_test"
                continue
            assert row[f"{name}_standard_error"] == pytest.approx(error, abs=1e-9)
            p = 2 * stats.norm.sf(abs(change / error))
            assert row[f"{name}_p_value"] == pytest.approx(p, abs=1e-9)
            seen = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error
            assert row[f"{name}_detectable_change"] == pytest.approx(seen, abs=1e-9)
            tested += 1
    assert {"no_window", "no_answers", "suppressed"} <= reasons
    assert tested > 25
