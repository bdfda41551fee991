"""Retention curves and their tests against lifelines, and corrected p-values against scipy.

Compiled SQL runs on random records in memory: each data set is a survey type of its own, so that one
run computes them all.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from dbt_support import compiled, compiled_inline, empty_database, rebuild
from scipy.stats import false_discovery_control

AS_OF = date(2025, 12, 31)
MIN_GROUP_SIZE = 3
CLASSES = ("detractor", "no_response", "passive", "promoter")
REGIONS = ("north", "south", None)
CHURN = '"nps"."marts"."fct_nps_churn"'
SILENCES = '"nps"."intermediate"."int_invitations_unanswered"'
ANSWERS = '"nps"."marts"."fct_nps_responses"'
INVITATIONS = '"nps"."intermediate"."int_invitations_identified"'
# What curves and tests are built from, in the order of the build.
INTERMEDIATE = ("int_anchors_unioned", "int_first_anchors_chosen", "int_retention_days_counted")
DATA_SETS = 100
# Data sets of which every basis and segment is compared: lifelines takes 20 ms for each.
THOROUGH = 20
RECORDS = pa.schema(
    [
        ("key", pa.string()),
        ("customer_key", pa.string()),
        ("survey_type", pa.string()),
        ("nps_class", pa.string()),
        ("region", pa.string()),
        ("anchored_on", pa.date32()),
        ("anchored_at", pa.timestamp("us")),
        ("days_to_churn", pa.int32()),
        ("has_churn_information", pa.bool_()),
        ("was_active", pa.bool_()),
    ]
)


def record(
    survey_type: str, nps_class: str, seen: int, churn: int | None, hour: int = 12, **other
) -> dict:
    """An answer or a silence, followed for some days until as_of, with the days to churn."""
    anchored_on = AS_OF - timedelta(seen)
    return {
        "survey_type": survey_type,
        "nps_class": nps_class,
        "anchored_on": anchored_on,
        "anchored_at": datetime.combine(anchored_on, time(hour)),
        "days_to_churn": churn,
        "has_churn_information": True,
        "was_active": True,
        "region": None,
        **other,
    }


def random_records(number: int) -> list[dict]:
    """A data set: few customers with several records each, small and large, sparse and tied."""
    draw = random.Random(number)
    classes = draw.sample(CLASSES, draw.randint(2, 4))
    span = draw.choice((3, 30, 700))
    customers = draw.choice((4, 40, 150))
    risk = draw.choice((0.0, 0.2, 0.7, 1.0)) if number % 4 == 0 else draw.random()
    rows = []
    for place in range(draw.randint(customers, 2 * customers)):
        # a churn after as_of is not known of yet, whatever the source says
        churn = draw.randint(0, span + span // 3) if draw.random() < risk else None
        rows.append(
            record(
                f"set {number}",
                draw.choice(classes),
                draw.randint(0, span),
                churn,
                draw.randrange(24),
                key=f"{number}-{place:04}",
                customer_key=f"customer {number} {draw.randrange(customers)}",
                region=draw.choice(REGIONS),
                has_churn_information=draw.random() < 0.9,
                was_active=draw.random() < 0.9,
            )
        )
    return rows


def fill(connection: duckdb.DuckDBPyConnection, rows: list[dict]) -> None:
    """Put records where the models look for answers and silences."""
    connection.register("records", pa.Table.from_pylist(rows, schema=RECORDS))
    for table in (CHURN, SILENCES, ANSWERS, INVITATIONS):
        connection.execute(f"delete from {table}")
    connection.execute(
        f"""
        insert into {ANSWERS} by name
        select key as response_key, anchored_at as responded_at
        from records where nps_class <> 'no_response'
        """
    )
    connection.execute(
        f"""
        insert into {INVITATIONS} by name
        select key as invitation_key, anchored_at as sent_at
        from records where nps_class = 'no_response'
        """
    )
    connection.execute(
        f"""
        insert into {CHURN} by name
        select key as response_key, customer_key, 'nps' as metric, survey_type, nps_class, region,
            anchored_on as responded_on, days_to_churn, has_churn_information,
            case when has_churn_information then was_active end as was_active_at_answer
        from records where nps_class <> 'no_response'
        """
    )
    connection.execute(
        f"""
        insert into {SILENCES} by name
        select key as invitation_key, customer_key, 'nps' as metric, survey_type, region as seg_region,
            anchored_on as sent_on, days_to_churn, has_churn_information,
            was_active as was_active_when_sent
        from records where nps_class = 'no_response'
        """
    )


def curves(connection: duckdb.DuckDBPyConnection, rows: list[dict] | None = None) -> pd.DataFrame:
    """The curves of the given records, or of those in the database."""
    if rows is not None:
        fill(connection, rows)
    rebuild(connection, INTERMEDIATE)
    return connection.execute(f"from ({compiled('nps_retention_curves')}) order by all").df()


def log_ranks(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The tests of the curves that were computed last."""
    return connection.execute(f"from ({compiled('nps_retention_tests')}) order by all").df()


