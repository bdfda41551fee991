"""Rolling score, significance of change and goals: compiled models against pandas, scipy and exact
arithmetic, on a hundred random cases each; and every setting that they read, changed.

The cases of one reference share a table: a case is a survey type, and those are never pooled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database
from scipy import stats

CASES = 100
TOLERANCE = 1e-9
AS_OF = date(2025, 3, 31)
MIN_GROUP_SIZE = 3
PRIORS = {"nps": (0.75, 1.5, 0.75), "csat": (2, 2, 0)}
PRIORS_OF_TWO = {"nps": (0.75, 1.5, 0.75), "csat": (1, 1, 0)}
COUNTS = ["promoters", "passives", "detractors"]
COMPARED = [f"compared_{count}" for count in COUNTS]


class Warehouse:
    """The models' inputs as tables to fill, and the models as queries on them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.set_workspace()
        self.connection.execute("insert into nps.raw.rolling_windows values (1), (7), (30)")

    def set_workspace(self, as_of: date = AS_OF, min_group_size: int = MIN_GROUP_SIZE) -> None:
        self.connection.execute("delete from nps.raw.workspace")
        self.connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values (?, ?)",
            [as_of, min_group_size],
        )

    def fill(self, table: str, rows: pd.DataFrame) -> None:
        self.connection.execute(f"delete from {table}")
        if len(rows):
            self.connection.register("filling", rows)
            self.connection.execute(f"insert into {table} by name from filling")
            self.connection.unregister("filling")

    def build(self, model: str) -> None:
        self.connection.execute(f"delete from nps.intermediate.{model}")
        self.connection.execute(f"insert into nps.intermediate.{model} {compiled(model)}")

    def query(self, model: str) -> pd.DataFrame:
        return self.connection.sql(compiled(model)).df()

    def rolling(self, answers: pd.DataFrame) -> pd.DataFrame:
        self.fill("marts.fct_nps_responses", answers)
        self.build("int_days_listed")
        self.build("int_answers_followed")
        self.build("int_rolling_changes_counted")
        return self.query("fct_nps_rolling")

    def compare(self, cells: pd.DataFrame, model: str = "nps_change_significance") -> pd.DataFrame:
        """The model's rows on scored periods, filled from cells and their sums."""
        rows = with_totals(cells)
        rows = rows.assign(responses=rows[COUNTS].sum(axis=1))
        score = 100 * (rows["promoters"] - rows["detractors"]) / rows["responses"]
        is_suppressed = rows["responses"] < MIN_GROUP_SIZE
        scored = rows.assign(nps=score.mask(is_suppressed), is_suppressed=is_suppressed)
        self.fill("intermediate.int_periods_scored", scored)
        self.build("int_periods_paired")
        self.build("int_periods_compared")
        # nobody answers twice here: tests/models/test_comparisons.py begins with answers
        self.build("int_changes_measured")
        self.build("int_test_levels_listed")
        return self.query(model)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with empty_database() as connection:
        yield Warehouse(connection)


def agree(found: pd.Series, expected: pd.Series) -> None:
    """Within 1e-9, and NULL where NULL."""
    np.testing.assert_allclose(
        found.astype(float), expected.astype(float), rtol=0, atol=TOLERANCE, equal_nan=True
    )


# --- rolling score ------------------------------------------------------------------------------

FIRST = date(2025, 1, 25)
CELL = ["as_of_on", "window_days", "metric", "survey_type", "dimension", "segment"]
DIMENSIONS = {"region": "region", "channel": "channel", "survey": "survey_id"}


def answers(seed: int, cases: int = CASES) -> pd.DataFrame:
    """Few voices on few days, so that they meet often: on one day, at one instant, windows apart."""
    rng = random.Random(seed)
    rows = []
    for case in range(cases):
        for number in range(rng.randint(1, 25)):
            day = FIRST + timedelta(rng.choice((0, 1, 2, 6, 7, 8, 30, 31, 60, rng.randint(0, 65))))
            rows.append(
                {
                    "source": "telco",
                    "response_id": str(number),
                    "voice_key": rng.choice("abcd"),
                    "metric": rng.choice(("nps", "nps", "csat")),
                    "survey_type": f"case {case}",
                    "contribution": rng.choice((-100, 0, 100)),
                    "region": rng.choice(("north", "south", None)),
                    "plan": None,
                    "channel": rng.choice(("mail", None)),
                    "touchpoint": None,
                    "survey_id": rng.choice(("s1", "s2")),
                    "responded_on": day,
                    "responded_at": datetime(day.year, day.month, day.day, rng.choice((0, 12, 23))),
                    "version_at": rng.choice((None, datetime(2025, 4, 1), datetime(2025, 4, 2))),
                }
            )
    return pd.DataFrame(rows)


