"""Who is held out, and what following up is worth: against hashlib, statsmodels and arithmetic."""

from __future__ import annotations

import hashlib
import math
import os
import uuid
from statistics import NormalDist

import duckdb
import pytest
from dbt_support import compiled, empty_database, target_dir, warehouse
from statsmodels.stats.proportion import confint_proportions_2indep

Z = NormalDist().inv_cdf(0.975)
CUSTOMERS = [str(uuid.UUID(hashlib.md5(str(n).encode()).hexdigest())) for n in range(20_000)]


def drawn(customer: str) -> float:
    """The customer's place in [0, 1): 32 bits of a hash of a hash with the workspace's key."""
    key = hashlib.sha256(os.environ["NPS_HASH_KEY"].encode()).hexdigest()
    inner = hashlib.md5((key[:32] + customer).encode()).hexdigest()
    keyed = uuid.UUID(hashlib.md5((key[32:] + inner).encode()).hexdigest())
    return int(hashlib.md5(f"{keyed}|hold-out".encode()).hexdigest()[:8], 16) / 2**32


def held_out(share: float) -> set[str]:
    """The customers whom the model holds out, with keys of their own type."""
    warehouse()
    path = target_dir() / "compiled/nps_warehouse/models/intermediate/follow_ups"
    sql = (path / "int_customers_held_out.sql").read_text(encoding="utf-8")
    sql = sql.replace('"marts_file".', "").replace('"nps".', "")
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create schema raw")
        connection.execute(
            "create table marts.dim_customers as select unnest($1::uuid[]) as customer_key",
            [CUSTOMERS],
        )
        connection.execute("create table raw.workspace as select $1 as holdout_share", [share])
        return {str(key) for (key,) in connection.execute(sql).fetchall()}


def test_who_is_held_out_follows_from_the_key():
    assert held_out(0.05) == {customer for customer in CUSTOMERS if drawn(customer) < 0.05}


def test_the_share_is_held_out_and_a_larger_one_holds_out_more():
    """Of 20,000 5 % are 1,000, with a standard deviation of 31."""
    few, many = held_out(0.05), held_out(0.1)
    assert abs(len(few) - 1000) < 4 * 31
    assert few < many
    assert held_out(0.0) == set()


@pytest.mark.parametrize(
    ("listed", "held"),
    [((360, 216), (40, 12)), ((50, 50), (20, 0)), ((7, 3), (9, 4)), ((1000, 1), (1000, 3))],
)
def test_differences_of_shares_have_newcombes_interval(listed, held):
    (n, k), (m, j) = listed, held
    low, high = confint_proportions_2indep(k, n, j, m, method="newcomb", compare="diff")
    counts = {"listed_answered": n, "listed_recovered": k, "held_out_answered": m}
    found = effect(**counts, held_out_recovered=j)["recovered"]
    assert found == pytest.approx((k / n, j / m, k / n - j / m, low, high), abs=1e-9)


def test_scores_at_the_next_answer_have_the_adjusted_interval():
    """Three quarters, one and a half and three quarters of an answer more on each side."""
    listed, held = (120, 96, 144), (4, 8, 28)
    counts = {
        f"{arm}_{name}": count
        for arm, counts in (("listed", listed), ("held_out", held))
        for name, count in zip(("promoters", "passives", "detractors"), counts, strict=True)
    }
    found = effect(**counts, listed_answered=360, held_out_answered=40)["next_nps"]
    values, centres, variances = [], [], []
    for p, m, d in (listed, held):
        values.append(100 * (p - d) / (p + m + d))
        n, top, bottom = p + m + d + 3, p + 0.75, d + 0.75
        centres.append(100 * (top - bottom) / n)
        variances.append(100**2 * ((top + bottom) / n - ((top - bottom) / n) ** 2) / n)
    middle, half = centres[0] - centres[1], Z * math.sqrt(sum(variances))
    expected = (*values, values[0] - values[1], middle - half, middle + half)
    assert found == pytest.approx(expected, abs=1e-9)


def effect(**counts: int) -> dict[str, tuple[float, ...]]:
    """Values, difference and bounds by measure, of one cell of customers."""
    with empty_database() as connection:
        connection.execute("insert into nps.raw.workspace (min_group_size) values (5)")
        columns = ["metric", "survey_type", "nps_class", *counts]
        connection.execute(
            f"insert into nps.intermediate.int_effect_customers_summed ({', '.join(columns)}) "
            f"values ('nps', 'care', 'detractor', {', '.join(map(str, counts.values()))})"
        )
        rows = connection.execute(
            "select measure, listed_value, held_out_value, difference, ci_low, ci_high "
            f"from ({compiled('follow_up_effect')})"
        ).fetchall()
    return {measure: tuple(figures) for measure, *figures in rows}