def follow_up(rows: list[dict]) -> dict[tuple, list[tuple[int, int]]]:
    """Durations and events by (basis, survey type, dimension, segment, class)."""
    found: dict[tuple, list[tuple[int, int]]] = {}
    met = set()
    for row in sorted(rows, key=lambda row: (row["anchored_at"], row["key"])):
        if not (row["has_churn_information"] and row["was_active"]):
            continue
        seen, churn = (AS_OF - row["anchored_on"]).days, row["days_to_churn"]
        end = (churn, 1) if churn is not None and churn <= seen else (seen, 0)
        is_first = (row["survey_type"], row["customer_key"]) not in met
        met.add((row["survey_type"], row["customer_key"]))
        for basis in ("responses", "customers")[: 1 + is_first]:
            for cell in (("all", "all"), ("region", row["region"] or "(unknown)")):
                found.setdefault((basis, row["survey_type"], *cell, row["nps_class"]), []).append(
                    end
                )
    return found


pytestmark = pytest.mark.filterwarnings("ignore:.*keyword-only")
CELL = ["basis", "survey_type", "dimension", "segment"]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values (?, ?)",
            [AS_OF, MIN_GROUP_SIZE],
        )
        yield connection


@pytest.fixture(scope="module")
def random_sets(database):
    """Records, curves and tests of all random data sets."""
    rows = [row for number in range(DATA_SETS) for row in random_records(number)]
    found = curves(database, rows)
    found = found[found["dimension"] != "plan"]
    tests = log_ranks(database)
    return follow_up(rows), found, tests[tests["dimension"] != "plan"]


def is_compared(cell: tuple) -> bool:
    basis, survey_type, dimension, *_ = cell
    return (basis, dimension) == ("responses", "all") or int(survey_type.split()[1]) < THOROUGH


# --- curves -------------------------------------------------------------------------------------


def test_curves_agree_with_lifelines(random_sets):
    from lifelines import KaplanMeierFitter

    expected, found, _ = random_sets
    by_cell = dict(list(found.groupby([*CELL, "nps_class"])))
    assert by_cell.keys() == expected.keys()
    fitted = 0
    for cell, ends in expected.items():
        if not is_compared(cell):
            continue
        curve = by_cell[cell].sort_values("days")
        assert (curve["is_suppressed"] == (len(ends) < MIN_GROUP_SIZE)).all()
        fitter = KaplanMeierFitter().fit(*zip(*ends, strict=True))
        table = fitter.event_table
        assert list(curve["days"]) == [int(day) for day in table.index], cell
        for name, column in (
            ("at_risk", "at_risk"),
            ("churned", "observed"),
            ("censored", "censored"),
        ):
            assert list(curve[name]) == list(table[column]), (cell, name)
        figures = curve[["retention", "ci_low", "ci_high"]]
        if len(ends) < MIN_GROUP_SIZE:
            assert figures.isna().all(axis=None) and curve["standard_error"].isna().all()
            continue
        estimate = fitter.survival_function_["KM_estimate"].to_numpy()
        bounds = fitter.confidence_interval_.to_numpy()
        assert figures["retention"].to_numpy() == pytest.approx(estimate, abs=1e-9), cell
        assert figures["ci_low"].to_numpy() == pytest.approx(bounds[:, 0], abs=1e-9), cell
        assert figures["ci_high"].to_numpy() == pytest.approx(bounds[:, 1], abs=1e-9), cell
        # Greenwood's sum is infinite, and the error unknown, once nobody is left
        is_over = estimate == 0
        assert (curve["standard_error"].isna().to_numpy() == is_over).all()
        errors = estimate * fitter._cumulative_sq_.to_numpy() ** 0.5
        assert curve["standard_error"].to_numpy()[~is_over] == pytest.approx(
            errors[~is_over], abs=1e-9
        )
        fitted += 1
    assert fitted > 3 * DATA_SETS