def latest_of_windows(rows: pd.DataFrame, windows: tuple[int, ...]) -> pd.DataFrame:
    """Each voice's latest answer of each window as of each day, by joining all with all."""
    rows = rows.assign(
        version=pd.to_datetime(rows["version_at"]).fillna(pd.Timestamp(1900, 1, 1)),
        length=rows["response_id"].str.len(),
        responded_on=pd.to_datetime(rows["responded_on"]),
    )
    days = pd.DataFrame({"as_of_on": pd.date_range(rows["responded_on"].min(), AS_OF)})
    every = rows.merge(days, "cross").merge(pd.DataFrame({"window_days": windows}), "cross")
    age = (every["as_of_on"] - every["responded_on"]).dt.days
    inside = every[(age >= 0) & (age < every["window_days"])]
    inside = inside.sort_values(["responded_at", "version", "length", "response_id"])
    voice = ["as_of_on", "window_days", "metric", "survey_type", "voice_key"]
    return inside.groupby(voice).tail(1)


def rolling_reference(rows: pd.DataFrame, windows: tuple[int, ...]) -> pd.DataFrame:
    """Counts by cell, of the total and of three dimensions."""
    latest = latest_of_windows(rows, windows)
    parts = [latest.assign(dimension="all", segment="all")]
    for dimension, column in DIMENSIONS.items():
        segment = latest[column].fillna("(unknown)")
        parts.append(latest.assign(dimension=dimension, segment=segment))
    sizes = pd.concat(parts).groupby([*CELL, "contribution"]).size().unstack(fill_value=0)
    sizes = sizes.reindex(columns=[100, 0, -100], fill_value=0)
    return sizes.set_axis(COUNTS, axis=1).reset_index()


