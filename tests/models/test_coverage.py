"""How often the intervals that are published hold the truth: at nominal 95 %, at least 93 % of the time,
and from 100 answers on at most 98 %.

Where the outcomes can be listed (scores of one group, shares), every one of them is weighed by its
probability: that is exact. Elsewhere samples are drawn, by fixed seeds. Bounds are computed by the
macros and models as dbt compiles them. The table of docs/metrics.md holds what is found here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from dbt_support import PROJECT_DIR, compiled, compiled_inline, empty_database, nodes, rebuild
from scipy.special import gammaln
from scipy.stats import binom
from test_raking import LIMITS, PRIORS, weighted_rows

pytestmark = pytest.mark.simulation

SIZES = (20, 50, 100, 200, 500, 2000)
# Promoters, passives, detractors, from even to skewed.
MIXES = np.array(
    [
        (1 / 3, 1 / 3, 1 / 3),
        (0.5, 0.3, 0.2),
        (0.2, 0.3, 0.5),
        (0.7, 0.2, 0.1),
        (0.8, 0.1, 0.1),
        (0.1, 0.8, 0.1),
    ]
)
SKEWED_MIXES = np.array(
    [(0.9, 0.08, 0.02), (0.95, 0.04, 0.01), (0.03, 0.94, 0.03), (0.5, 0, 0.5), (0.75, 0.25, 0)]
)
NOMINAL = (0.93, 0.98)
CONTRIBUTIONS = np.array([100, 0, -100])
Coverage = dict[int, list[float]]  # of each size, one share of intervals for each truth

SCORES = """
select
    outcomes.place,
    {{ nps_bound(-1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        as low,
    {{ nps_bound(1, 'top', 'middle', 'bottom', 'z', 'top_prior', 'middle_prior', 'bottom_prior') }}
        as high
from outcomes
inner join {{ ref('metrics') }} as metrics on outcomes.metric = metrics.metric
cross join (select {{ assumption('confidence_z') }} as z) as assumed
"""
SHARES = """
select
    outcomes.place,
    {{ share_bound(-1, 'top', 'size', 'z') }} as low,
    {{ share_bound(1, 'top', 'size', 'z') }} as high
from outcomes
cross join (select {{ assumption('confidence_z') }} as z) as assumed
"""
_SIDES = [
    [
        f"(outcomes.{side}{name} + metrics.{name}_prior_of_two)"
        for name in ("top", "middle", "bottom")
    ]
    for side in ("", "other_")
]
_ERROR = (
    "sqrt(power({{ nps_standard_error("
    + ", ".join(repr(part) for part in _SIDES[0])
    + ") }}, 2) + power({{ nps_standard_error("
    + ", ".join(repr(part) for part in _SIDES[1])
    + ") }}, 2))"
)
_CHANGE = " - ".join("{{ nps(" + ", ".join(repr(part) for part in side) + ") }}" for side in _SIDES)
DIFFERENCES = f"""
select
    outcomes.place,
    {_CHANGE} - {{{{ assumption('confidence_z') }}}} * {_ERROR} as low,
    {_CHANGE} + {{{{ assumption('confidence_z') }}}} * {_ERROR} as high
from outcomes
inner join {{{{ ref('metrics') }}}} as metrics on outcomes.metric = metrics.metric
"""
LIFETIMES = """
select
    place,
    {{ discounted_lifetime('rate_high', 'years', 'discount_rate', 'longest') }} as low,
    {{ discounted_lifetime('rate_low', 'years', 'discount_rate', 'longest') }} as high
from (
    select
        outcomes.place,
        {{ share_bound(-1, 'top', 'size', 'z') }} as rate_low,
        {{ share_bound(1, 'top', 'size', 'z') }} as rate_high,
        1e0 as years,
        {{ assumption('discount_rate') }} as discount_rate,
        {{ assumption('max_lifetime_years') }} as longest
    from outcomes
    cross join (select {{ assumption('confidence_z') }} as z) as assumed
)
"""
QUERIES = {"lifetimes": LIFETIMES, "scores": SCORES, "shares": SHARES, "differences": DIFFERENCES}
BORDER = "\n-- next query\n"


@cache
def query(name: str) -> str:
    """One run of dbt compiles them all."""
    parts = compiled_inline(BORDER.join(QUERIES.values())).split(BORDER.strip())
    return dict(zip(QUERIES, parts, strict=True))[name]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute("set threads = 2")
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', 1)"
        )
        yield connection


def bounds(database: duckdb.DuckDBPyConnection, name: str, **columns: object) -> np.ndarray:
    """Lower and upper bounds of outcomes, in their order."""
    size = max(np.size(column) for column in columns.values())
    arrays = {key: pa.array(np.broadcast_to(column, size)) for key, column in columns.items()}
    database.register("outcomes", pa.table({"place": np.arange(size), **arrays}))
    found = database.execute(f"select low, high from ({query(name)}) order by place").fetchnumpy()
    database.unregister("outcomes")
    return np.array([found["low"], found["high"]])


def holding(found: np.ndarray, truth: np.ndarray | float) -> np.ndarray:
    """Whether bounds hold the truth, whose last digits are not meant."""
    return (found[0] <= truth + 1e-9) & (truth - 1e-9 <= found[1])


# --- exact: every outcome by its probability ----------------------------------------------------


def trinomial(size: int) -> np.ndarray:
    """Every count of promoters, passives and detractors of so many answers."""
    top, bottom = np.meshgrid(np.arange(size + 1), np.arange(size + 1), indexing="ij")
    is_possible = top + bottom <= size
    top, bottom = top[is_possible], bottom[is_possible]
    return np.array([top, size - top - bottom, bottom])


def probabilities(counts: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Of counts of so many answers whose classes have the probabilities of a mix."""
    factorials = gammaln(np.arange(counts[:, 0].sum() + 1) + 1)
    logs = factorials[-1] - factorials[counts].sum(axis=0)
    is_possible = (counts[mix == 0] == 0).all(axis=0)
    logs += (counts[mix > 0] * np.log(mix[mix > 0])[:, np.newaxis]).sum(axis=0)
    return np.exp(np.where(is_possible, logs, -np.inf))


def scores(database: duckdb.DuckDBPyConnection, *, has_all_classes: bool) -> Coverage:
    """Adjusted Wald of an NPS, on a grid of mixes: those of which each class is expected at least twice
    (from 1,000 answers on the named ones alone, for speed), or the others."""
    steps = np.arange(21) / 20
    grid = np.array(
        [(p, 1 - p - d, d) for p in steps for d in steps if p + d <= 1 and max(p, d) < 1]
    )
    grid = np.round(grid, 10)
    found = {}
    for size in SIZES:
        mixes = np.vstack([grid, MIXES, SKEWED_MIXES])
        if size > 500:
            mixes = np.vstack([MIXES, SKEWED_MIXES])
        mixes = mixes[mixes.max(axis=1) < 1]
        mixes = mixes[(mixes.min(axis=1) * size >= 2) == has_all_classes]
        counts = trinomial(size)
        top, middle, bottom = counts
        given = bounds(database, "scores", metric="nps", top=top, middle=middle, bottom=bottom)
        found[size] = [
            float(probabilities(counts, mix)[holding(given, CONTRIBUTIONS @ mix)].sum())
            for mix in mixes
        ]
    return found


def shares(
    database: duckdb.DuckDBPyConnection, name: str, fewest: float, most: float = np.inf
) -> Coverage:
    """Every share of which the rarer answer is expected so many times, on a fine grid."""
    found = {}
    for size in SIZES:
        top = np.arange(size + 1)
        if name == "scores":
            given = (
                bounds(database, name, metric="csat", top=top, middle=size - top, bottom=0) / 100
            )
        else:
            given = bounds(database, name, top=top, size=size)
        rarer = np.linspace(fewest, min(most, size / 2), 400) / size
        truths = np.concatenate([rarer, 1 - rarer])[:, np.newaxis]
        held = (given[0] <= truths + 1e-12) & (truths - 1e-12 <= given[1])
        found[size] = [float(share) for share in (binom.pmf(top, size, truths) * held).sum(axis=1)]
    return found


def lifetimes(database: duckdb.DuckDBPyConnection) -> Coverage:
    """Years' revenue that a customer is worth, of churn rates by which at least 5 leave and 5 stay."""
    rows = database.execute("select name, value from nps.seeds.assumptions").fetchall()
    assumed = dict(rows)
    found = {}
    for size in SIZES:
        top = np.arange(size + 1)
        low, high = bounds(database, "lifetimes", top=top, size=size)
        churn = np.linspace(5 / size, 1 - 5 / size, 400)[:, np.newaxis]
        force = np.log1p(assumed["discount_rate"]) - np.log1p(-churn)
        truths = -np.expm1(-force * assumed["max_lifetime_years"]) / force
        held = (low <= truths * (1 + 1e-12)) & (truths * (1 - 1e-12) <= high)
        found[size] = [float(share) for share in (binom.pmf(top, size, churn) * held).sum(axis=1)]
    return found


# --- drawn: two groups, strata, samples of a finite base ----------------------------------------


def differences(database: duckdb.DuckDBPyConnection, metric: str) -> Coverage:
    """Two independent groups, equally large and one ten times as large, of all pairs of mixes."""
    rng, draws = np.random.default_rng(1), 4000
    mixes = MIXES if metric == "nps" else np.array([(p, 1 - p, 0) for p in (0.5, 0.7, 0.9)])
    found = {}
    for size in SIZES:
        given, truths = [], []
        for (one, other), factor in product(product(mixes, mixes), (1, 10)):
            first, second = (
                rng.multinomial(size, one, draws),
                rng.multinomial(size * factor, other, draws),
            )
            given.append(np.hstack([first, second]))
            truths.append(CONTRIBUTIONS @ (one - other))
        names = ("top", "middle", "bottom", "other_top", "other_middle", "other_bottom")
        columns = dict(zip(names, np.vstack(given).T, strict=True))
        held = holding(
            bounds(database, "differences", metric=metric, **columns), np.repeat(truths, draws)
        )
        found[size] = list(held.reshape(len(truths), draws).mean(axis=1))
    return found


# Shares of the customers and of the answers: as they are, and as if the small segments answered most.
PROPORTIONAL = (np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.4, 0.3, 0.2, 0.1]))
SKEWED = (np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3, 0.4]))
ALIKE = np.tile([0.5, 0.3, 0.2], (4, 1))
APART = np.array([(0.8, 0.15, 0.05), (0.6, 0.25, 0.15), (0.4, 0.3, 0.3), (0.2, 0.3, 0.5)])
BASE = 1_000_000


