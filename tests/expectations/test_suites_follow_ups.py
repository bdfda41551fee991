"""The checks of follow-ups and transitions hold on good tables, and each finds a mistake alone."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from statistics import NormalDist

import duckdb
import pytest
from suites_support import failing_after

from expectations.suites.follow_ups import FOLLOW_UPS
from expectations.validate import validate

SEEDS = Path(__file__).parents[2] / "seeds"
ALL = [(table, check) for table, checks in FOLLOW_UPS.items() for check in checks]


def _wilson(k: int, n: int) -> str:
    """Share and Wilson's 95 % bounds, or three NULLs: the smallest group is two."""
    if n < 2:
        return "null, null, null"
    z, p = NormalDist().inv_cdf(0.975), k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{p}, {max(0, middle - half)}, {min(1, middle + half)}"


# Three customers answered twice, badly at first; two were called, and one is happy now. One answered
# once. Cases: in time and recovered, late and not, and one still to be called: 31 December, noon.
ANSWERS = [
    "create or replace table seeds.assumptions as from "
    f"read_csv('{SEEDS / 'assumptions.csv'}')",
    """
    create or replace table marts.fct_nps_responses as
    select
        md5(id)::uuid as response_key, md5(who)::uuid as voice_key, md5(who)::uuid as customer_key,
        'nps' as metric, 'relational' as survey_type, nps_class,
        case nps_class when 'promoter' then 100 when 'passive' then 0 else -100 end as contribution,
        given::timestamp as responded_at, given::date as responded_on, region
    from (values
        ('a1', 'a', 'detractor', '2025-10-01 10:00:00', 'north'),
        ('a2', 'a', 'promoter', '2025-11-01 10:00:00', 'north'),
        ('b1', 'b', 'detractor', '2025-10-02 10:00:00', 'north'),
        ('b2', 'b', 'detractor', '2025-11-02 10:00:00', 'north'),
        ('c1', 'c', 'passive', '2025-10-03 10:00:00', 'south'),
        ('c2', 'c', 'passive', '2025-11-03 10:00:00', 'south'),
        ('d1', 'd', 'detractor', '2025-12-31 12:00:00', 'north')
    ) as t (id, who, nps_class, given, region)
    """,
    """
    create or replace table marts.fct_nps_transitions as
    select
        a.response_key, b.response_key as next_response_key, a.voice_key, a.customer_key, a.metric,
        a.survey_type, a.region, a.nps_class as from_class, b.nps_class as to_class, a.responded_at,
        b.responded_at as next_responded_at, a.responded_on, b.responded_on as next_responded_on,
        31 as days_between, a.nps_class = 'detractor' as was_followed_up
    from marts.fct_nps_responses as a
    inner join marts.fct_nps_responses as b
        on a.voice_key = b.voice_key and a.responded_at < b.responded_at
    """,
    """
    create or replace table marts.fct_follow_ups as
    select
        md5('case ' || id)::uuid as case_key, r.response_key, r.customer_key, r.metric,
        r.survey_type, r.nps_class, null::varchar as account_tier, r.responded_on,
        r.responded_at as opened_at, r.responded_at + to_hours(hours) as first_contact_at,
        r.responded_at + to_hours(closed) as closed_at, hours::double as hours_to_first_contact,
        closed::double as hours_to_close, 48 as contact_sla_hours, 336 as close_sla_hours,
        r.responded_at + to_hours(48) as contact_due_at,
        r.responded_at + to_hours(336) as close_due_at, t.* exclude (id, hours, closed)
    from (values
        ('a1', 10, 100, true, false, false, false, 'price', 'call', 'promoter', true),
        ('b1', 60, 100, false, false, false, true, 'price', 'call', 'detractor', false),
        ('d1', null, null, null, true, false, false, null, null, null, null)
    ) as t (id, hours, closed, is_within_sla, is_open, is_overdue, is_reopened, root_cause, action,
        next_class, is_recovered)
    inner join marts.fct_nps_responses as r on md5(t.id)::uuid = r.response_key
    """,
    """
    insert into marts.ingest_reconciliation by name
    select 'ask' as source, 'follow_ups' as entity, 'f' as file_sha256, 3 as rows_accepted
    """,
    f"""
    create or replace table marts.follow_up_sla as
    select
        'all' as time_grain, date '2025-10-01' as period_start, date '2025-12-31' as period_end,
        'nps' as metric, 'relational' as survey_type, 'detractor' as nps_class, *
    from (values
        ('all', 'all', 3, 2, 35.0, 55.0, 2, 1, {_wilson(1, 2)}, 2, 1, {_wilson(1, 2)},
         1, 0, 1, 2, 2, false),
        ('region', 'north', 3, 2, 35.0, 55.0, 2, 1, {_wilson(1, 2)}, 2, 1, {_wilson(1, 2)},
         1, 0, 1, 2, 2, false)
    ) as t (dimension, segment, cases, contacted, median_hours_to_first_contact,
        p90_hours_to_first_contact, due, within_sla, within_sla_share, within_sla_ci_low,
        within_sla_ci_high, answered_again, recovered, recovered_share, recovered_ci_low,
        recovered_ci_high, open_cases, overdue, reopened, closed, explained, is_suppressed)
    """,
    # a and b were listed, c and d held out; d did not answer again
    """
    create or replace table marts.follow_up_effect as
    select
        'nps' as metric, 'relational' as survey_type, nps_class, measure, listed as listed_customers,
        listed as listed_contacted, held_out as held_out_customers, 0 as held_out_contacted,
        listed_seen as listed_observed, held_out_seen as held_out_observed, listed_value,
        held_out_value, listed_value - held_out_value as difference,
        listed_value - held_out_value - 0.5 as ci_low, listed_value - held_out_value + 0.5 as ci_high,
        listed_value is null as is_suppressed
    from (values
        ('detractor', 'recovered', 2, 1, 2, 0, null::double, null::double),
        ('passive', 'answered_again', 0, 1, 0, 1, null, null)
    ) as t (nps_class, measure, listed, held_out, listed_seen, held_out_seen, listed_value, held_out_value)
    """,
    "create or replace table marts.nps_transition_matrix as "
    + " union all ".join(
        f"""
        select
            'all' as time_grain, date '2025-11-01' as period_start,
            date '2025-11-03' as period_end, 'nps' as metric, 'relational' as survey_type,
            '{dimension}' as dimension, '{segment}' as segment, '{before}' as from_class,
            '{follow_up}' as follow_up, '{after}' as to_class, {k} as transitions,
            {n} as from_transitions, {improved} as improved, t.*, {n < 2} as is_suppressed
        from (values ({_wilson(k, n)}, {_wilson(improved, n)})) as t (share, ci_low, ci_high,
            improved_share, improved_ci_low, improved_ci_high)
        """
        for before, follow_ups, ends, improved in (
            ("detractor", ("any", "followed_up"), {"promoter": 1, "passive": 0, "detractor": 1}, 1),
            ("passive", ("any", "not_followed_up"), {"promoter": 0, "passive": 1, "detractor": 0}, 0),
        )
        for n in (sum(ends.values()),)
        for follow_up in follow_ups
        for dimension, segment in (
            ("all", "all"),
            ("region", "north" if before == "detractor" else "south"),
        )
        for after, k in ends.items()
    ),
]  # fmt: skip