def wald(rows: pd.DataFrame, priors: dict[str, tuple]) -> tuple[pd.Series, pd.Series]:
    """Score and standard error in points of counts raised by their metric's priors."""
    added = np.array([priors[metric] for metric in rows["metric"]]).reshape(-1, 3)
    p, m, d = (rows[[*rows.columns[-3:]]].to_numpy(float) + added).T
    n = p + m + d
    mean = np.divide(p - d, n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.divide(p + d, n, out=np.full(len(n), np.nan), where=n > 0)
    error = np.sqrt(np.maximum(0, squares - mean**2) / np.where(n > 0, n, np.nan))
    return pd.Series(100 * mean), pd.Series(100 * error)


def test_rolling_scores_agree_with_pandas(warehouse):
    rows = answers(seed=1)
    found = warehouse.rolling(rows)
    found = found[found["dimension"].isin(("all", *DIMENSIONS))]
    expected = rolling_reference(rows, (1, 7, 30))
    both = found.merge(expected, "outer", CELL, suffixes=("", "_expected"), indicator=True)
    assert (both["_merge"] == "both").all()
    assert len(both) == len(found) == len(expected) > 10_000
    for count in COUNTS:
        assert (both[count] == both[f"{count}_expected"]).all(), count
    assert (both["responses"] == both[COUNTS].sum(axis=1)).all()
    is_suppressed = both["responses"] < MIN_GROUP_SIZE
    assert (both["is_suppressed"] == is_suppressed).all()
    assert 0 < is_suppressed.mean() < 1
    score, error = wald(both[["metric", *COUNTS]], dict.fromkeys(PRIORS, (0, 0, 0)))
    centre, adjusted = wald(both[["metric", *COUNTS]], PRIORS)
    width = stats.norm.ppf(0.975) * adjusted
    agree(both["nps"], score.mask(is_suppressed))
    # answers of one class alone have no spread: the adjusted error stands in
    is_one_class = both[COUNTS].max(axis=1) == both["responses"]
    agree(both["standard_error"], error.mask(is_one_class, adjusted).mask(is_suppressed))
    agree(both["ci_low"], (centre - width).clip(lower=-100).mask(is_suppressed))
    agree(both["ci_high"], (centre + width).clip(upper=100).mask(is_suppressed))


def test_segments_of_a_window_add_up_to_its_total(warehouse):
    """Every dimension's, on every day: whoever moves between segments is counted once."""
    found = warehouse.rolling(answers(seed=2))
    key = CELL[:4]
    totals = found[found["dimension"] == "all"].set_index(key)[COUNTS].sort_index()
    for _, parts in found[found["dimension"] != "all"].groupby("dimension"):
        sums = parts.groupby(key)[COUNTS].sum().sort_index()
        pd.testing.assert_frame_equal(sums, totals, check_dtype=False)


def test_a_window_as_long_as_a_month_is_the_month(warehouse):
    """As of a month's last day: what basis customers counts, by another way."""
    rows = answers(seed=3)
    warehouse.connection.execute("delete from nps.raw.rolling_windows")
    warehouse.connection.execute("insert into nps.raw.rolling_windows values (28), (31)")
    rolling = warehouse.rolling(rows)
    warehouse.build("int_nps_scores_counted")
    warehouse.build("int_nps_days_counted")
    warehouse.build("int_periods_scored")
    months = warehouse.query("fct_nps_by_period")
    months = months[(months["time_grain"] == "month") & (months["basis"] == "customers")]
    rolling = rolling[
        (rolling["dimension"] == "all")
        & (rolling["as_of_on"] == rolling["as_of_on"] + pd.offsets.MonthEnd(0))
        & (rolling["window_days"] == rolling["as_of_on"].dt.day)
    ]
    figures = [*COUNTS, "nps", "standard_error", "ci_low", "ci_high", "is_suppressed"]
    series = ["metric", "survey_type"]
    pd.testing.assert_frame_equal(
        rolling.set_index([*series, "as_of_on"])[figures].sort_index(),
        months.set_index([*series, "period_end"])[figures]
        .sort_index()
        .rename_axis([*series, "as_of_on"]),
    )


def test_windows_and_as_of_are_settings(warehouse):
    rows = answers(seed=4, cases=5)
    before = warehouse.rolling(rows)
    assert set(before["window_days"]) == {1, 7, 30}
    assert before["as_of_on"].max() == pd.Timestamp(AS_OF)

    warehouse.connection.execute("delete from nps.raw.rolling_windows")
    warehouse.connection.execute("insert into nps.raw.rolling_windows values (7), (400)")
    after = warehouse.rolling(rows)
    assert set(after["window_days"]) == {7, 400}
    pd.testing.assert_frame_equal(
        *(t[t["window_days"] == 7].sort_values(CELL, ignore_index=True) for t in (before, after))
    )
    assert (after["window_days"] == 400).any()

    warehouse.set_workspace(as_of=date(2025, 3, 1))
    assert warehouse.rolling(rows)["as_of_on"].max() == pd.Timestamp(2025, 3, 1)
    warehouse.set_workspace(min_group_size=1)
    assert not warehouse.rolling(rows)["is_suppressed"].any()


@pytest.mark.parametrize(
    "change",
    [
        "update nps.seeds.assumptions set value = 1 where name = 'confidence_z'",
        "update nps.seeds.metrics set top_prior = 5",
    ],
)
def test_the_interval_is_the_seeds(warehouse, change: str):
    rows = answers(seed=5, cases=5)
    before = warehouse.rolling(rows).sort_values(CELL, ignore_index=True)
    warehouse.connection.execute(change)
    after = warehouse.rolling(rows).sort_values(CELL, ignore_index=True)
    shown = ~before["is_suppressed"]
    assert (before["ci_high"] != after["ci_high"])[shown].mean() > 0.5
    pd.testing.assert_series_equal(before["nps"], after["nps"])


def test_days_are_listed_from_the_first_answer(warehouse):
    rows = answers(seed=6, cases=1)
    warehouse.rolling(rows)
    listed = warehouse.query("int_days_listed")["as_of_on"].sort_values()
    expected = pd.date_range(min(rows["responded_on"]), AS_OF)
    assert list(listed) == list(expected)


# --- significance of change ---------------------------------------------------------------------

PERIOD = ["time_grain", "period_start", "basis", "metric", "survey_type"]
FAMILY = ["comparison", *PERIOD, "dimension"]
ROW = [*FAMILY, "segment"]
# one was without answers, and the last has one a year before
QUARTERS = [date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1), date(2025, 1, 1)]
FEWEST_OF_REST = 20