def weighted(
    database: duckdb.DuckDBPyConnection,
    cells: dict[str, dict[str, np.ndarray]],
    base: dict[str, np.ndarray],
    *columns: str,
) -> dict[str, np.ndarray]:
    """Columns of nps_weighted_by_period by name of a case, with as many rows as it has draws.

    Args:
        cells: of each case, counts by segment and draw of promoters, passives and detractors.
        base: of each case, customers by segment.
        columns: of the model.
    """
    frames = []
    for case, counts in cells.items():
        segments, draws = counts["promoters"].shape
        rows = {name: pa.array(count.ravel()) for name, count in counts.items()}
        rows["responses"] = pa.array(sum(counts.values()).ravel())
        rows["dimension"] = pa.array([case] * (segments * draws))
        rows["segment"] = pa.array(np.repeat(np.arange(segments), draws).astype(str))
        rows["survey_type"] = pa.array(np.tile(np.arange(draws), segments).astype(str))
        frames.append(pa.table(rows))
    database.execute(
        "delete from nps.raw.segments; delete from nps.intermediate.int_periods_scored; "
        "delete from nps.intermediate.int_customer_base_counted"
    )
    database.register("filling", pa.concat_tables(frames))
    database.execute(
        "insert into nps.intermediate.int_periods_scored by name select *, 'year' as time_grain, "
        "date '2025-01-01' as period_start, date '2025-12-31' as period_end, "
        "'customers' as basis, 'nps' as metric from filling where responses > 0"
    )
    for case, customers in base.items():
        database.execute("insert into nps.raw.segments values (1, ?, ?)", [case, case])
        database.executemany(
            "insert into nps.intermediate.int_customer_base_counted by name "
            "select date '2025-12-31' as as_of_on, ? as dimension, ? as segment, ? as customers",
            [(case, str(n), int(count)) for n, count in enumerate(customers)],
        )
    rebuild(database, ["int_strata_summed"])
    return figures(database, *columns)


