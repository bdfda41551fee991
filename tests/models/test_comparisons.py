"""How sure a difference is: the models from answers to tests against numpy, answer by answer.

The random cases of a test share a table: a case is a survey type, and those are never pooled.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pytest
from comparison_support import FEWEST_MOVED, MARKS, PRIOR, Answer, compared, comparisons
from dbt_support import compiled, compiled_inline, empty_database, rebuild
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

CASES = 100
TOLERANCE = 1e-9
AS_OF = date(2025, 12, 31)
MIN_GROUP_SIZE = 3
MODELS = (
    *("int_nps_scores_counted", "int_nps_days_counted", "int_periods_scored"),
    *("int_periods_paired", "int_periods_compared"),
    *("int_answers_followed", "int_voices_shared", "int_answers_clustered"),
    *("int_changes_measured", "int_test_levels_listed"),
)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values (?, ?)",
            [AS_OF, MIN_GROUP_SIZE],
        )
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, answers: Iterable[Answer]) -> None:
    """Put answers into the fact table and build what is made of them."""
    connection.execute("delete from nps.marts.fct_nps_responses")
    connection.executemany(
        "insert into nps.marts.fct_nps_responses (source, response_key, response_id, voice_key, "
        "metric, survey_type, contribution, responded_at, responded_on, region, plan, channel) "
        "values ('s', ?, ?, ?, 'nps', ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(f"{a['case']}-{number}", str(number), f"{a['case']}-{a['voice']}", a["case"]),
                *(100 * a["mark"], a["at"], a["at"].date()),
                *(a.get("region"), a.get("plan"), a.get("channel")),
            )
            for number, a in enumerate(answers)
        ],
    )
    rebuild(connection, MODELS)


def changes(connection: duckdb.DuckDBPyConnection) -> list[Answer]:
    """The rows of nps_change_significance."""
    result = connection.execute(compiled("nps_change_significance"))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def agrees(found: Any, expected: Any) -> bool:
    if expected is None or found is None or isinstance(expected, str):
        return bool(found == expected)
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=TOLERANCE)


def random_answers(seed: int, cases: int = CASES) -> list[Answer]:
    """Voices that answer now and then for two years, some very often, with segments that may move."""
    rng = random.Random(seed)
    rows = []
    for case in range(cases):
        size = rng.choice((1, 3, 12, 40))
        days = rng.sample(range(0, 700), rng.choice((2, 5, 20)))
        leaning = [rng.random() for _ in MARKS]
        for voice in range(rng.randint(1, size)):
            region, mark = rng.choice(("north", "south", None)), rng.choices(MARKS, leaning)[0]
            for _ in range(rng.choice((1, 1, 2, 3, 8))):
                day = date(2024, 1, 15) + timedelta(rng.choice(days))
                rows.append(
                    {
                        "case": f"case {case}",
                        "voice": str(voice),
                        "at": datetime(
                            day.year,
                            day.month,
                            day.day,
                            rng.randint(0, 22),
                            rng.randint(0, 59),
                            rng.randint(0, 59),
                            rng.randint(0, 999_999),
                        ),
                        "mark": mark if rng.random() < 0.6 else rng.choices(MARKS, leaning)[0],
                        "region": region if rng.random() < 0.8 else "west",
                        "plan": rng.choice(("a", "b")),
                        "channel": "mail",
                    }
                )
    return sorted(rows, key=lambda row: row["at"])


def test_changes_agree_with_numpy(warehouse):
    answers = random_answers(seed=1)
    fill(warehouse, answers)
    key = ("comparison", "time_grain", "period_start", "basis", "dimension", "segment")
    found = {(row["survey_type"], *(row[name] for name in key)): row for row in changes(warehouse)}
    expected = {}
    for case in {a["case"] for a in answers}:
        for row_key, _, now, then in comparisons([a for a in answers if a["case"] == case]):
            expected[case, *row_key] = compared(row_key, now, then, MIN_GROUP_SIZE)
    assert found.keys() == expected.keys()
    for row_key, row in expected.items():
        wrong = {
            n: (found[row_key][n], v) for n, v in row.items() if not agrees(found[row_key][n], v)
        }
        assert not wrong, row_key
    # all kinds of rows were among them
    reasons = Counter((key[4], row["untested_because"]) for key, row in expected.items())
    for basis in ("responses", "customers"):
        assert {r for b, r in reasons if b == basis} == {
            *(None, "suppressed", "unknown_segment", "too_few_answers", "too_few_to_test"),
        }
    shared = [row for row in expected.values() if row["shared_voices"]]
    assert sum(row["z"] is not None for row in shared) > 300
    assert any(row["z"] is not None and key[1] == "previous_year" for key, row in expected.items())


# --- worked examples ----------------------------------------------------------------------------


def panel(moves: dict[tuple[int, int], int], *, same: bool = True) -> list[Answer]:
    """Customers who answer in two quarters: how many gave both marks; or others in the second."""
    rows = []
    voice = 0
    for marks, customers in moves.items():
        for _ in range(customers):
            for later, mark in enumerate(marks):
                name = f"{voice}" if same or not later else f"other {voice}"
                at = datetime(2025, 4 + 3 * later, 1) + timedelta(seconds=voice)
                rows.append({"case": "relational", "voice": name, "at": at, "mark": mark})
            voice += 1
    return sorted(rows, key=lambda row: row["at"])


def quarter(connection: duckdb.DuckDBPyConnection, basis: str = "customers") -> dict[str, Any]:
    """The total's change to the third quarter of 2025."""
    (row,) = (
        row
        for row in changes(connection)
        if (row["comparison"], row["time_grain"], row["basis"], row["dimension"])
        == ("previous_period", "quarter", basis, "all")
    )
    return row


