"""The formulas, as dbt compiles and DuckDB computes them, against their sources and libraries."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from dbt_support import compiled_inline, empty_database
from scipy import stats

Z = stats.norm.ppf(0.975)
# Three answers are added, half of them passive (Rocks 2016): what the seed metrics says of nps.
PRIOR = (0.75, 1.5, 0.75)

SCORES = """
select
    counts.*,
    {{ nps('top', 'middle', 'bottom') }} as nps,
    {{ nps_standard_error('top', 'middle', 'bottom') }} as standard_error,
    {{ nps_standard_error('top', 'middle', 'bottom', prior=['top_prior', 'middle_prior', 'bottom_prior']) }}
        as published_error,
    {{ nps_bound(-1, 'top', 'middle', 'bottom', 'z', '0', '0', '0') }} as wald_low,
    {{ nps_bound(1, 'top', 'middle', 'bottom', 'z', '0', '0', '0') }} as wald_high,
    {{ nps_bound(-1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        as ci_low,
    {{ nps_bound(1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        as ci_high
from counts
cross join (select {{ assumption('confidence_z') }} as z) as assumed
cross join (select * from {{ ref('metrics') }} where metric = 'nps') as metrics
"""
SHARES = """
select
    shares.*,
    {{ share_standard_error('k', 'n', 'z') }} as standard_error,
    {{ share_bound(-1, 'k', 'n', 'z') }} as ci_low,
    {{ share_bound(1, 'k', 'n', 'z') }} as ci_high
from shares
cross join (select {{ assumption('confidence_z') }} as z) as assumed
"""
TAILS = "select tails.*, {{ two_sided_p('z') }} as p from tails"
QUANTILES = """
with deviates as (
    select students.*, {{ t_as_normal('t', 'degrees') }} as deviate from students
)

select
    deviates.*,
    {{ two_sided_p('deviate') }} as p,
    {{ t_quantile('z', 'degrees') }} as quantile
from deviates
"""
TAILS_OF_NORMAL = "select tails_of.*, -{{ normal_quantile('tail') }} as quantile from tails_of"
LIFETIMES = """
select lifetimes.*, {{ discounted_lifetime('churn', 'years', 'rate', 'longest') }} as value
from lifetimes
"""
UNANIMOUS = "select shares.*, {{ unanimous_bound('n', 'z') }} as bound from shares"
ANSWERS = """
select
    answers.example,
    count(*) filter (where metric_scales.contribution > 0) as top,
    count(*) filter (where metric_scales.contribution = 0) as middle,
    count(*) filter (where metric_scales.contribution < 0) as bottom
from answers
inner join {{ ref('metric_scales') }} as metric_scales
    on metric_scales.score = answers.score
where metric_scales.metric = 'nps' and metric_scales.scale = '0-10'
group by answers.example
"""
GENERIC_TESTS = """
with rows_tested as (select * from tested)
select *
from (
    {{ test_holds('rows_tested', key=['a', 'b'], filled=['b'], rules={'a_is_positive': 'a > 0'}) }}
)
"""
# One run of dbt compiles them all.
QUERIES = {
    "scores": SCORES,
    "shares": SHARES,
    "tails": TAILS,
    "quantiles": QUANTILES,
    "tails of normal": TAILS_OF_NORMAL,
    "lifetimes": LIFETIMES,
    "unanimous": UNANIMOUS,
    "answers": ANSWERS,
    "generic tests": GENERIC_TESTS,
}
BORDER = "\n-- next query\n"


def query(name: str) -> str:
    parts = compiled_inline(BORDER.join(QUERIES.values())).split(BORDER.strip())
    return dict(zip(QUERIES, parts, strict=True))[name]


def run(name: str, table: str, columns: str, rows: list[tuple]) -> list[dict]:
    """The query's rows, as dictionaries in the order of the rows given."""
    with empty_database() as connection:
        connection.execute(f"create table {table} (position integer, {columns})")
        marks = ", ".join("?" for _ in range(len(rows[0]) + 1))
        connection.executemany(
            f"insert into {table} values ({marks})",
            [(position, *row) for position, row in enumerate(rows)],
        )
        relation = connection.sql(f"select * from ({query(name)}) order by 1")
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def scores(*counts: tuple[int, int, int]) -> list[dict]:
    """Figures of (top, middle, bottom)."""
    return run("scores", "counts", "top bigint, middle bigint, bottom bigint", list(counts))


def expected_scores(top: int, middle: int, bottom: int) -> dict[str, float]:
    """The same in plain Python, from contributions instead of shares where that is possible."""

    def wald(p: float, m: float, d: float) -> tuple[float, float, float]:
        n = p + m + d
        mean = (p - d) / n
        variance = (p * (1 - mean) ** 2 + m * mean**2 + d * (-1 - mean) ** 2) / n
        error = math.sqrt(variance / n)
        return 100 * mean, 100 * error, 100 * Z * error

    def clip(bound: float) -> float:
        return max(-100.0, min(100.0, bound))

    score, error, width = wald(top, middle, bottom)
    centre, _, adjusted = wald(top + PRIOR[0], middle + PRIOR[1], bottom + PRIOR[2])
    return {
        "nps": score,
        "standard_error": error,
        # of one class alone the answers have no variance: the adjusted error stands in
        "published_error": error if error else adjusted / Z,
        "wald_low": clip(score - width),
        "wald_high": clip(score + width),
        "ci_low": clip(centre - adjusted),
        "ci_high": clip(centre + adjusted),
    }


# (detractors, passives, promoters) and what is published of them: the worked examples of
# docs/metrics.md, with as many digits as their sources print.
PUBLISHED = {
    "the requirements": ((200, 200, 600), "40", "2.53", "35.04 44.96", "34.93 44.83"),
    "R package NPS": ((362, 176, 462), "10.0", "2.85307", "4.40809 15.59191", "4.38967 15.55051"),
    "six answers": ((1, 2, 3), "33.33", "30.4290", "-26.30647 92.97314", "-26.74326 71.18770"),
    "thirty": ((20, 30, 50), "30", None, "14.69219 45.30781", "14.05113 44.20130"),
    "sixty": ((10, 20, 70), "60", None, "46.99907 73.00093", "45.26976 71.23509"),
    "10 % and 8 %": ((8, 82, 10), "2", None, None, None),
}


@pytest.fixture(scope="module")
def published():
    rows = scores(*((d, m, p)[::-1] for (d, m, p), *_ in PUBLISHED.values()))
    return dict(zip(PUBLISHED, rows, strict=True))


@pytest.mark.parametrize("example", PUBLISHED)
def test_published_figures(published, example: str):
    _, score, error, wald, adjusted = PUBLISHED[example]
    printed = {
        "nps": score,
        "standard_error": error,
        **dict(zip(("wald_low", "wald_high"), wald.split() if wald else (), strict=False)),
        **dict(zip(("ci_low", "ci_high"), adjusted.split() if adjusted else (), strict=False)),
    }
    for name, text in printed.items():
        if text is not None:
            digits = len(text.partition(".")[2])
            assert published[example][name] == pytest.approx(float(text), abs=0.6 * 10**-digits)


VARIANCES = {
    "[0, 7, 7, 9, 9, 9]": ((0, 7, 7, 9, 9, 9), 100 / 3, 5 / 9),
    "[1, 9]": ((1, 9), 0, 1),
    "[7, 9]": ((7, 9), 50, 0.25),
    "[0, 7, 9]": ((0, 7, 9), 0, 2 / 3),
}


def test_variances_of_answers():
    """From scores to figures, by the seed's classes."""
    rows = [(name, score) for name, (given, *_) in VARIANCES.items() for score in given]
    with empty_database() as connection:
        connection.execute("create table answers (example varchar, score integer)")
        connection.executemany("insert into answers values (?, ?)", rows)
        counts = {
            name: tuple(given) for name, *given in connection.sql(query("answers")).fetchall()
        }
    figures = dict(zip(counts, scores(*counts.values()), strict=True))
    for name, (given, score, variance) in VARIANCES.items():
        assert figures[name]["nps"] == pytest.approx(score, abs=1e-9)
        error = 100 * math.sqrt(variance / len(given))
        assert figures[name]["standard_error"] == pytest.approx(error, abs=1e-9)
    assert figures["[0, 7, 7, 9, 9, 9]"]["standard_error"] == pytest.approx(30.4290, abs=5e-5)


def p_values(*z: float | None) -> list[dict]:
    """Two-sided p of some z."""
    return run("tails", "tails", "z double", [(each,) for each in z])


def test_difference_of_two_groups():
    """42/23/74 against 99/50/110 (detractors, passives, promoters), by the groups' own errors."""
    first, second = scores((74, 23, 42), (110, 50, 99))
    difference = first["nps"] - second["nps"]
    error = math.hypot(first["standard_error"], second["standard_error"])
    assert difference == pytest.approx(18.77448, abs=5e-6)
    assert error == pytest.approx(9.34410, abs=5e-6)
    assert p_values(difference / error)[0]["p"] == pytest.approx(0.04451, abs=5e-6)


def test_two_sided_p_agrees_with_scipy():
    """Within 1e-12 everywhere; where its two parts meet, in both tails and at nothing."""
    z = [i / 64 for i in range(-600, 601)] + [7.07106781186547, 7.0710678, 37.9, 38.0, 50.0, -50.0]
    for each, row in zip(z, p_values(*z), strict=True):
        assert row["p"] == pytest.approx(2 * stats.norm.sf(abs(each)), abs=1e-12), each
    assert p_values(0.0)[0]["p"] == 1
    assert p_values(None)[0]["p"] is None


def test_no_answers_have_no_figures():
    (row,) = scores((0, 0, 0))
    assert {row[name] for name in ("nps", "standard_error", "ci_low", "ci_high")} == {None}


def test_random_counts_agree_with_arithmetic():
    draw = random.Random(20250101)
    counts = [
        tuple(draw.choice((0, draw.randint(0, 9), draw.randint(0, 10**size))) for _ in range(3))
        for size in (1, 2, 3, 6, 9)
        for _ in range(60)
    ]
    counts = [given for given in counts if sum(given)] + [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert len(counts) > 200
    for given, row in zip(counts, scores(*counts), strict=True):
        for name, value in expected_scores(*given).items():
            # near-zero variance of huge counts is a difference of two numbers near 1
            assert row[name] == pytest.approx(
                value, rel=1e-9, abs=1e-6 if sum(given) > 1e6 else 1e-9
            ), (
                given,
                name,
            )
        assert -100 <= row["ci_low"] < row["ci_high"] <= 100


def test_wilson_bounds_agree_with_scipy():
    draw = random.Random(20250102)
    shares = [(0, 1), (1, 1), (0, 50), (50, 50), (1, 10**6)]
    shares += [
        (draw.randint(0, n), n)
        for size in (1, 2, 4, 6)
        for n in draw.choices(range(1, 10**size), k=40)
    ]
    for (k, n), row in zip(
        shares, run("shares", "shares", "k bigint, n bigint", shares), strict=True
    ):
        interval = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert row["ci_low"] == pytest.approx(interval.low, abs=1e-9)
        assert row["ci_high"] == pytest.approx(interval.high, abs=1e-9)
        error = stats.bernoulli(k / n).std() / math.sqrt(n)
        if k in (0, n):
            # Agresti and Coull 1998: z^2 / 2 added to both
            adjusted = (k + Z**2 / 2) / (n + Z**2)
            error = math.sqrt(adjusted * (1 - adjusted) / (n + Z**2))
        assert row["standard_error"] == pytest.approx(error)
        assert row["standard_error"] > 0


def test_wilson_bounds_of_none_and_of_all_are_exact():
    """Not 0 and 1 up to a rounding error: exactly."""
    shares = [(k, n) for n in range(1, 1500) for k in (0, n)]
    rows = run("shares", "shares", "k bigint, n bigint", shares)
    assert {row["ci_low"] for row in rows if row["k"] == 0} == {0.0}
    assert {row["ci_high"] for row in rows if row["k"]} == {1.0}


def test_five_of_five_promoters_are_no_certainty():
    """By hand: 5.75 of 8 and 0.75 of 8: v = 0.71875 + 0.09375 - 0.625^2 = 0.421875."""
    (row,) = scores((5, 0, 0))
    assert row["standard_error"] == 0
    assert row["published_error"] == pytest.approx(100 * math.sqrt(0.421875 / 8))


def test_bounds_of_the_unanimous_are_those_of_clopper_and_pearson():
    sizes = [1, 2, 5, 20, 1000, 10**6]
    rows = run("unanimous", "shares", "n bigint, z double", [(n, Z) for n in sizes])
    for n, row in zip(sizes, rows, strict=True):
        exact = stats.binomtest(n, n).proportion_ci(0.95, method="exact").low
        assert row["bound"] == pytest.approx(exact, abs=1e-9)
        none = stats.binomtest(0, n).proportion_ci(0.95, method="exact").high
        assert 1 - row["bound"] == pytest.approx(none, abs=1e-9)


def test_a_share_of_nothing_is_nothing():
    (row,) = run("shares", "shares", "k bigint, n bigint", [(0, 0)])
    assert (row["standard_error"], row["ci_low"], row["ci_high"]) == (None, None, None)


def test_a_lifetime_is_the_integral_of_who_stays_discounted():
    """Against scipy's quadrature: the survival of a constant hazard times the discount."""
    from scipy.integrate import quad

    given = [
        (churn, years, rate, longest)
        for churn in (0.0, 0.001, 0.05, 0.5, 0.999)
        for years in (30 / 365, 180 / 365, 1.0)
        for rate in (0.0, 0.01, 0.1, 0.5)
        for longest in (1.0, 20.0, 50.0)
    ]
    columns = "churn double, years double, rate double, longest double"
    for (churn, years, rate, longest), row in zip(
        given, run("lifetimes", "lifetimes", columns, given), strict=True
    ):

        def present(t: float) -> float:
            return (1 - churn) ** (t / years) / (1 + rate) ** t  # noqa: B023

        value = quad(present, 0, longest, points=[min(longest, years)], limit=200)[0]
        assert row["value"] == pytest.approx(value, rel=1e-6), (churn, years, rate, longest)
    edges = run("lifetimes", "lifetimes", columns, [(1.0, 1.0, 0.1, 50.0), (None, 1.0, 0.1, 50.0)])
    assert [row["value"] for row in edges] == [0, None]


def test_ten_detractors_of_whom_five_left_in_180_days():
    """0.8 x 500 x 12 / (ln 2 x 365 / 180 + ln 1.1) = 4,800 / 1.500858 = 3,198."""
    columns = "churn double, years double, rate double, longest double"
    (row,) = run("lifetimes", "lifetimes", columns, [(0.5, 180 / 365, 0.1, 50.0)])
    assert 0.8 * 500 * 12 * row["value"] == pytest.approx(3198, abs=0.5)


@pytest.mark.parametrize("degrees", [6, 8, 10, 30, 150])
def test_students_t_agrees_with_scipy(degrees: int):
    """As exact as the macros say, from the fewest degrees of freedom that a series can have."""
    t = [sign * i / 8 for i in range(1, 81) for sign in (-1, 1)] + [0.0, None]
    rows = run(
        "quantiles", "students", "t double, degrees bigint, z double", [(x, degrees, Z) for x in t]
    )
    for each, row in zip(t, rows, strict=True):
        if each is None:
            assert row["p"] is None
            continue
        expected = 2 * stats.t.sf(abs(each), degrees)
        assert row["p"] == pytest.approx(expected, rel=4e-5 if expected > 0.001 else 2e-4), each
        assert row["quantile"] == pytest.approx(stats.t.ppf(0.975, degrees), abs=1.1e-4)


def test_normal_quantiles_agree_with_scipy():
    tails = [0.5, 0.4, 0.1, 0.025, 0.00135] + [0.025 / periods for periods in range(1, 1000, 37)]
    rows = run("tails of normal", "tails_of", "tail double", [(tail,) for tail in tails])
    for tail, row in zip(tails, rows, strict=True):
        assert row["quantile"] == pytest.approx(stats.norm.isf(tail), abs=4.5e-4), tail


def test_generic_tests_find_what_is_wrong():
    """NULL is no pass; a repeated pair is one failure, with NULL equal to NULL."""
    rows = [(1, 1), (1, 2), (1, 2), (0, 1), (None, 1), (None, 1), (1, None), (0, None)]
    with empty_database() as connection:
        connection.execute("create table tested (a integer, b integer)")
        connection.executemany("insert into tested values (?, ?)", rows)
        broken = [name for (name,) in connection.sql(query("generic tests")).fetchall()]
    # a row that breaks several rules is reported once, by the first: (0, NULL)
    assert Counter(broken) == {"b is null": 2, "a_is_positive": 3, "a, b not unique": 2}