def cells(seed: int, cases: int = CASES) -> pd.DataFrame:
    """Four quarters and all time of up to five segments, some missing, some tiny, some alike."""
    rng = random.Random(seed)
    rows = []
    for case in range(cases):
        metric = rng.choice(("nps", "nps", "csat"))
        for start in (*QUARTERS, None):
            size = rng.choice((3, 10, 200, 10_000))
            for dimension in ("region", "plan"):
                segments = rng.sample(("a", "b", "c", "d", "e"), rng.randint(1, 5))
                counts = [tuple(rng.randint(0, size) for _ in COUNTS) for _ in segments]
                if len(counts) > 2 and rng.random() < 0.5:
                    counts[1] = counts[0]  # equal p-values
                for segment, (top, middle, bottom) in zip(segments, counts, strict=True):
                    rows.append(
                        {
                            "time_grain": "all" if start is None else "quarter",
                            "period_start": start or date(2024, 4, 2),
                            "period_end": (
                                (pd.Timestamp(start) + pd.offsets.QuarterEnd(0)).date()
                                if start
                                else date(2025, 3, 1)
                            ),
                            "basis": "responses",
                            "metric": metric,
                            "survey_type": f"case {case}",
                            "dimension": dimension,
                            "segment": segment,
                            "promoters": top or 1,
                            "passives": middle,
                            "detractors": 0 if metric == "csat" else bottom,
                        }
                    )
    frame = pd.DataFrame(rows)
    # the two dimensions cut the same answers: what plan lacks or has too many is one more segment
    sums = frame.groupby([*PERIOD, "period_end", "dimension"])[COUNTS].sum().unstack(fill_value=0)
    for dimension, other in (("plan", "region"), ("region", "plan")):
        lacking = pd.DataFrame(
            {c: (sums[c][other] - sums[c][dimension]).clip(lower=0) for c in COUNTS}
        )
        lacking = lacking[lacking.sum(axis=1) > 0].reset_index()
        frame = pd.concat([frame, lacking.assign(dimension=dimension, segment="(unknown)")])
    return frame.reset_index(drop=True)