TEN_MOVE = {(1, 1): 40, (1, -1): 10, (0, 0): 20, (-1, -1): 30}


def test_ten_promoters_of_a_hundred_become_detractors(warehouse):
    """Of 100 differences -2 ten times and 0 else: mean -0.2, variance 0.4 - 0.04 = 0.36, its error
    sqrt(0.36 / 100) = 0.06. Before: 50 promoters, 30 detractors; after: 40 and 40. Variances
    0.8 - 0.04 and 0.8, so that the covariance is (0.76 + 0.8 - 0.36) / 2 = 0.6.
    """
    fill(warehouse, panel(TEN_MOVE))
    row = quarter(warehouse)
    assert (row["shared_voices"], row["moved_voices"]) == (100, 10)
    assert (row["change"], row["tested_change"]) == pytest.approx((-20, -20))
    assert row["standard_error"] == pytest.approx(6, abs=TOLERANCE)
    assert row["z"] == pytest.approx(-20 / 6, abs=TOLERANCE)
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(20 / 6), abs=TOLERANCE)
    assert round(row["p_value"], 4) == 0.0009
    assert row["is_significant"]
    assert row["covariance"] == pytest.approx(0.6, abs=TOLERANCE)
    assert row["correlation"] == pytest.approx(0.6 / math.sqrt(0.76 * 0.8), abs=TOLERANCE)
    # 1.96 + 0.84 errors of 6
    assert row["detectable_change"] == pytest.approx(16.81, abs=0.005)


def test_the_same_counts_of_other_people_could_be_chance(warehouse):
    fill(warehouse, panel(TEN_MOVE, same=False))
    row = quarter(warehouse)
    assert (row["change"], row["shared_voices"]) == (pytest.approx(-20), 0)
    assert row["tested_change"] == pytest.approx(-2000 / 103)  # three answers more
    assert round(row["p_value"], 3) == 0.113
    assert not row["is_significant"]
    assert (row["covariance"], row["correlation"]) == (None, None)


def test_few_that_move_are_tested_as_other_people_would_be(warehouse):
    """Nine of a hundred: the priors, three answers a side, count in full."""
    fill(warehouse, panel({(1, 1): 41, (1, -1): 9, (0, 0): 20, (-1, -1): 30}))
    row = quarter(warehouse)
    assert row["tested_change"] == pytest.approx(-1800 / 103)
    # an exact test of nine coins that all fall to one side: p = 2 / 2^9 = 0.0039
    assert 0.001 < row["p_value"] < 0.0039


def test_where_nobody_varies_nothing_is_tested(warehouse):
    fill(warehouse, panel({(1, -1): 30}))
    row = quarter(warehouse)
    assert (row["change"], row["z"], row["untested_because"]) == (-200, None, "too_few_to_test")