def waltons() -> list[dict]:
    """lifelines' example data: 163 flies, followed until death or loss."""
    from lifelines.datasets import load_waltons

    groups = {"control": "passive", "miR-137": "promoter"}
    return [
        record(
            survey_type,
            nps_class,
            int(row.T),
            int(row.T) if row.E else None,
            key=f"{survey_type} {place:03}",
            customer_key=f"{survey_type} {place:03}",
        )
        for place, row in enumerate(load_waltons().itertuples())
        for survey_type, nps_class in (("together", "promoter"), ("apart", groups[row.group]))
    ]


def test_half_of_the_waltons_are_gone_after_56_days(database):
    """lifelines' documentation: median survival time 56, log-rank statistic of the groups 122.25."""
    found = curves(database, waltons())
    found = found[(found["dimension"] == "all") & (found["retention"] <= 0.5)]
    medians = {("together", "promoter"): 56, ("apart", "passive"): 58, ("apart", "promoter"): 26}
    assert found.groupby(["basis", "survey_type", "nps_class"])["days"].min().to_dict() == {
        (basis, *group): median
        for basis in ("responses", "customers")
        for group, median in medians.items()
    }
    (row,) = log_ranks(database).query("basis == 'responses' and dimension == 'all'").itertuples()
    assert row.chi_squared == pytest.approx(122.249, abs=5e-4)


def test_nobody_looks_ahead(database):
    """A later answer and its outcome change nobody's first record."""
    first = [record("s", "promoter", 90, None, key=f"a{n}", customer_key=f"c{n}") for n in range(4)]
    later = [record("s", "detractor", 9, 3, key=f"b{n}", customer_key=f"c{n}") for n in range(4)]
    before = curves(database, first).query("basis == 'customers'").reset_index(drop=True)
    after = curves(database, first + later).query("basis == 'customers'").reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)


def test_a_curve_is_the_same_whatever_else_is_there(database):
    """To the last bit: a running sum of doubles would depend on the table's other rows."""
    sets = [random_records(number) for number in range(40)]
    together = curves(database, [row for rows in sets for row in rows])
    for rows in sets[::8]:
        alone = curves(database, rows)
        part = together[together["survey_type"] == rows[0]["survey_type"]]
        pd.testing.assert_frame_equal(alone, part.reset_index(drop=True), check_exact=True)
    figures = together[["retention", "standard_error", "ci_low", "ci_high"]]
    assert figures.round(12).equals(figures)


# --- tests --------------------------------------------------------------------------------------


def test_log_rank_tests_agree_with_lifelines(random_sets):
    from lifelines.statistics import logrank_test

    records, _, found = random_sets
    rows = {
        (*(getattr(row, name) for name in CELL), row.nps_class, row.compared_class): row
        for row in found.itertuples()
    }
    pairs = {
        (*cell[:-1], cell[-1], other[-1]): (records[cell], records[other])
        for cell in records
        for other in (
            (*cell[:-1], name)
            for name in CLASSES
            if name > cell[-1] and (*cell[:-1], name) in records
        )
    }
    assert rows.keys() == pairs.keys()
    tested = untestable = 0
    for cell, (first, second) in pairs.items():
        if not is_compared(cell):
            continue
        row = rows[cell]
        assert (row.records, row.compared_records) == (len(first), len(second))
        churned = [sum(event for _, event in part) for part in (first, second)]
        assert [row.churned, row.compared_churned] == churned
        assert row.is_suppressed == (min(len(first), len(second)) < MIN_GROUP_SIZE)
        if row.is_suppressed:
            unknown = [row.expected_churned, row.compared_expected_churned, row.chi_squared]
            assert pd.isna([*unknown, row.p_value, row.p_adjusted, row.is_significant]).all()
            continue
        assert row.expected_churned + row.compared_expected_churned == pytest.approx(sum(churned))
        (times, events), (other_times, other_events) = (
            zip(*part, strict=True) for part in (first, second)
        )
        reference = logrank_test(times, other_times, events, other_events)
        if pd.isna(row.chi_squared):
            # lifelines calls 0 / 0 no difference: p = 1
            assert (reference.test_statistic, reference.p_value) == (0, 1)
            untestable += 1
            continue
        assert row.chi_squared == pytest.approx(reference.test_statistic, abs=1e-9, rel=1e-9)
        assert row.p_value == pytest.approx(reference.p_value, abs=1e-9)
        tested += 1
    assert tested > 2 * DATA_SETS
    assert untestable > 10