def with_totals(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells and, as dimension all, the totals that region adds up to."""
    totals = frame[frame["dimension"] == "region"].groupby([*PERIOD, "period_end"])[COUNTS].sum()
    return pd.concat([frame, totals.reset_index().assign(dimension="all", segment="all")])


def pairs_reference(frame: pd.DataFrame) -> pd.DataFrame:
    """Both sides' counts of every comparison, by outer joins."""
    frame = with_totals(frame)
    ends = frame.groupby(PERIOD)["period_end"].first()
    names = dict(zip(COUNTS, COMPARED, strict=True))
    preceding = {
        "previous_period": {later: earlier for earlier, later in pairwise(QUARTERS)},
        "previous_year": {QUARTERS[3]: QUARTERS[0]},
    }
    key = [*PERIOD, "dimension", "segment"]
    tables = []
    for comparison, starts in preceding.items():
        following = {earlier: later for later, earlier in starts.items()}
        before = frame[frame["time_grain"] != "all"].rename(columns=names)
        before = before.assign(period_start=before["period_start"].map(following))
        before = before.dropna(subset="period_start").drop(columns="period_end")
        now = frame[(frame["time_grain"] != "all") & frame["period_start"].isin(starts)]
        both = now.merge(before, "outer", key)
        both["compared_period_start"] = both["period_start"].map(starts)
        tables.append(both.assign(comparison=comparison))

    segments = frame[frame["dimension"] != "all"]
    sums = segments.groupby([*PERIOD, "dimension"])[COUNTS].transform("sum")
    rests = (sums - segments[COUNTS]).rename(columns=names)
    rests = pd.concat([segments, rests], axis=1)
    rests = rests.assign(
        comparison="rest_of_dimension", compared_period_start=rests["period_start"]
    )
    pairs = pd.concat([*tables, rests])
    pairs[[*COUNTS, *COMPARED]] = pairs[[*COUNTS, *COMPARED]].fillna(0)
    return pairs.drop(columns="period_end").merge(ends.reset_index(), "left", PERIOD)


def significance_reference(frame: pd.DataFrame) -> pd.DataFrame:
    """Figures of all comparisons by scipy."""
    pairs = pairs_reference(frame).reset_index(drop=True)
    raw = dict.fromkeys(PRIORS, (0, 0, 0))
    nps, _ = wald(pairs[["metric", *COUNTS]], raw)
    compared_nps, _ = wald(pairs[["metric", *COMPARED]], raw)
    centre, error = wald(pairs[["metric", *COUNTS]], PRIORS_OF_TWO)
    compared_centre, compared_error = wald(pairs[["metric", *COMPARED]], PRIORS_OF_TWO)
    responses, compared = pairs[COUNTS].sum(axis=1), pairs[COMPARED].sum(axis=1)
    few, compared_few = responses < MIN_GROUP_SIZE, compared < MIN_GROUP_SIZE
    # answers of as many voices: clusters of one
    error *= np.sqrt(responses / (responses - 1))
    compared_error *= np.sqrt(compared / (compared - 1))
    both_errors = np.hypot(error, compared_error)
    change, tested = nps - compared_nps, centre - compared_centre
    is_rest = pairs["comparison"] == "rest_of_dimension"
    untested = np.select(
        [
            few | compared_few,
            is_rest & (pairs["segment"] == "(unknown)"),
            is_rest & (np.minimum(responses, compared) < FEWEST_OF_REST),
            change.round(9) * tested.round(9) < 0,
        ],
        ["suppressed", "unknown_segment", "too_few_answers", "too_few_to_test"],
        default="",
    )
    z = (tested / both_errors).mask(untested != "")
    pairs = pairs.assign(
        is_complete=pairs["period_end"] <= AS_OF,
        responses=responses,
        compared_responses=compared,
        nps=nps.mask(few),
        compared_nps=compared_nps.mask(compared_few),
        change=change.mask(few | compared_few),
        tested_change=tested.mask(few | compared_few),
        standard_error=both_errors.mask(few | compared_few),
        detectable_change=both_errors.mask(few | compared_few)
        * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)),
        untested_because=untested,
        z=z,
        p_value=2 * stats.norm.sf(z.abs()),
    )
    p = pairs["p_value"].dropna()
    families = p.groupby([pairs.loc[p.index, name] for name in FAMILY])
    adjusted = families.transform(lambda f: stats.false_discovery_control(f.to_numpy()))
    pairs["p_adjusted"] = adjusted.reindex(pairs.index)
    pairs["comparisons"] = pairs.groupby(FAMILY)["p_value"].transform("count")

    # a segment's share of both periods, and the score that it has in at least one of them
    totals = pairs.groupby(FAMILY)[["responses", "compared_responses"]].transform("sum")
    share = pairs["responses"] / totals["responses"]
    compared_share = pairs["compared_responses"] / totals["compared_responses"]
    n, compared_n = nps.fillna(compared_nps), compared_nps.fillna(nps)
    is_shown = (totals >= MIN_GROUP_SIZE).all(axis=1)
    has_effects = is_shown & ~is_rest
    rate = (share + compared_share) / 2 * (n - compared_n)
    mix = (n + compared_n) / 2 * (share - compared_share)
    return pairs.assign(rate_effect=rate.where(has_effects), mix_effect=mix.where(has_effects))


FIGURES = (
    *("nps", "compared_nps", "change", "tested_change", "standard_error", "z", "p_value"),
    *("p_adjusted", "detectable_change", "rate_effect", "mix_effect"),
)


def test_significance_agrees_with_scipy(warehouse):
    frame = cells(seed=11)
    found = warehouse.compare(frame)
    expected = significance_reference(frame)
    for table in (found, expected):
        for name in ("period_start", "compared_period_start"):
            table[name] = pd.to_datetime(table[name])
    both = found.merge(expected, "outer", ROW, suffixes=("", "_expected"), indicator=True)
    assert (both["_merge"] == "both").all()
    assert len(both) == len(found) == len(expected) > 5_000
    for name in (
        *("compared_period_start", "is_complete", "responses", "compared_responses"),
        "comparisons",
    ):
        assert (both[name] == both[f"{name}_expected"]).all(), name
    for name in FIGURES:
        agree(both[name], both[f"{name}_expected"])
    assert (both["untested_because"].fillna("") == both["untested_because_expected"]).all()
    assert both["untested_because"].nunique() == 4
    called = both["p_adjusted"].le(0.05)
    assert (both["is_significant"].isna() == both["p_adjusted"].isna()).all()
    assert (both["is_significant"].fillna(False).astype(bool) == called).all()
    assert 0 < called.mean() < 1
    # equal p-values, small cells and missing segments were among them
    assert both.dropna(subset="p_value").duplicated([*FAMILY, "p_value"]).any()
    assert (both["p_value"].isna() & (both["responses"] > 0)).any()
    assert (both["responses"] == 0).any() and (both["compared_responses"] == 0).any()


