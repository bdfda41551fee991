"""The checks of scores hold on good tables, and for each there is a mistake that it alone finds."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from comparison_support import compared, comparisons
from suites_support import failing

from expectations.suites.changes import CHANGES as CHANGES_OF_SCORES
from expectations.suites.scores import SCORES
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
NORMAL = NormalDist()
Z = 1.959963984540054
AS_OF, WINDOWS, FEWEST, FEWEST_OF_REST = date(2025, 12, 31), (30, 60), 2, 2
SUITES = {**SCORES, **CHANGES_OF_SCORES}
ALL = [(table, check) for table, checks in SUITES.items() for check in checks]

Counts = tuple[int, int, int]
PRIOR = (0.75, 1.5, 0.75)


def _wald(counts: Iterable[float]) -> tuple[float, float]:
    """Score and standard error in points."""
    p, m, d = counts
    n = p + m + d
    return 100 * (p - d) / n, 100 * math.sqrt(max(0, (p + d) / n - ((p - d) / n) ** 2) / n)


def _raised(counts: Counts) -> tuple[float, ...]:
    return tuple(count + prior for count, prior in zip(counts, PRIOR, strict=True))


def _score(counts: Counts) -> float | None:
    return _wald(counts)[0] if sum(counts) >= FEWEST else None


def _scored(counts: Counts) -> dict[str, Any]:
    """Counts and figures as the published tables have them."""
    figures = dict.fromkeys(("nps", "standard_error", "ci_low", "ci_high"))
    if sum(counts) >= FEWEST:
        score, error = _wald(counts)
        centre, adjusted = _wald(_raised(counts))
        low, high = (centre + side * 1.96 * adjusted for side in (-1, 1))
        figures = {
            # answers of one class alone have no spread: the adjusted error stands in
            **{"nps": score, "standard_error": error or adjusted},
            **{"ci_low": max(-100.0, low), "ci_high": min(100.0, high)},
        }
    names = ("promoters", "passives", "detractors")
    return {
        **{"responses": sum(counts), **dict(zip(names, counts, strict=True))},
        **figures,
        "is_suppressed": sum(counts) < FEWEST,
    }


def _rolling(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """Day by day, window by window, answer by answer."""
    answers = connection.execute(
        """
        select voice_key, responded_on, contribution, coalesce(region, '(unknown)'), channel,
            coalesce(touchpoint, '(unknown)'), survey_id
        from marts.fct_nps_responses order by responded_at
        """
    ).fetchall()
    rows = []
    days = (AS_OF - answers[0][1]).days
    for as_of_on in (AS_OF - timedelta(ago) for ago in range(days + 1)):
        for window in WINDOWS:
            latest = {
                answer[0]: answer[2:]
                for answer in answers
                if as_of_on - timedelta(window) < answer[1] <= as_of_on
            }
            cells: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
            for contribution, *segments in latest.values():
                dimensions = ("all", "region", "channel", "touchpoint", "survey")
                for cell in zip(dimensions, ("all", *segments), strict=True):
                    cells[cell][1 - contribution // 100] += 1
            rows += [
                {
                    **{"as_of_on": as_of_on, "window_days": window, "metric": "nps"},
                    **{"survey_type": "relational", "dimension": dimension, "segment": segment},
                    **_scored(tuple(counts)),
                }
                for (dimension, segment), counts in cells.items()
            ]
    return rows


def _published(connection: duckdb.DuckDBPyConnection) -> dict[tuple, dict]:
    """Counts and last days of every period, by grain and basis, start, dimension and segment."""
    published: dict[tuple, dict] = defaultdict(dict)
    for table, cell in (("period", "'all', 'all'"), ("segment_period", "dimension, segment")):
        for grain, basis, start, end, dimension, segment, *counts in connection.execute(
            f"""
            select time_grain, basis, period_start, period_end, {cell},
                promoters, passives, detractors
            from marts.fct_nps_by_{table}
            """
        ).fetchall():
            published[grain, basis].setdefault(start, (end, {}))[1][dimension, segment] = tuple(
                counts
            )
    return published


def _significance(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """Answer by answer."""
    names = ("voice", "at", "mark", "region", "channel", "touchpoint", "survey")
    answers = [
        dict(zip(names, row, strict=True))
        for row in connection.execute(
            """
            select voice_key, responded_on::timestamp, contribution // 100, region, channel,
                touchpoint, survey_id
            from marts.fct_nps_responses order by responded_at
            """
        ).fetchall()
    ]
    published = _published(connection)
    families: dict[tuple, list[tuple]] = defaultdict(list)
    dimensions = ("region", "channel", "touchpoint", "survey")
    for key, compared_start, now, before in comparisons(answers, dimensions):
        families[key[:5]].append((key, compared_start, now, before))
    rows = []
    for (comparison, grain, start, basis, _), pairs in families.items():
        totals = tuple(sum(len(pair[side]) for pair in pairs) for side in (-2, -1))
        tested = []
        for key, compared_start, now, before in pairs:
            end = published[grain, basis][start][0]
            counts, before_counts = _counts(now), _counts(before)
            tested.append(
                {
                    **{"comparison": comparison, "time_grain": grain, "period_start": start},
                    **{"compared_period_start": compared_start, "is_complete": end <= AS_OF},
                    **{"basis": basis, "metric": "nps", "survey_type": "relational"},
                    **{"dimension": key[4], "segment": key[5]},
                    **{"responses": len(now), "nps": _score(counts)},
                    **{"compared_responses": len(before), "compared_nps": _score(before_counts)},
                    **compared(key, now, before, FEWEST, FEWEST_OF_REST),
                    **_effects(counts, before_counts, totals, comparison != "rest_of_dimension"),
                }
            )
        values = sorted(row["p_value"] for row in tested if row["p_value"] is not None)
        for row in tested:
            p, m = row["p_value"], len(values)
            row["comparisons"] = m
            row["p_adjusted"] = p if p is None else min(
                q * m / (sum(o <= q for o in values)) for q in values if q >= p
            )  # fmt: skip
            row["is_significant"] = p if p is None else row["p_adjusted"] <= 0.05
        rows += tested
    return rows


def _counts(answers: list[dict]) -> Counts:
    marks = [answer["mark"] for answer in answers]
    return marks.count(1), marks.count(0), marks.count(-1)


def _effects(
    now: Counts, before: Counts, totals: tuple[int, int], has_effects: bool
) -> dict[str, Any]:
    """Rate and mix of one comparison."""
    if not has_effects or min(totals) < FEWEST:
        return {"rate_effect": None, "mix_effect": None}
    scores = [_wald(counts)[0] if sum(counts) else None for counts in (now, before)]
    n, m = (s if s is not None else scores[1 - i] for i, s in enumerate(scores))
    s, r = (sum(counts) / total for counts, total in zip((now, before), totals, strict=True))
    return {"rate_effect": (s + r) / 2 * (n - m), "mix_effect": (n + m) / 2 * (s - r)}


def _sizes(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """Answers needed for a margin and for a difference, observed and at the most."""
    ((_, cells),) = _published(connection)["all", "customers"].values()
    counts = cells["all", "all"]
    n, (p, _, d) = sum(counts), counts
    rows = []
    for purpose, points in (("margin", 5.0), ("difference", 10.0)):
        z = Z if purpose == "margin" else Z + NORMAL.inv_cdf(0.8)
        for name, variance in (("observed", (p + d) / n - ((p - d) / n) ** 2), ("largest", 1.0)):
            needed = (100 * z / points) ** 2 * variance * (1 if purpose == "margin" else 2)
            rows.append(
                {
                    **{"metric": "nps", "survey_type": "relational"},
                    **{"purpose": purpose, "points": points, "variance_of": name},
                    **{"responses": n if name == "observed" else None, "variance": variance},
                    **{"significance_level": None if purpose == "margin" else 0.05},
                    **{"power": None if purpose == "margin" else 0.8, "z": z},
                    **{"answers_needed": math.ceil(needed)},
                    "adjusted_answers_needed": max(1, math.ceil(needed - 3)),
                }
            )
    return rows


def _goals(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    rows = []
    for (grain, basis), periods in _published(connection).items():
        if grain in ("day", "week"):
            continue
        start = max(periods)
        for (dimension, segment), counts in periods[start][1].items():
            for target in (0.0, 30.0, 50.0, 100.0):
                (p, _, d), n, score = counts, sum(counts), _score(counts)
                missing = target * n - 100 * (p - d)
                shown = score is not None
                convert = max(0, math.ceil(missing / 200)) if shown else None
                rows.append(
                    {
                        **{"time_grain": grain, "period_start": start, "basis": basis},
                        **{"metric": "nps", "survey_type": "relational"},
                        **{"dimension": dimension, "segment": segment, "target": target},
                        **{"responses": n, "promoters": p, "passives": counts[1], "detractors": d},
                        **{"nps": score, "gap": target - score if shown else None},
                        "promoters_needed": None
                        if not shown or (target == 100 and missing > 0)
                        else max(0, math.ceil(missing / (100 - target)) if missing > 0 else 0),
                        "detractors_to_convert": convert,
                        "is_convertible": convert <= d if shown else None,
                        "promoters_to_offset": max(0, 5 * d - p) if shown else None,
                        "is_suppressed": not shown,
                    }
                )
    return rows


@pytest.fixture(scope="session")
def good_scores(good_marts, tmp_path_factory) -> Path:
    """The small warehouse with the tables of scores, in which every check holds."""
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("scores") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "alter table marts.fct_nps_responses add column if not exists version_at timestamp"
        )
        for name in ("assumptions", "metrics"):
            connection.execute(
                f"create or replace table seeds.{name} as from read_csv('{SEEDS / name}.csv')"
            )
        # so few answers are compared with so few
        connection.execute(
            f"update seeds.assumptions set value = {FEWEST_OF_REST} where name = 'min_rest_responses'"
        )
        connection.execute(
            "create or replace table seeds.nps_precisions as "
            "from (values ('margin', 5::double), ('difference', 10)) as t (purpose, points)"
        )
        connection.execute(
            """
            create or replace table seeds.nps_targets as
            select 'nps' as metric, unnest([0, 30, 50, 100])::double as target
            """
        )
        connection.execute(
            "create or replace table raw.rolling_windows as select unnest([30, 60]) as window_days"
        )
        for table, rows in (
            ("fct_nps_rolling", _rolling(connection)),
            ("nps_change_significance", _significance(connection)),
            ("nps_goal", _goals(connection)),
            ("nps_sample_size", _sizes(connection)),
        ):
            connection.register("filling", pa.Table.from_pylist(rows))
            connection.execute(f"create or replace table marts.{table} as from filling")
            connection.unregister("filling")
    return path


ANN = "ann@mail.example"
ROLLING, CHANGES, GOALS = "fct_nps_rolling", "nps_change_significance", "nps_goal"
SIZES = "nps_sample_size"
RESTS = "comparison = 'rest_of_dimension'"
# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
MISTAKES = {
    (ROLLING, "keys"): f"update marts.{ROLLING} set segment = null where segment = 'south'",
    (ROLLING, "keys empty"): (
        f"insert into marts.{ROLLING} by name select * replace ('east' as segment, "
        "0 as responses, 0 as promoters, 0 as passives, 0 as detractors) "
        f"from marts.{ROLLING} where dimension = 'region' and is_suppressed limit 1"
    ),
    (ROLLING, "scores"): f"update marts.{ROLLING} set nps = nps + 0.001",
    (ROLLING, "scores interval"): f"update marts.{ROLLING} set ci_high = ci_low",
    (ROLLING, "scores suppressed"): f"update marts.{ROLLING} set is_suppressed = false",
    (ROLLING, "every_day"): f"delete from marts.{ROLLING} where as_of_on = '2025-11-10'",
    (ROLLING, "every_day after"): (
        # the answers of a series that the table does not know
        "insert into marts.fct_nps_responses by name select * replace ('other' as survey_type, "
        "date '2025-12-04' as responded_on) from marts.fct_nps_responses limit 1; "
        f"insert into marts.{ROLLING} by name select t.* replace ('other' as survey_type, "
        "1 as responses, 1 as promoters, 0 as passives, 0 as detractors, null as nps, "
        "null as standard_error, null as ci_low, null as ci_high, true as is_suppressed) "
        f"from marts.{ROLLING} as t where as_of_on in ('2025-12-04', '2025-12-31') "
        "and dimension <> 'region' and segment in ('all', 'email', 's1', '(unknown)'); "
        f"insert into marts.{ROLLING} by name select * replace ('region' as dimension) "
        f"from marts.{ROLLING} where survey_type = 'other' and dimension = 'touchpoint'"
    ),
    # c3 was passive and is made a promoter in every dimension
    (ROLLING, "recomputed"): (
        f"update marts.{ROLLING} set promoters = promoters + passives, passives = 0, "
        "nps = nps + 100.0 * passives / responses, ci_low = -100, ci_high = 100 "
        "where as_of_on = '2025-12-31' and window_days = 60 and nps is not null; "
        f"update marts.{ROLLING} set promoters = promoters + passives, passives = 0 "
        "where as_of_on = '2025-12-31' and window_days = 60 and nps is null; "
        f"update marts.{ROLLING} set ci_low = null, ci_high = null where nps is null"
    ),
    (ROLLING, "recomputed segment"): (
        f"update marts.{ROLLING} set segment = 'phone' where dimension = 'channel'"
    ),
    (ROLLING, "adds_up"): f"delete from marts.{ROLLING} where segment = 'south'",
    (ROLLING, "adds_up dimension"): "insert into raw.segments values (2, 'plan', 'plan')",
    (ROLLING, "no_emails"): (
        f"update marts.{ROLLING} set segment = '{ANN}' where segment = 'south'"
    ),
    (CHANGES, "keys"): (
        f"insert into marts.{CHANGES} from marts.{CHANGES} where {RESTS} and p_value is null"
    ),
    (CHANGES, "sides"): f"update marts.{CHANGES} set responses = responses + 1",
    (CHANGES, "sides rest"): (
        # with the total that contains the segment
        f"update marts.{CHANGES} set compared_responses = compared_responses + responses "
        f"where {RESTS}"
    ),
    (CHANGES, "sides before"): (
        f"update marts.{CHANGES} set compared_period_start = compared_period_start - 1 "
        "where time_grain = 'day'"
    ),
    (CHANGES, "sides complete"): f"update marts.{CHANGES} set is_complete = not is_complete",
    (CHANGES, "sides missing"): f"delete from marts.{CHANGES} where {RESTS} and p_value is null",
    (CHANGES, "sides suppressed"): (
        f"update marts.{CHANGES} set nps = 0 where nps is null and compared_nps is null"
    ),
    (CHANGES, "tested"): f"update marts.{CHANGES} set z = -z",
    (CHANGES, "tested change"): f"update marts.{CHANGES} set change = -change where {RESTS}",
    (CHANGES, "tested error"): f"update marts.{CHANGES} set standard_error = 2 * standard_error",
    (CHANGES, "tested priors"): "update seeds.metrics set top_prior_of_two = 1",
    (CHANGES, "tested difference"): (
        f"update marts.{CHANGES} set tested_change = tested_change + 1"
    ),
    (CHANGES, "tested customers"): (f"update marts.{CHANGES} set covariance = covariance + 1"),
    # consistent, but for the answers of voices
    (CHANGES, "tested voices"): (
        f"update marts.{CHANGES} set standard_error = standard_error * 2, z = z / 2, "
        "detectable_change = detectable_change * 2 "
        "where basis = 'responses' and time_grain = 'month' and dimension = 'all'"
    ),
    (CHANGES, "tested reason"): (
        f"update marts.{CHANGES} set untested_because = 'too_few_to_test' "
        "where untested_because = 'suppressed'"
    ),
    (CHANGES, "tested rest"): (
        "update seeds.assumptions set value = 3 where name = 'min_rest_responses'"
    ),
    (CHANGES, "shared"): f"update marts.{CHANGES} set moved_voices = 0",
    (CHANGES, "shared correlation"): f"update marts.{CHANGES} set correlation = 0.5",
    (CHANGES, "shared null"): (
        f"update marts.{CHANGES} set moved_voices = 0, shared_voices = 0 where basis = 'responses'"
    ),
    (CHANGES, "detectable"): (
        f"update marts.{CHANGES} set detectable_change = standard_error where time_grain = 'month'"
    ),
    (CHANGES, "adjusted"): (
        f"update marts.{CHANGES} set p_adjusted = p_value where {RESTS} and p_adjusted > p_value"
    ),
    (CHANGES, "adjusted tail"): (
        # one-sided
        f"update marts.{CHANGES} set p_value = p_value / 2, p_adjusted = p_adjusted / 2"
    ),
    (CHANGES, "adjusted family"): f"update marts.{CHANGES} set comparisons = comparisons + 1",
    (CHANGES, "adjusted level"): (
        "update seeds.assumptions set value = 1 where name = 'significance_level'"
    ),
    (CHANGES, "adjusted null"): (
        f"update marts.{CHANGES} set is_significant = false where p_value is null"
    ),
    (CHANGES, "effects"): (
        f"update marts.{CHANGES} set rate_effect = mix_effect, mix_effect = rate_effect"
    ),
    (CHANGES, "effects sum"): f"update marts.{CHANGES} set mix_effect = mix_effect + 1",
    (CHANGES, "effects null"): f"update marts.{CHANGES} set mix_effect = null",
    (CHANGES, "effects of the rest"): (
        f"update marts.{CHANGES} set rate_effect = 0, mix_effect = 0 where {RESTS}"
    ),
    (CHANGES, "no_emails"): "; ".join(
        f"update marts.{table} set segment = '{ANN}' where segment = 'south' and time_grain = 'day'"
        for table in (CHANGES, "fct_nps_by_segment_period")
    ),
    (SIZES, "keys"): f"insert into marts.{SIZES} from marts.{SIZES} limit 1",
    (SIZES, "asked"): f"delete from marts.{SIZES} where purpose = 'margin'",
    (SIZES, "asked seed"): "insert into seeds.nps_precisions values ('margin', 2)",
    (SIZES, "needed"): f"update marts.{SIZES} set answers_needed = answers_needed + 1",
    (SIZES, "needed fewer"): (
        f"update marts.{SIZES} set adjusted_answers_needed = adjusted_answers_needed + 1"
    ),
    (SIZES, "needed variance"): f"update marts.{SIZES} set variance = 0.9 * variance",
    (SIZES, "needed level"): ("update seeds.assumptions set value = 1 where name = 'confidence_z'"),
    (SIZES, "no_emails"): f"update marts.{SIZES} set survey_type = '{ANN}'",
    (GOALS, "keys"): f"insert into marts.{GOALS} from marts.{GOALS} limit 1",
    (GOALS, "latest"): f"delete from marts.{GOALS} where segment = 'south'",
    (GOALS, "latest target"): "insert into seeds.nps_targets values ('nps', 70)",
    (GOALS, "latest period"): f"update marts.{GOALS} set period_start = period_start - 1",
    (GOALS, "goals"): f"update marts.{GOALS} set promoters_needed = promoters_needed + 1",
    (GOALS, "goals fewer"): f"update marts.{GOALS} set promoters_needed = promoters_needed - 1",
    (GOALS, "goals null"): f"update marts.{GOALS} set promoters_needed = 0 where target = 100",
    (GOALS, "goals converts"): (
        f"update marts.{GOALS} set detractors_to_convert = detractors_to_convert + 1, "
        "is_convertible = detractors_to_convert < detractors"
    ),
    (GOALS, "goals convertible"): f"update marts.{GOALS} set is_convertible = not is_convertible",
    (GOALS, "goals gap"): f"update marts.{GOALS} set gap = -gap",
    (GOALS, "goals offset"): (
        "update seeds.assumptions set value = 4 where name = 'promoters_per_detractor'"
    ),
    (GOALS, "goals suppressed"): f"update marts.{GOALS} set is_suppressed = not is_suppressed",
    # the segment of the published periods, too: other tables name it as well
    (GOALS, "no_emails"): "; ".join(
        f"update marts.{table} set segment = '{ANN}' where segment = 'south'"
        for table in (GOALS, CHANGES, "fct_nps_by_segment_period")
    ),
}

# What a mistake cannot but break as well.
ALSO = {
    (GOALS, "no_emails"): {(CHANGES, "no_emails")},
    (SIZES, "no_emails"): {(SIZES, "asked")},
    (CHANGES, "tested customers"): {(CHANGES, "shared")},
    (CHANGES, "tested voices"): {(CHANGES, "adjusted")},
}


def _found(database: Path) -> set[tuple[str, str]]:
    """The failed checks."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return failing(connection, ALL)


def _corrupt(good: Path, folder: Path, statements: str) -> Path:
    bad = Path(shutil.copy(good, folder / "bad.duckdb"))
    with duckdb.connect(str(bad)) as connection:
        connection.execute(statements)
    return bad


def test_good_scores_pass(good_scores):
    results = validate(good_scores, SUITES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []
    assert len(results) == len(ALL)


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_in_scores_is_found_by_its_check_alone(mistake, good_scores, tmp_path):
    table, name = mistake[0], mistake[1].split()[0]
    found = _found(_corrupt(good_scores, tmp_path, MISTAKES[mistake]))
    also = ALSO.get(mistake, set())
    assert found == {(table, name), *also}


def test_every_check_of_scores_can_fail():
    tried = {(table, name.split()[0]) for table, name in MISTAKES}
    assert {(table, check.name) for table, check in ALL} == tried


def test_empty_scores_pass(good_scores, tmp_path):
    """A warehouse without answers says nothing, and nothing wrong."""
    tables = (*SUITES, "fct_nps_responses", "fct_nps_by_period", "fct_nps_by_segment_period")
    empty = "; ".join(f"delete from marts.{table}" for table in tables)
    assert _found(_corrupt(good_scores, tmp_path, empty)) == set()