def figures(database: duckdb.DuckDBPyConnection, *columns: str) -> dict[str, np.ndarray]:
    """Columns of nps_weighted_by_period by dimension, in the order of the draws."""
    rows = database.execute(
        f"select dimension, {', '.join(columns)} from ({compiled('nps_weighted_by_period')}) "
        "order by dimension, cast(survey_type as int)"
    ).fetchnumpy()
    values = np.array([np.ma.filled(rows[column], np.nan) for column in columns])
    return {name: values[:, rows["dimension"] == name] for name in np.unique(rows["dimension"])}


def stratified(database: duckdb.DuckDBPyConnection, suffix: str, cases: dict) -> Coverage:
    """Segments of a base of which the answers are few, as in the cases."""
    rng, draws = np.random.default_rng(2), 10_000
    found = {}
    for size in SIZES:
        cells, base, truths = {}, {}, {}
        for name, ((customers, answers), mixes) in cases.items():
            sizes = np.round(size * answers).astype(int)
            drawn = [rng.multinomial(n, mix, draws) for n, mix in zip(sizes, mixes, strict=True)]
            counts = np.array(drawn).transpose(2, 0, 1)
            classes = ("promoters", "passives", "detractors")
            cells[name] = dict(zip(classes, counts, strict=True))
            base[name] = BASE * customers
            truths[name] = float(customers @ mixes @ CONTRIBUTIONS)
        given = weighted(database, cells, base, f"ci_low{suffix}", f"ci_high{suffix}")
        found[size] = [float(holding(given[name], truths[name]).mean()) for name in cases]
    return found