def test_priors_that_turn_the_sign_leave_no_test(warehouse):
    """Three promoters against 59 of 60 (and a passive): 100 above 98.3. With three answers more of
    score 0 they are 100 x 3 / 6 = 50 below 100 x 59 / 63 = 93.7."""
    early = [(f"{voice}", 0, 0 if voice == 0 else 1) for voice in range(60)]
    late = [(f"new {voice}", 1, 1) for voice in range(3)]
    fill(
        warehouse,
        [
            {
                "case": "relational",
                "voice": voice,
                "at": datetime(2025, 4 + 3 * later, 1),
                "mark": mark,
            }
            for voice, later, mark in early + late
        ],
    )
    row = quarter(warehouse)
    assert row["change"] == pytest.approx(100 / 60)
    assert row["tested_change"] == pytest.approx(50 - 5900 / 63)
    assert (row["z"], row["p_value"], row["is_significant"]) == (None, None, None)
    assert row["untested_because"] == "too_few_to_test"


@pytest.mark.parametrize(("size", "reason"), [(19, "too_few_answers"), (20, None)])
def test_a_segment_is_compared_with_the_rest_from_twenty_answers_on(warehouse, size, reason):
    rows = [
        {
            "case": "relational",
            "voice": f"{region} {voice}",
            "at": datetime(2025, 4, 1),
            "mark": MARKS[voice % 3],
            "region": region,
        }
        for region, voices in (("north", 50), ("south", size))
        for voice in range(voices)
    ]
    fill(warehouse, rows)
    found = [
        (row["segment"], row["untested_because"], row["z"] is None, row["change"] is None)
        for row in changes(warehouse)
        if (row["comparison"], row["dimension"], row["time_grain"], row["basis"])
        == ("rest_of_dimension", "region", "year", "customers")
    ]
    untested = reason is not None
    assert sorted(found) == [("north", reason, untested, False), ("south", reason, untested, False)]


def test_the_unknown_segment_is_compared_with_nothing(warehouse):
    rows = [
        {
            "case": "relational",
            "voice": f"{voice}",
            "at": datetime(2025, 4, 1),
            "mark": 1 if voice < 30 else -1,
            "region": "north" if voice < 30 else None,
        }
        for voice in range(60)
    ]
    fill(warehouse, rows)
    found = {
        row["segment"]: (row["untested_because"], row["is_significant"], row["comparisons"])
        for row in changes(warehouse)
        if (row["comparison"], row["dimension"], row["time_grain"], row["basis"])
        == ("rest_of_dimension", "region", "all", "customers")
    }
    assert found == {"(unknown)": ("unknown_segment", None, 1), "north": (None, True, 1)}


def test_one_voice_of_a_thousand_answers_is_one_voice(warehouse):
    """Of 1,024 answers a customer gave 1,000, all of them 0: in basis responses his answers are one
    cluster. 24 others answer before and after, 12 promoters and 12 detractors."""
    rows = [
        {
            "case": "relational",
            "voice": f"{v}",
            "at": datetime(2025, m, 2, 0, 0, v),
            "mark": (-1) ** v,
        }
        for m in (4, 7)
        for v in range(24)
    ]
    rows += [
        {
            "case": "relational",
            "voice": "often",
            "at": datetime(2025, 7, 2) + timedelta(minutes=m),
            "mark": -1,
        }
        for m in range(1000)
    ]
    fill(warehouse, sorted(rows, key=lambda row: row["at"]))
    row = quarter(warehouse, "responses")
    n, top, bottom = 1024 + 3, 12.75, 1012.75
    mean = (top - bottom) / n
    squares = (
        (1000 * (-1 - mean)) ** 2
        + 12.75 * (1 - mean) ** 2
        + 12.75 * (-1 - mean) ** 2
        + 1.5 * mean**2
    )
    before = (12 + 12 + 1.5) / 27 * (24 / 23) / 27
    error = 100 * math.sqrt(25 / 24 * squares / n**2 + before)
    assert row["standard_error"] == pytest.approx(error, abs=TOLERANCE)
    assert row["change"] == pytest.approx(-100 * 1000 / 1024)
    # as if 1,024 people had answered it would be
    naive = 100 * math.sqrt(((top + bottom) / n - mean**2) / n + 25.5 / 27 / 27)
    assert error > 1.02 * naive


# --- by hypothesis ------------------------------------------------------------------------------