CASES, SLA = "update marts.fct_follow_ups set", "update marts.follow_up_sla set"
PAIRS, MATRIX = "update marts.fct_nps_transitions set", "update marts.nps_transition_matrix set"
LATE, WAITING = "where hours_to_first_contact = 60", "where is_open"
TOTAL = "where dimension = 'all'"
MISTAKES = {
    ("fct_follow_ups", "keys"): f"{CASES} customer_key = null {LATE}",
    ("fct_follow_ups", "keys twice"): (
        "update marts.ingest_reconciliation set rows_accepted = 4 where entity = 'follow_ups'; "
        "update marts.follow_up_sla set cases = 4, open_cases = 2; "
        f"insert into marts.fct_follow_ups from marts.fct_follow_ups {WAITING}"
    ),
    ("fct_follow_ups", "all_cases"): (
        "update marts.ingest_reconciliation set rows_accepted = 4 where entity = 'follow_ups'"
    ),
    ("fct_follow_ups", "targets"): f"{CASES} is_within_sla = true {LATE}",
    ("fct_follow_ups", "targets unknown"): f"{CASES} is_within_sla = false {WAITING}",
    ("fct_follow_ups", "targets overdue"): (
        f"{CASES} is_overdue = true {WAITING}; {SLA} overdue = 1"
    ),
    ("fct_follow_ups", "targets future"): (
        f"{CASES} closed_at = timestamp '2026-01-01 12:00:00' {LATE}"
    ),
    ("fct_follow_ups", "recovery"): f"{CASES} next_class = 'detractor' where is_recovered",
    ("fct_follow_ups", "recovery of none"): f"{CASES} next_class = null {LATE}",
    ("fct_follow_ups", "few_words"): f"{CASES} root_cause = 'a word of its own' {LATE}",
    ("fct_follow_ups", "no_emails"): f"{CASES} account_tier = 'ann@example.com'",
    ("follow_up_sla", "keys"): f"{SLA} period_end = null",
    ("follow_up_sla", "shares"): f"{SLA} within_sla_share = 0.6",
    ("follow_up_sla", "shares bound"): f"{SLA} recovered_ci_low = recovered_ci_low + 0.01",
    ("follow_up_sla", "shares unshown"): f"{SLA} median_hours_to_first_contact = null",
    ("follow_up_sla", "adds_up"): f"{SLA} explained = 1 {TOTAL}",
    ("follow_up_sla", "of_the_cases"): f"{SLA} reopened = 2",
    ("follow_up_sla", "of_the_cases median"): f"{SLA} median_hours_to_first_contact = 40",
    ("follow_up_sla", "of_the_cases tail"): f"{SLA} p90_hours_to_first_contact = 70",
    ("follow_up_effect", "keys"): (
        "insert into marts.follow_up_effect from marts.follow_up_effect limit 1"
    ),
    ("follow_up_effect", "keys measure"): "update marts.follow_up_effect set measure = 'love'",
    ("follow_up_effect", "differences"): "update marts.follow_up_effect set difference = 0.5",
    ("follow_up_effect", "differences shown"): (
        "update marts.follow_up_effect set is_suppressed = false"
    ),
    ("follow_up_effect", "of_the_answers"): (
        "update marts.follow_up_effect set listed_customers = listed_customers + 1"
    ),
    ("fct_nps_transitions", "keys"): f"{PAIRS} to_class = 'passive' where to_class = 'promoter'",
    ("fct_nps_transitions", "keys days"): f"{PAIRS} days_between = 30",
    ("fct_nps_transitions", "consecutive"): (
        "delete from marts.fct_nps_transitions where from_class = 'passive'; "
        "delete from marts.nps_transition_matrix where from_class = 'passive'"
    ),
    ("nps_transition_matrix", "keys"): f"{MATRIX} period_end = null",
    ("nps_transition_matrix", "keys grain"): (
        "insert into marts.nps_transition_matrix by name select 'month' as time_grain, "
        "* exclude (time_grain) from marts.nps_transition_matrix"
    ),
    ("nps_transition_matrix", "shares"): (f"{MATRIX} ci_low = ci_low + 0.01 where ci_low > 0"),
    ("nps_transition_matrix", "shares few"): f"{MATRIX} is_suppressed = not is_suppressed",
    ("nps_transition_matrix", "row_sums"): (
        f"{MATRIX} improved = 0, improved_share = 0, improved_ci_low = 0, "
        f"improved_ci_high = {_wilson(0, 2).split(', ')[2]} "
        "where from_class = 'detractor' and to_class = 'promoter'"
    ),
    ("nps_transition_matrix", "adds_up"): (
        "delete from marts.nps_transition_matrix where follow_up = 'not_followed_up'"
    ),
    ("nps_transition_matrix", "adds_up segments"): (
        "delete from marts.nps_transition_matrix where dimension = 'all' and from_class = 'passive'"
    ),
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small warehouse with follow-ups and transitions."""
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("follow_ups") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        for statement in ANSWERS:
            connection.execute(statement)
    return path


def _found(good: Path, statements: str = "select 1") -> set[tuple[str, str]]:
    """The checks that fail after some statements, which are taken back."""
    with duckdb.connect(str(good)) as connection:
        return failing_after(connection, ALL, statements)


def test_good_tables_pass(good):
    results = validate(good, FOLLOW_UPS, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    assert _found(good, MISTAKES[mistake]) == {(mistake[0], mistake[1].split()[0])}


def test_every_check_can_fail():
    assert {(table, check.name) for table, check in ALL} == {
        (table, name.split()[0]) for table, name in MISTAKES
    }


def test_empty_tables_pass(good):
    tables = (*FOLLOW_UPS, "fct_nps_responses", "ingest_reconciliation")
    assert _found(good, "; ".join(f"delete from marts.{table}" for table in tables)) == set()