ALIKE_CASES = {"proportional": (PROPORTIONAL, ALIKE), "skewed": (SKEWED, ALIKE)}
ALL_CASES = {
    **ALIKE_CASES,
    "proportional apart": (PROPORTIONAL, APART),
    "skewed apart": (SKEWED, APART),
    "skewed the other way": (SKEWED, APART[::-1]),
}


def finite(database: duckdb.DuckDBPyConnection) -> Coverage:
    """Samples without replacement of a base: a quarter, three quarters, and unequal parts of segments."""
    rng, draws = np.random.default_rng(3), 10_000
    cases = {
        "a quarter": ((4.0,), MIXES[[1]]),
        "three quarters": ((4 / 3,), MIXES[[1]]),
        "three quarters, skewed": ((4 / 3,), MIXES[[4]]),
        "unequal parts": ((1.25, 10.0), MIXES[[1, 1]]),
    }
    found = {}
    for size in SIZES:
        cells, base, truths = {}, {}, {}
        for name, (factors, mixes) in cases.items():
            n = size // len(factors)
            drawn, customers, sums = [], [], np.zeros(3)
            for factor, mix in zip(factors, mixes, strict=True):
                held = np.round(mix * n * factor).astype(int)
                drawn.append(rng.multivariate_hypergeometric(held, n, draws))
                customers.append(held.sum())
                sums += held
            counts = np.array(drawn).transpose(2, 0, 1)
            cells[name] = dict(zip(("promoters", "passives", "detractors"), counts, strict=True))
            base[name] = np.array(customers)
            truths[name] = float(CONTRIBUTIONS @ sums / sums.sum())
        given = weighted(database, cells, base, "ci_low_finite", "ci_high_finite")
        found[size] = [float(holding(given[name], truths[name]).mean()) for name in cases]
    return found