VOICES = st.lists(
    st.tuples(st.sampled_from((*MARKS, None)), st.sampled_from((*MARKS, None))),
    min_size=1,
    max_size=200,
).filter(lambda v: any(a is not None for a, _ in v) and any(b is not None for _, b in v))


@pytest.fixture(scope="module")
def measuring() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        yield connection


@settings(max_examples=100, deadline=None)
@given(voices=VOICES)
def test_the_paired_error_is_that_of_numpy(measuring, voices):
    """Of voices, each with a mark before and now, or with one of them."""
    before, now = ([pair[side] for pair in voices if pair[side] is not None] for side in (0, 1))
    both = [pair for pair in voices if None not in pair]
    a, b = [p[1] for p in both], [p[0] for p in both]
    columns = (
        "comparison, time_grain, period_start, {} basis, metric, survey_type, dimension, segment"
    )
    key = (
        "'previous_period', 'quarter', date '2025-07-01', {} 'customers', 'nps', 'r', 'all', 'all'"
    )
    measuring.execute("delete from nps.intermediate.int_periods_compared")
    measuring.execute("delete from nps.intermediate.int_voices_shared")
    counts = [side.count(mark) for side in (now, before) for mark in MARKS]
    measuring.execute(
        "insert into nps.intermediate.int_periods_compared "
        f"({columns.format('compared_period_start, period_end,')}, promoters, passives, detractors, "
        "compared_promoters, compared_passives, compared_detractors) values "
        f"({key.format(chr(39) + '2025-04-01' + chr(39) + ', ' + chr(39) + '2025-09-30' + chr(39) + ',')}, ?, ?, ?, ?, ?, ?)",
        counts,
    )
    if both:
        measuring.execute(
            f"insert into nps.intermediate.int_voices_shared ({columns.format('')}, shared_voices, "
            "moved_voices, total, compared_total, squares, compared_squares, products) "
            f"values ({key.format('')}, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(len(both), sum(x != y for x, y in both), sum(a), sum(b)),
                *(sum(x * x for x in a), sum(x * x for x in b)),
                sum(x * y for x, y in both),
            ],
        )
    sql = f"select tested_change, standard_error, covariance from ({compiled('int_changes_measured')})"
    ((change, error, covariance),) = measuring.execute(sql).fetchall()

    differing = sum(x != y for x, y in voices)
    weight = 1 - len(both) / math.sqrt(len(now) * len(before)) if differing >= FEWEST_MOVED else 1
    values, variance = [], 0.0
    for marks in (now, before):
        weights = [1.0] * len(marks) + [weight * p for p in PRIOR]
        mean = np.average([*marks, *MARKS], weights=weights)
        variance += np.average((np.array([*marks, *MARKS]) - mean) ** 2, weights=weights) / sum(
            weights
        )
        values += [mean, sum(weights)]
    expected = float(np.cov(a, b, bias=True)[0, 1]) if both else 0.0
    variance -= 2 * len(both) * expected / (values[1] * values[3])
    assert change == pytest.approx(100 * (values[0] - values[2]), abs=TOLERANCE)
    assert (covariance is None) == (not both)
    assert covariance is None or covariance == pytest.approx(expected, abs=TOLERANCE)
    if error is None:
        assert variance < 1e-12
    else:
        assert error**2 == pytest.approx(1e4 * variance, abs=TOLERANCE)
        if len(both) == len(voices) and differing >= FEWEST_MOVED:
            # everybody answered twice: the error is that of the mean difference
            differences = np.subtract(a, b)
            assert error == pytest.approx(
                100 * np.std(differences) / math.sqrt(len(both)), abs=TOLERANCE
            )


# --- how many answers it takes ------------------------------------------------------------------


def test_the_normal_quantile_is_scipys(warehouse):
    wanted = [
        1e-300,
        1e-20,
        1e-10,
        1e-4,
        0.02,
        0.07,
        0.0749,
        0.0751,
        0.3,
        0.5,
        0.8,
        0.925,
        0.975,
        0.999999,
    ]
    sql = compiled_inline(
        "select p, {{ normal_quantile('p') }} as z from (select unnest(["
        + ", ".join(map(repr, wanted))
        + ", 0e0, 1e0, null]) as p) as asked"
    )
    found = warehouse.execute(sql).fetchall()
    assert [z for _, z in found[-3:]] == [None, None, None]
    for p, z in found[:-3]:
        assert z == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-12)