def test_rate_and_mix_add_up_to_the_totals_change(warehouse):
    found = warehouse.compare(cells(seed=12))
    found = found[found["comparison"] != "rest_of_dimension"]
    key = ["comparison", *PERIOD]
    totals = found[found["dimension"] == "all"].set_index(key)["change"]
    effects = (found["rate_effect"] + found["mix_effect"]).groupby(
        [found[name] for name in (*key, "dimension")]
    )
    sums = effects.sum(min_count=1).reset_index()
    agree(sums[0], sums.join(totals, on=key)["change"])
    assert sums[0].notna().sum() > CASES


def test_the_level_and_the_least_size_are_settings(warehouse):
    frame = cells(seed=13, cases=10)
    before = warehouse.compare(frame)
    warehouse.connection.execute(
        "update nps.seeds.assumptions set value = 0 where name = 'significance_level'"
    )
    none = warehouse.compare(frame)
    # nothing but a p of 0 in doubles is at most 0
    called = none["is_significant"].fillna(False).astype(bool)
    assert (none.loc[called, "p_adjusted"] == 0).all()
    assert called.sum() < before["is_significant"].fillna(False).astype(bool).sum()

    warehouse.set_workspace(min_group_size=100)
    fewer = warehouse.query("nps_change_significance")
    assert fewer["nps"].notna().sum() < before["nps"].notna().sum()
    assert fewer["p_value"].notna().sum() < before["p_value"].notna().sum()
    assert fewer["rate_effect"].notna().sum() < before["rate_effect"].notna().sum()


def test_the_priors_of_two_groups_are_the_seeds(warehouse):
    frame = cells(seed=14, cases=10)
    before = warehouse.compare(frame).sort_values(ROW, ignore_index=True)
    for prior in ("top", "middle", "bottom"):
        warehouse.connection.execute(f"update nps.seeds.metrics set {prior}_prior_of_two = 9")
        after = warehouse.compare(frame).sort_values(ROW, ignore_index=True)
        assert (before["z"] != after["z"])[before["z"].notna()].mean() > 0.5
        before = after


def test_a_period_is_complete_by_as_of(warehouse):
    frame = cells(seed=15, cases=2)
    assert warehouse.compare(frame)["is_complete"].all()  # as_of is the last quarter's last day
    warehouse.set_workspace(as_of=AS_OF - timedelta(1))
    found = warehouse.compare(frame)
    last = (found["time_grain"] == "quarter") & (found["period_start"] == pd.Timestamp(2025, 1, 1))
    assert (found["is_complete"] == ~last).all()


# --- goals --------------------------------------------------------------------------------------

TARGETS = (-100, -33.3, 0, 12.5, 30, 33.3, 50, 55, 70, 99.9, 100)


def goals(warehouse: Warehouse, frame: pd.DataFrame, *targets: float) -> pd.DataFrame:
    warehouse.fill(
        "seeds.nps_targets",
        pd.DataFrame({"metric": "nps", "target": [float(t) for t in targets]}),
    )
    return warehouse.compare(frame, "nps_goal")