def raked(database: duckdb.DuckDBPyConnection, suffix: str) -> Coverage:
    """Two regions and three plans that depend on one another; who answers depends on both, as scores do."""
    rng, draws = np.random.default_rng(4), 2000
    held = np.array([[0.3, 0.15, 0.05], [0.1, 0.15, 0.25]])  # customers by region and plan
    answering = np.array([[1.0], [0.6]]) * np.array([1.0, 0.7, 1.4])
    lift = np.array([[0.1], [-0.1]]) + np.array([0.1, 0, -0.1])
    mixes = np.stack([0.5 + lift, np.full_like(lift, 0.3), 0.2 - lift], axis=-1)
    mixes = np.clip(mixes, 0.02, None) / np.clip(mixes, 0.02, None).sum(axis=-1, keepdims=True)
    truth = float((held[..., np.newaxis] * mixes).sum(axis=(0, 1)) @ CONTRIBUTIONS)
    chance = (held * answering / (held * answering).sum()).ravel()
    base = {("day", "region", str(r)): int(BASE * held[r].sum()) for r in range(2)}
    base |= {("day", "plan", str(p)): int(BASE * held[:, p].sum()) for p in range(3)}
    found = {}
    for size in SIZES[1:]:
        cells = []
        for draw, sizes in enumerate(rng.multinomial(size, chance, draws)):
            for cell, n in enumerate(sizes):
                counts = rng.multinomial(n, mixes.reshape(6, 3)[cell])
                if n:
                    cells.append(
                        {
                            "time_grain": "year", "period_start": "2025-01-01",
                            "period_end": "2025-12-31", "basis": "customers", "metric": "nps",
                            "survey_type": str(draw), "base_on": "day",
                            "seg_region": str(cell // 3), "seg_plan": str(cell % 3),
                            "promoters": int(counts[0]), "passives": int(counts[1]),
                            "detractors": int(counts[2]),
                        }
                    )  # fmt: skip
        dimensions = [("seg_region", "region"), ("seg_plan", "plan")]
        rows = weighted_rows(cells, dimensions, base, PRIORS, LIMITS)
        assert all(row["is_converged"] for row in rows)
        database.register("filling", pa.Table.from_pylist(rows))
        database.execute("delete from nps.intermediate.int_strata_summed")
        database.execute("delete from nps.intermediate.int_answers_raked")
        database.execute(
            "insert into nps.intermediate.int_answers_raked by name select * replace ("
            "period_start::date as period_start, period_end::date as period_end) from filling"
        )
        given = figures(database, f"ci_low{suffix}", f"ci_high{suffix}")["all dimensions"]
        found[size] = [float(holding(given, truth).mean())]
        database.execute("delete from nps.intermediate.int_answers_raked")
    return found


# --- drawn: the same voices twice ---------------------------------------------------------------

PAIR = {
    "comparison": "previous_period", "time_grain": "month", "metric": "nps", "dimension": "all",
    "segment": "all",
}  # fmt: skip
MARKS = np.array([1, 0, -1])
CLASSES = ("promoters", "passives", "detractors")


def changes(
    database: duckdb.DuckDBPyConnection,
    basis: str,
    counts: np.ndarray,
    compared: np.ndarray,
    **tables: dict[str, np.ndarray],
) -> np.ndarray:
    """Bounds of a change by int_changes_measured, one draw a survey type, NaN where nothing is tested.

    Args:
        basis: of the comparison.
        counts: promoters, passives and detractors, one row a draw.
        compared: the same of the period compared with.
        tables: sums by draw, by the name of their table and, after `__`, of their period.
    """
    draws = len(counts)
    periods = {"own": "2025-02-01", "compared": "2025-01-01"}
    types = pa.array(np.arange(draws).astype(str))
    rows = {"survey_type": types}
    rows |= {name: pa.array(counts[:, n]) for n, name in enumerate(CLASSES)}
    rows |= {f"compared_{name}": pa.array(compared[:, n]) for n, name in enumerate(CLASSES)}
    for table in ("int_periods_compared", "int_voices_shared", "int_answers_clustered"):
        database.execute(f"delete from nps.intermediate.{table}")
    filled = {"int_periods_compared": rows} | tables
    for key, columns in filled.items():
        table, _, side = key.partition("__")
        constants = PAIR | {
            "basis": basis,
            "period_start": periods[side or "own"],
            "compared_period_start": periods["compared"],
            "period_end": "2025-02-28",
        }
        kept = _columns(database, table)
        listed = ", ".join(
            f"{'date ' if value[:2] == '20' else ''}'{value}' as {name}"
            for name, value in constants.items()
            if name in kept
        )
        database.register("filling", pa.table({"survey_type": types} | columns))
        database.execute(
            f"insert into nps.intermediate.{table} by name select *, {listed} from filling"
        )
    result = database.execute(
        "select tested_change - z * standard_error as low, tested_change + z * standard_error as high "
        f"from ({compiled('int_changes_measured')}) cross join (select value as z from "
        "nps.seeds.assumptions where name = 'confidence_z') order by cast(survey_type as int)"
    ).fetchnumpy()
    return np.array([np.ma.filled(result[name], np.nan) for name in ("low", "high")])


def paired(database: duckdb.DuckDBPyConnection) -> Coverage:
    """Customers of whom all, or half, answered in both periods; nine or seven of ten keep their class."""
    rng, draws = np.random.default_rng(7), 10_000
    found = {}
    for size in SIZES:
        found[size] = []
        for keeps, overlap, (one, other) in product(
            (0.7, 0.9), (1.0, 0.5), ((MIXES[1], MIXES[1]), (MIXES[3], MIXES[2]))
        ):
            both = int(size * overlap)
            moves = one[:, np.newaxis] * (keeps * np.eye(3) + (1 - keeps) * other)
            later = moves.sum(axis=0)
            table = rng.multinomial(both, moves.ravel(), draws).reshape(draws, 3, 3)
            alone = [rng.multinomial(size - both, mix, draws) for mix in (later, one)]
            sums = {
                "shared_voices": np.full(draws, both),
                "moved_voices": both - np.trace(table, axis1=1, axis2=2),
                "total": table.sum(axis=1) @ MARKS,
                "compared_total": table.sum(axis=2) @ MARKS,
                "squares": table.sum(axis=1) @ MARKS**2,
                "compared_squares": table.sum(axis=2) @ MARKS**2,
                "products": np.einsum("nij,i,j->n", table, MARKS, MARKS),
            }
            given = changes(
                database, "customers", table.sum(axis=1) + alone[0], table.sum(axis=2) + alone[1],
                int_voices_shared=sums,
            )  # fmt: skip
            known = ~np.isnan(given[0])
            truth = float((later - one) @ CONTRIBUTIONS)
            found[size].append(float(holding(given[:, known], truth).mean()))
    return found


def clustered(database: duckdb.DuckDBPyConnection) -> Coverage:
    """So many customers a period, who answer three times on average and mostly say what they said."""
    rng, draws = np.random.default_rng(8), 2000
    found = {}
    for size in SIZES:
        found[size] = []
        for keeps, mix in product((0.5, 0.9), MIXES[[1, 3]]):
            counts, sums = [], {}
            for side in ("own", "compared"):
                answers = 1 + rng.poisson(2, (draws, size))
                own = rng.choice(3, (draws, size), p=mix)
                kept = rng.binomial(answers, keeps)
                top = rng.binomial(answers - kept, mix[0])
                bottom = rng.binomial(answers - kept - top, mix[2] / (1 - mix[0]))
                top, bottom = top + kept * (own == 0), bottom + kept * (own == 2)
                counts.append(np.array([top, answers - top - bottom, bottom]).sum(axis=2).T)
                total = top - bottom
                sums[f"int_answers_clustered__{side}"] = {
                    "repeats": (answers - 1).sum(axis=1),
                    "repeated_weights": (answers**2 - answers).sum(axis=1),
                    "repeated_products": (answers * total - total).sum(axis=1),
                    "repeated_squares": (total**2 - top - bottom).sum(axis=1),
                }
            given = changes(database, "responses", *counts, **sums)
            known = ~np.isnan(given[0])
            found[size].append(float(holding(given[:, known], 0.0).mean()))
    return found


# --- drawn: times and amounts -------------------------------------------------------------------


def curves(database: duckdb.DuckDBPyConnection, fewest: float = 5.0) -> Coverage:
    """Kaplan-Meier with log(-log) bounds where 90, 70, 50 and 30 % stay, customers seen for 1 to 60 days.

    fewest: of those who leave by then, as many must be expected.
    """
    rng = np.random.default_rng(5)
    mean, longest = 30.0, 60
    found = {}
    for size in SIZES:
        draws = 4000 if size <= 200 else 1000
        leaving = np.ceil(rng.exponential(mean, (draws, size))).astype(int)
        seen = rng.integers(1, longest + 1, (draws, size))
        days = np.minimum(leaving, seen)
        places = np.arange(draws)[:, np.newaxis] * (longest + 1) + days
        is_churned = leaving <= seen
        ended, churned = (
            np.bincount(places[mask], minlength=draws * (longest + 1)).reshape(draws, -1)
            for mask in (np.full_like(is_churned, True), is_churned)
        )
        at_risk = ended[:, ::-1].cumsum(axis=1)[:, ::-1]
        draw, day = np.nonzero((ended > 0) | (np.arange(longest + 1) == 0))
        rows = {
            "survey_type": pa.array(draw.astype(str)), "days": day,
            "at_risk": at_risk[draw, day], "churned": churned[draw, day],
            "censored": (ended - churned)[draw, day],
        }  # fmt: skip
        fixed = {"basis": "customers", "metric": "nps", "dimension": "all", "segment": "all"}
        fixed |= {"nps_class": "promoter", "followed_from": "answer"}
        columns = _columns(database, "int_retention_days_counted")
        constants = ", ".join(f"'{v}' as {k}" for k, v in fixed.items() if k in columns)
        database.register("filling", pa.table(rows))
        database.execute("delete from nps.intermediate.int_retention_days_counted")
        database.execute(
            "insert into nps.intermediate.int_retention_days_counted by name "
            f"select *, {constants} from filling"
        )
        result = database.execute(
            "select cast(survey_type as int) as draw, days, ci_low, ci_high "
            f"from ({compiled('nps_retention_curves')}) order by draw, days"
        ).fetchnumpy()
        found[size] = []
        for stays in (0.9, 0.7, 0.5, 0.3):
            day = round(-mean * np.log(stays))
            # the curve is level from one of its days to the next
            is_until = result["days"] <= day
            last = np.flatnonzero(
                is_until & np.append(~is_until[1:] | (np.diff(result["draw"]) > 0), True)
            )
            # nothing is known of a day on which nobody is followed any more
            known = at_risk[:, day] > 0
            given = np.array([result["ci_low"][last], result["ci_high"][last]])[:, known]
            if size * (1 - stays) >= fewest:
                found[size].append(float(holding(given, np.exp(-day / mean)).mean()))
    return found


def _columns(database: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    rows = database.execute(
        "select column_name from duckdb_columns() where table_name = ?", [table]
    ).fetchall()
    return {name for (name,) in rows}


AMOUNTS: dict[str, tuple[Callable, float]] = {
    "normal": (lambda rng, shape: rng.normal(0, 1, shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(1, shape), 1.0),
    "lognormal": (lambda rng, shape: rng.lognormal(0, 1, shape), float(np.exp(0.5))),
}


def means(database: duckdb.DuckDBPyConnection, *names: str) -> Coverage:
    """Difference of two means in nps_lift_by_class, groups of equal and of tenfold size."""
    rng = np.random.default_rng(6)
    found = {}
    for size in SIZES:
        draws = 4000 if size <= 200 else 1000
        found[size] = []
        for name, factor in product(names, (1, 10)):
            draw, _ = AMOUNTS[name]
            groups = [draw(rng, (draws, n)) for n in (size, min(size * factor, 2000))]
            rows = defaultdict(list)
            for nps_class, values in zip(("promoter", "passive"), groups, strict=True):
                rows["nps_class"] += [nps_class] * draws
                rows["survey_type"] += list(map(str, range(draws)))
                rows["observed"] += [values.shape[1]] * draws
                rows["total"] += list(values.sum(axis=1) + 100 * values.shape[1])
                rows["deviation"] += list(values.std(axis=1, ddof=1))
            database.register("filling", pa.table(dict(rows)))
            database.execute("delete from nps.intermediate.int_lift_classes_summed")
            database.execute(
                "insert into nps.intermediate.int_lift_classes_summed by name "
                "select *, 'nps' as metric, 'revenue' as measure, observed as customers, "
                "observed as delivered from filling"
            )
            # between the sums and the mart stands whatever the lift is averaged by
            rebuild(
                database, [name for name in nodes("model") if name == "int_lift_classes_averaged"]
            )
            result = database.execute(
                f"select ci_low, ci_high from ({compiled('nps_lift_by_class')}) "
                "where nps_class = 'promoter'"
            ).fetchnumpy()
            given = np.array([result["ci_low"], result["ci_high"]])
            found[size].append(float(holding(given, 0.0).mean()))
    return found


# --- what must hold -----------------------------------------------------------------------------

# Interval: how its coverage is found, and the least and the most (from 100 answers on) that it may be, where
# these are not 93 and 98 %: docs/metrics.md says why.
INTERVALS: dict[str, tuple[Callable[[duckdb.DuckDBPyConnection], Coverage], float, float]] = {
    "NPS": (lambda database: scores(database, has_all_classes=True), *NOMINAL),
    "NPS, a class expected less than twice": (
        lambda database: scores(database, has_all_classes=False), 0.905, 0.98,
    ),
    "CSAT, CES": (lambda database: shares(database, "scores", 5), 0.928, 0.98),
    "CSAT, CES, rarer answer expected 1 to 5 times": (
        lambda database: shares(database, "scores", 1, 5), 0.93, 0.995,
    ),
    "churn and response rates": (lambda database: shares(database, "shares", 5), 0.925, 0.98),
    "churn and response rates, rarer outcome expected 1 to 5 times": (
        lambda database: shares(database, "shares", 1, 5), 0.915, 0.982,
    ),
    "lifetime value": (lifetimes, 0.925, 0.98),
    "weighted, segments alike": (lambda database: stratified(database, "", ALIKE_CASES), *NOMINAL),
    "weighted, segments apart": (lambda database: stratified(database, "", ALL_CASES), 0.93, 0.99),
    "weighted, stratified": (
        lambda database: stratified(database, "_stratified", ALL_CASES), *NOMINAL,
    ),
    "weighted, finite base": (finite, *NOMINAL),
    "weighted by all dimensions": (lambda database: raked(database, ""), *NOMINAL),
    "weighted by all dimensions, stratified": (lambda database: raked(database, "_stratified"), *NOMINAL),
    "change of NPS": (lambda database: differences(database, "nps"), *NOMINAL),
    "change of CSAT, CES": (lambda database: differences(database, "csat"), *NOMINAL),
    "change of NPS, customers in both periods": (paired, 0.93, 0.985),
    "change of NPS, customers who answer often": (clustered, *NOMINAL),
    "difference of means": (lambda database: means(database, "normal", "exponential"), 0.92, 0.98),
    "difference of means, very skewed": (lambda database: means(database, "lognormal"), 0.9, 0.98),
    "retention curve": (curves, *NOMINAL),
}  # fmt: skip
_found: dict[str, Coverage] = {}


def coverage(database: duckdb.DuckDBPyConnection, name: str) -> Coverage:
    """Computed once for both tests."""
    if name not in _found:
        _found[name] = INTERVALS[name][0](database)
    return _found[name]


@pytest.mark.parametrize("name", INTERVALS)
def test_an_interval_holds_the_truth_as_often_as_it_says(database, name: str):
    _, least, most = INTERVALS[name]
    for size, found in coverage(database, name).items():
        if found:
            assert min(found) >= least, (size, min(found))
            assert size < 100 or max(found) <= most, (size, max(found))


def test_the_documents_table_is_what_is_found(database):
    page = (PROJECT_DIR / "docs/metrics.md").read_text(encoding="utf-8")
    rows = {
        cells[0]: cells[1:]
        for cells in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in page.splitlines()
            if line.startswith("| ")
        )
    }
    assert [int(cell.replace(",", "")) for cell in rows["95 % interval of"]] == list(SIZES)
    for name in INTERVALS:
        printed = [
            [float(number) for number in re.findall(r"\d+\.\d", cell)] for cell in rows[name]
        ]
        found = [coverage(database, name).get(size) for size in SIZES]
        expected = [[100 * min(values), 100 * max(values)] if values else [] for values in found]
        # what is printed is rounded
        for one, other in zip(printed, expected, strict=True):
            assert one == pytest.approx(other, abs=0.06), f"{name}\n{table(database)}"


def table(database: duckdb.DuckDBPyConnection) -> str:
    """The table of docs/metrics.md."""
    lines = [f"| 95 % interval of | {' | '.join(f'{size:,}' for size in SIZES)} |"]
    lines.append("|---" * (len(SIZES) + 1) + "|")
    for name in INTERVALS:
        found = coverage(database, name)
        cells = [
            f"{100 * min(found[size]):.1f} to {100 * max(found[size]):.1f}"
            if found.get(size)
            else "–"
            for size in SIZES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