def sample_sizes(connection: duckdb.DuckDBPyConnection, *counts: int) -> dict[tuple, dict]:
    """Rows of nps_sample_size, by purpose, points and variance, for so many of each class."""
    marks = [mark for mark, count in zip(MARKS, counts, strict=True) for _ in range(count)]
    fill(
        connection,
        [
            {"case": "relational", "voice": str(voice), "at": datetime(2025, 4, 1), "mark": mark}
            for voice, mark in enumerate(marks)
        ],
    )
    result = connection.execute(compiled("nps_sample_size"))
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return {(row["purpose"], row["points"], row["variance_of"]): row for row in rows}


def test_answers_for_a_difference_of_ten_points(warehouse):
    """60, 20, 20 in both groups: v = 0.8 - 0.16 = 0.64. (1.96 + 0.84)^2 x 1.28 / 0.01 = 1,004.7, and
    1,002 with the three that the adjusted-Wald method adds."""
    row = sample_sizes(warehouse, 60, 20, 20)["difference", 10, "observed"]
    assert row["variance"] == pytest.approx(0.64)
    assert row["z"] == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), abs=TOLERANCE)
    assert (row["answers_needed"], row["adjusted_answers_needed"]) == (1005, 1002)
    assert (row["significance_level"], row["power"], row["responses"]) == (0.05, 0.8, 100)


def test_answers_for_a_margin(warehouse):
    """1.96^2 v / d^2: v = 1 and 5 points 1,536.6; v = 0.64 and 10 points 245.9."""
    found = sample_sizes(warehouse, 60, 20, 20)
    row = found["margin", 5, "largest"]
    assert (row["answers_needed"], row["adjusted_answers_needed"]) == (1537, 1534)
    assert (row["variance"], row["power"], row["significance_level"]) == (1, None, None)
    row = found["margin", 10, "observed"]
    assert (row["answers_needed"], row["adjusted_answers_needed"]) == (246, 243)


def test_so_many_answers_have_the_margin_and_one_fewer_has_not(warehouse):
    """By the adjusted-Wald interval itself: half a promoter and detractor of 1,534 are within 5."""

    def half_width(n: int) -> float:
        share = (n / 2 + 0.75) / (n + 3)
        return 100 * stats.norm.ppf(0.975) * math.sqrt(2 * share / (n + 3))

    needed = sample_sizes(warehouse, 60, 20, 20)["margin", 5, "largest"]["adjusted_answers_needed"]
    # the priors' passives make the variance a trifle smaller than 1
    assert half_width(needed) <= 5 < half_width(needed - 4)


def test_few_customers_have_no_variance_of_their_own(warehouse):
    found = sample_sizes(warehouse, 1, 1, 0)
    row = found["margin", 5, "observed"]
    assert (row["variance"], row["answers_needed"]) == (None, None)
    assert found["margin", 5, "largest"]["answers_needed"] == 1537


def test_level_power_and_precisions_are_seeds(warehouse):
    before = sample_sizes(warehouse, 60, 20, 20)
    warehouse.execute("update nps.seeds.assumptions set value = 0.9 where name = 'power'")
    warehouse.execute(
        "update nps.seeds.assumptions set value = 0.01 where name = 'significance_level'"
    )
    warehouse.execute("insert into nps.seeds.nps_precisions values ('difference', 7, '')")
    after = sample_sizes(warehouse, 60, 20, 20)
    assert after.keys() - before.keys() == {
        ("difference", 7, "observed"),
        ("difference", 7, "largest"),
    }
    z = stats.norm.ppf(0.995) + stats.norm.ppf(0.9)
    row = after["difference", 7, "observed"]
    assert row["z"] == pytest.approx(z, abs=TOLERANCE)
    assert row["answers_needed"] == math.ceil(z**2 * 2 * 0.64 / 0.07**2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_rest_responses", 3),
        ("min_moved_voices", 0),
        ("power", 0.5),
        ("significance_level", 0.5),
    ],
)
def test_what_is_tested_is_the_seeds(warehouse, name, value):
    fill(warehouse, random_answers(seed=2, cases=20))
    before = changes(warehouse)
    warehouse.execute("update nps.seeds.assumptions set value = ? where name = ?", [value, name])
    rebuild(warehouse, ["int_changes_measured", "int_test_levels_listed"])
    assert changes(warehouse) != before