def test_pairs_of_a_cell_are_corrected_together(random_sets):
    _, _, found = random_sets
    for _, family in found.groupby(CELL):
        known = family.dropna(subset="p_value")
        assert (family["comparisons"] == len(known)).all()
        if len(known):
            expected = false_discovery_control(known["p_value"].to_numpy())
            assert known["p_adjusted"].to_numpy() == pytest.approx(expected, abs=1e-9)
            assert list(known["is_significant"]) == list(expected <= 0.05)
    assert (found["comparisons"] > 2).any()
    assert {*found["is_significant"].dropna()} == {True, False}


FAMILIES = """
with tests as (select * from tested),
{{ benjamini_hochberg('tests', 'p', ['family', 'part']) }}
select comparisons, p_adjusted from adjusted where part = 0 order by position
"""


def test_false_discovery_control_agrees_with_scipy():
    """Ties, NULLs, tiny values, families of one and of nobody."""
    draw = random.Random(1995)
    families = {}
    for number in range(100):
        size = draw.choice((1, 2, 5, 40))
        power = draw.choice((1, 4, 40))
        p_values = [draw.random() ** power for _ in range(size)]
        p_values += draw.choices(p_values, k=draw.randrange(size + 1))
        families[number] = [None if draw.random() < 0.2 else p for p in p_values]
    rows = [(str(number), p) for number, values in families.items() for p in values]
    with empty_database() as connection:
        connection.execute("create table tested (position int, family text, part int, p double)")
        connection.executemany(
            "insert into tested values (?, ?, 0, ?)",
            [(position, *row) for position, row in enumerate(rows)],
        )
        # what differs in one of its columns is another family
        connection.execute("insert into tested select position, family, 1, 0 from tested")
        found = iter(connection.execute(compiled_inline(FAMILIES)).fetchall())
    for values in families.values():
        known = [p for p in values if p is not None]
        adjusted = iter(false_discovery_control(known) if known else ())
        for p, (comparisons, p_adjusted) in zip(values, found, strict=False):
            assert comparisons == len(known)
            assert p_adjusted == (None if p is None else pytest.approx(next(adjusted), abs=1e-9))
    assert next(found, None) is None


# --- settings -----------------------------------------------------------------------------------


def two_classes() -> list[dict]:
    return [
        record(
            "s",
            nps_class,
            40 + place,
            churn if place % 2 else None,
            key=f"{nps_class}{place}",
            customer_key=f"{nps_class}{place}",
        )
        for nps_class, churn in (("detractor", 10), ("passive", 20), ("promoter", 30))
        for place in range(8)
    ]


CHANGES = {
    "min_group_size": "update nps.raw.workspace set min_group_size = 9",
    "as_of_on": "update nps.raw.workspace set as_of_on = date '2025-11-25'",
    "confidence_z": "update nps.seeds.assumptions set value = 1 where name = 'confidence_z'",
}


@pytest.mark.parametrize("setting", CHANGES)
def test_curves_follow_settings(database, setting: str):
    before = curves(database, two_classes())
    database.execute("begin")
    try:
        database.execute(CHANGES[setting])
        after = curves(database)
    finally:
        database.execute("rollback")
    assert not before.equals(after)
    if setting == "confidence_z":
        # the estimate doesn't hang on it, its interval does
        counts = ["days", "at_risk", "churned", "retention", "standard_error"]
        pd.testing.assert_frame_equal(before[counts], after[counts])
        assert (after["ci_low"] >= before["ci_low"]).all()
    if setting == "min_group_size":
        assert not before["is_suppressed"].any() and after["is_suppressed"].all()


def test_tests_follow_settings(database):
    curves(database, two_classes())
    before = log_ranks(database)
    assert {*before["is_significant"]} == {False}
    largest = before["p_adjusted"].max()
    for change, column, value in (
        (f"seeds.assumptions set value = {largest} where name = 'significance_level'",
         "is_significant", True),
        ("raw.workspace set min_group_size = 9", "is_suppressed", True),
    ):  # fmt: skip
        database.execute("begin")
        try:
            database.execute(f"update {change}")
            assert {*log_ranks(database)[column]} == {value}
        finally:
            database.execute("rollback")


def test_every_pair_is_there_once(random_sets):
    _, found, tests = random_sets
    classes = found.groupby(["basis", "survey_type", "dimension", "segment"])["nps_class"].unique()
    pairs = {
        (*cell, *pair)
        for cell, names in classes.items()
        for pair in itertools.combinations(sorted(names), 2)
    }
    listed = list(tests[[*CELL, "nps_class", "compared_class"]].itertuples(index=False, name=None))
    assert len(listed) == len(pairs)
    assert {*listed} == pairs