def goal_cells(seed: int) -> pd.DataFrame:
    """Random cells, and such whose score or distance is a target's exactly."""
    rng = random.Random(seed)
    rows = []
    for number in range(CASES):
        size = rng.choice((1, 5, 100, 3_000))
        counts = tuple(rng.randint(0, size) for _ in COUNTS)
        if number % 4 == 0:
            # 33.3 and 99.9 of a thousand answers are whole numbers, and no such doubles; so is what
            # is missing, if it is to be a whole number of thousands of promoters
            target, thousands = (
                rng.choice((0, 125, 300, 333, 333, 999)),
                rng.randint(1, min(size, 300)),
            )
            most = (1000 + target) * thousands // (1000 - target)
            needed = rng.choice((0, rng.randint(0, most)))
            n, net = 1000 * thousands, target * thousands - (1000 - target) * needed
            bottom = rng.randint(max(0, -net), (n - net) // 2)
            counts = (net + bottom, n - net - 2 * bottom, bottom)
        rows.append((f"s{number}", *(counts if sum(counts) else (1, 0, 0))))
    frame = pd.DataFrame(rows, columns=["segment", *COUNTS])
    return frame.assign(
        time_grain="all", period_start=date(2024, 4, 2), period_end=date(2025, 3, 1),
        basis="responses", metric="nps", survey_type="relational", dimension="region",
    )  # fmt: skip


def is_reached(row: Any, promoters: int = 0, converted: int = 0) -> bool:
    """Whether the target is reached after so many promoters more and detractors converted."""
    target = Fraction(str(row.target))
    top, bottom = row.promoters + promoters + converted, row.detractors - converted
    return 100 * (top - bottom) >= target * (row.responses + promoters)


def test_so_many_reach_the_target_and_one_fewer_does_not(warehouse):
    found = goals(warehouse, goal_cells(seed=21), *TARGETS)
    shown = found[~found["is_suppressed"]]
    assert len(shown) > CASES * len(TARGETS) * 0.8
    exact = 0
    for row in shown.itertuples():
        needed, converted = row.promoters_needed, int(row.detractors_to_convert)
        assert is_reached(row, converted=converted)
        assert converted == 0 or not is_reached(row, converted=converted - 1)
        assert row.is_convertible == (converted <= row.detractors)
        if pd.isna(needed):
            assert row.target == 100 and not is_reached(row)
            continue
        needed = int(needed)
        assert is_reached(row, promoters=needed)
        assert needed == 0 or not is_reached(row, promoters=needed - 1)
        assert (needed == 0) == (converted == 0) == is_reached(row)
        assert row.promoters_to_offset == max(0, 5 * row.detractors - row.promoters)
        assert row.gap == pytest.approx(row.target - row.nps, abs=TOLERANCE)
        exact += 100 * (row.promoters - row.detractors) == Fraction(str(row.target)) * row.responses
    assert exact > 10
    hidden = found[found["is_suppressed"]]
    figures = ["nps", "gap", "promoters_needed", "detractors_to_convert", "is_convertible"]
    assert len(hidden) and hidden[[*figures, "promoters_to_offset"]].isna().all(axis=None)


def test_targets_and_the_rule_of_five_are_seeds(warehouse):
    frame = goal_cells(seed=22)
    assert set(goals(warehouse, frame, 30)["target"]) == {30}
    assert set(goals(warehouse, frame, 10, 20)["target"]) == {10, 20}
    warehouse.connection.execute(
        "update nps.seeds.assumptions set value = 2.5 where name = 'promoters_per_detractor'"
    )
    found = goals(warehouse, frame, 30)
    shown = found[~found["is_suppressed"]]
    for row in shown.itertuples():
        assert row.promoters_to_offset == max(0, ceil(2.5 * row.detractors - row.promoters))


def test_the_goal_is_of_the_latest_period(warehouse):
    """In which a segment may be missing, and which another survey type need not have reached."""
    frame = cells(seed=23, cases=20)
    frame = frame[(frame["metric"] == "nps")]
    others = frame["survey_type"] < "case 15"
    frame = frame[others | (frame["period_start"] < date(2025, 1, 1))]
    found = goals(warehouse, frame, 0, 50)
    latest = with_totals(frame).groupby(["time_grain", "survey_type"])["period_start"]
    expected = with_totals(frame)[
        with_totals(frame)["period_start"].to_numpy() == latest.transform("max").to_numpy()
    ]
    key = ["time_grain", "period_start", "survey_type", "dimension", "segment"]
    found["period_start"] = found["period_start"].dt.date
    for target in (0, 50):
        rows = found[found["target"] == target].set_index(key)[COUNTS].sort_index()
        pd.testing.assert_frame_equal(
            rows, expected.set_index(key)[COUNTS].sort_index(), check_dtype=False
        )
    assert found["period_start"].nunique() == 3
