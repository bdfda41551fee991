"""The sample as its user runs it: the planted truths come back, and nothing personal leaves.

Expected figures are those of `sample/truths.py`: the generator's quotas, which tests/sample proves
from the delivered files with pandas alone. Scores and intervals are worked out here from counts.
"""

from __future__ import annotations

import math
import re
import stat
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import e2e_support as e2e
import pytest
from sample_support import (
    AS_OF,
    CLASSES,
    PARTS,
    RELATIONAL,
    TRANSACTIONAL,
    interval,
    period,
    rows,
    scored,
)

from orchestration.warehouse.database import open_build
from orchestration.workspace.load import load_workspace
from sample import accounts, care, counter, fates, journey, panel, reseller, staff, truths, website


@pytest.fixture(scope="module")
def root(sample_root) -> Path:
    return sample_root


def segment(tables, dimension: str, name: str, condition: str) -> tuple:
    where = f"dimension = '{dimension}' and segment = '{name}' and {condition}"
    return period(tables, where, "fct_nps_by_segment_period")


# --- scores -------------------------------------------------------------------------------------


def test_the_headline(tables):
    assert period(tables, f"time_grain = 'all' and {RELATIONAL}") == scored(truths.RELATIONAL)


def test_the_intervals_of_the_literature(tables):
    """METRICS: 600/200/200 gives [34.93, 44.83]; 462/176/362, the R package NPS's data, 10 ± ."""
    north = segment(tables, "region", "north", f"time_grain = 'all' and {RELATIONAL}")
    south = segment(tables, "region", "south", f"time_grain = 'all' and {RELATIONAL}")
    assert north[4:] == (40, pytest.approx(2.53, abs=0.005), pytest.approx(34.93, abs=0.005),
                         pytest.approx(44.83, abs=0.005))  # fmt: skip
    assert south[4:] == (pytest.approx(10), pytest.approx(2.85307, abs=5e-6),
                         pytest.approx(4.38967, abs=5e-6), pytest.approx(15.55051, abs=5e-6))  # fmt: skip


@pytest.mark.parametrize("region", truths.RELATIONAL_BY_REGION)
def test_relational_by_region(tables, region):
    found = segment(tables, "region", region, f"time_grain = 'all' and {RELATIONAL}")
    assert found == scored(truths.RELATIONAL_BY_REGION[region])


@pytest.mark.parametrize("plan", truths.RELATIONAL_BY_PLAN)
def test_relational_by_plan(tables, plan):
    found = segment(tables, "plan", plan, f"time_grain = 'all' and {RELATIONAL}")
    assert found == scored(truths.RELATIONAL_BY_PLAN[plan])


QUARTERS_OF_PLANS = truths.QUARTER_BY_PLAN_BEFORE, truths.QUARTER_BY_PLAN_AFTER
QUARTERS = [date(year, month, 1) for year in (2024, 2025) for month in (1, 4, 7, 10)]


@pytest.mark.parametrize("number", range(8))
def test_every_quarter_and_the_price_rise(tables, number):
    """In the last quarter plan starter falls by 100 points, and nothing else does."""
    is_before = number < truths.QUARTERS_BEFORE
    when = f"time_grain = 'quarter' and period_start = date '{QUARTERS[number]}' and {RELATIONAL}"
    total = truths.QUARTER_BEFORE if is_before else truths.QUARTER_AFTER
    assert period(tables, when) == scored(total)
    plans = truths.QUARTER_BY_PLAN_BEFORE if is_before else truths.QUARTER_BY_PLAN_AFTER
    for plan, score in plans.items():
        assert segment(tables, "plan", plan, when) == scored(score)


@pytest.mark.parametrize("year", truths.RELATIONAL_BY_YEAR)
def test_years_begin_at_midnight_in_the_business_zone(tables, year):
    when = f"time_grain = 'year' and period_start = date '{year}-01-01'"
    assert period(tables, f"{when} and {RELATIONAL}") == scored(truths.RELATIONAL_BY_YEAR[year])
    found = period(tables, f"{when} and {TRANSACTIONAL}")
    assert found == scored(truths.TRANSACTIONAL_BY_YEAR[year])


def test_answers_between_the_midnights(tables):
    found = dict(
        rows(
            tables,
            "select survey_type, count(*) from marts.fct_nps_responses "
            "where responded_on = date '2025-01-01' and year(responded_at) = 2024 "
            "and metric = 'nps' group by all",
        )
    )
    assert found == {
        "relational": truths.RELATIONAL_AFTER_MIDNIGHT,
        "transactional": truths.TRANSACTIONAL_AFTER_MIDNIGHT,
    }


@pytest.mark.parametrize(("year", "touchpoint"), truths.TRANSACTIONAL_BY_TOUCHPOINT)
def test_transactional_by_touchpoint(tables, year, touchpoint):
    """Every touchpoint rises by 5 points and the total falls by 3: support's share has grown."""
    when = f"time_grain = 'year' and period_start = date '{year}-01-01' and {TRANSACTIONAL}"
    expected = truths.TRANSACTIONAL_BY_TOUCHPOINT[year, touchpoint]
    assert segment(tables, "touchpoint", touchpoint, when) == scored(expected)


@pytest.mark.parametrize("year", truths.CSAT_BY_YEAR)
def test_csat_is_a_metric_of_its_own(tables, year):
    satisfied, answers, percent = truths.CSAT_BY_YEAR[year]
    when = f"time_grain = 'year' and period_start = date '{year}-01-01' and metric = 'csat'"
    found = period(tables, when)
    assert found[:5] == (answers, satisfied, answers - satisfied, 0, pytest.approx(percent))


def test_nothing_is_pooled(tables):
    found = rows(
        tables,
        "select metric, survey_type, sum(responses) from marts.fct_nps_by_period "
        "where time_grain = 'day' and basis = 'responses' group by all order by all",
    )
    assert found == [
        ("csat", "transactional", truths.CSAT[1]),
        ("enps", "staff", staff.ACCEPTED_ANSWERS),
        ("nps", "account", accounts.ACCEPTED_ANSWERS),
        ("nps", "care", care.ACCEPTED_ANSWERS),
        ("nps", "counter", counter.ACCEPTED_ANSWERS),
        ("nps", "journey", journey.ACCEPTED_ANSWERS),
        ("nps", "panel", 2 * panel.MEMBERS),
        ("nps", "relational", truths.RELATIONAL.responses),
        ("nps", "transactional", truths.TRANSACTIONAL.responses),
        ("nps", "website", website.ACCEPTED_ANSWERS),
    ]
    accepted = truths.ACCEPTED_ANSWERS + website.ACCEPTED_ANSWERS + counter.ACCEPTED_ANSWERS
    accepted += accounts.ACCEPTED_ANSWERS + staff.ACCEPTED_ANSWERS + care.ACCEPTED_ANSWERS
    accepted += journey.ACCEPTED_ANSWERS
    assert sum(count for *_, count in found) == accepted


def test_counts_without_answers_are_scored_apart(tables):
    """The corrected ones, by quarter; `test_nothing_is_pooled` finds none of them elsewhere."""
    found = rows(
        tables,
        "select segment, promoters, passives, detractors, round(nps, 1) "
        "from marts.nps_score_summaries where source = 'reseller' order by period_start",
    )
    expected = {
        "all": reseller.TOTAL,
        "Austria": reseller.AUSTRIA,
        "Switzerland": reseller.SWITZERLAND,
    }
    for segment, scores in expected.items():
        parts = [tuple(counts) for name, *counts in found if name == segment]
        assert parts == [(*score[:3], pytest.approx(score.nps, abs=0.06)) for score in scores]


def test_the_histogram_is_that_of_the_answers(tables):
    """Of all time, the classes are the truths'; of a quarter, each score is counted from the answers."""
    classes = rows(
        tables,
        "select nps_class, sum(responses) from marts.fct_nps_score_histogram "
        f"where time_grain = 'all' and basis = 'responses' and dimension = 'all' and {RELATIONAL} "
        "group by 1",
    )
    truth = truths.RELATIONAL
    assert dict(classes) == {
        "promoter": truth.promoters, "passive": truth.passives, "detractor": truth.detractors
    }  # fmt: skip
    bars = rows(
        tables,
        "select segment, score, responses, share from marts.fct_nps_score_histogram "
        "where time_grain = 'quarter' and period_start = date '2025-10-01' "
        f"and basis = 'responses' and dimension = 'plan' and segment = 'starter' and {RELATIONAL}",
    )
    answers = rows(
        tables,
        "select plan, score, count(*), count(*) / sum(count(*)) over () "
        "from marts.fct_nps_responses where responded_on between date '2025-10-01' "
        f"and date '2025-12-31' and plan = 'starter' and {RELATIONAL} group by all",
    )
    assert sorted(bars) == sorted(answers)
    assert sum(count for *_, count, _ in bars) == truths.QUARTER_BY_PLAN_AFTER["starter"].responses


# --- churn and money ----------------------------------------------------------------------------


OUTCOMES = (
    f"{RELATIONAL} and basis = 'responses' and dimension = 'all' "
    f"and window_days = {truths.CHURN_WINDOW}"
)


@pytest.mark.parametrize("nps_class", CLASSES)
def test_churn_within_180_days(tables, nps_class):
    ((*counts, rate, low, high),) = rows(
        tables,
        "select observed, churned, churn_rate, ci_low, ci_high from marts.nps_outcomes_by_class "
        f"where {OUTCOMES} and nps_class = '{nps_class}'",
    )
    expected = truths.CHURN_180[nps_class]
    assert (*counts, rate) == (*expected[:2], pytest.approx(expected.rate))
    assert low < rate < high


def test_churn_within_180_days_of_silence(tables):
    """From the landmark: of those who had answered nothing before, and of those who had."""
    found = rows(
        tables,
        "select nps_class, observed, churned from marts.nps_outcomes_by_class "
        f"where {OUTCOMES} and nps_class in ('no_response', 'answered_other') order by 1",
    )
    assert [nps_class for nps_class, *_ in found] == ["answered_other", "no_response"]
    expected = truths.CHURN_180["no_response"]
    assert tuple(map(sum, zip(*(counts for _, *counts in found), strict=True))) == expected[:2]
    # all who leave in silence have never answered
    assert [churned for *_, churned in found] == [0, expected.churned]


@pytest.mark.parametrize("nps_class", CLASSES)
def test_churned_by_plan(tables, nps_class):
    found = rows(
        tables,
        "select segment, churned from marts.nps_outcomes_by_class where dimension = 'plan' "
        f"and {RELATIONAL} and basis = 'responses' and nps_class = '{nps_class}' "
        f"and window_days = {truths.CHURN_WINDOW} and churned > 0",
    )
    assert dict(found) == truths.CHURNED_BY_PLAN[nps_class]


def test_lifetime_value_follows_from_the_churn_of_a_year(tables):
    """Of each class the year's, by customers: 0.8 x MRR x 12 x the annuity, by hand."""
    found = rows(
        tables,
        "select nps_class, active_mrr, ltv_window_days, projected_ltv, projected_ltv_low, "
        "projected_ltv_high, churned, observed from marts.nps_outcomes_by_class "
        f"where {RELATIONAL} and basis = 'customers' and dimension = 'all' and window_days = 365 "
        "and projected_ltv is not null",
    )
    assert {nps_class for nps_class, *_ in found} == {*CLASSES, "no_response"}
    for _, mrr, window, value, low, high, churned, observed in found:
        assert window == 365
        force = math.log(1.1) - math.log(1 - churned / observed)
        expected = 0.8 * mrr * 12 * (1 - math.exp(-50 * force)) / force
        assert value == pytest.approx(expected, rel=1e-9)
        assert low < value < high
    ((windows,),) = rows(
        tables,
        "select max(figures) from (select count(distinct projected_ltv) as figures "
        "from marts.nps_outcomes_by_class group by metric, survey_type, nps_class, dimension, "
        "segment)",
    )
    assert windows == 1


def test_answers_whose_window_is_not_over_are_neither_kept_nor_lost(tables):
    found = rows(
        tables,
        "select nps_class, count(*), count(days_to_churn) from marts.fct_nps_churn "
        f"where {RELATIONAL} and was_active_at_answer "
        f"and responded_on + {truths.CHURN_WINDOW} > {AS_OF} group by 1",
    )
    assert {nps_class: count for nps_class, count, _ in found} == truths.CENSORED_180
    assert {nps_class: left for nps_class, _, left in found} == truths.CENSORED_BUT_CHURNED


def test_answers_after_leaving_are_no_churn(tables):
    ((count, days),) = rows(
        tables,
        "select count(*), count(days_to_churn) from marts.fct_nps_churn "
        f"where {RELATIONAL} and not was_active_at_answer",
    )
    assert (count, days) == (truths.ANSWERS_AFTER_CHURN, 0)


def test_realised_revenue(tables):
    ((total,),) = rows(
        tables,
        f"select sum(realised_ltv) from marts.customer_nps_features where as_of_on = {AS_OF}",
    )
    assert total == pytest.approx(truths.REALISED_REVENUE_CENTS / 100, abs=0.005)


def test_mrr_of_those_who_were_asked(tables, root):
    """Each customer counts in one class: the classes' sum is that of the subscriptions' file.

    It lacks those who neither answered the relational survey nor were asked: they are in no class, nor
    are those who were asked in December alone and may still answer.
    """
    folder = root / "landing"
    with duckdb.connect() as landing:
        ((expected,),) = landing.execute(
            f"""
            with subscriptions as (
                select customer_no, sum(fee::decimal(18, 2)) as fee
                from read_csv('{folder}/crm/subscriptions_*.csv', all_varchar = true)
                where "end" is null and start <> 'soon' group by 1
            ),
            people as (
                select c.customer_id as customer_no
                from '{root}/published/parquet/fct_nps_responses/*.parquet' as a
                join '{root}/published/parquet/dim_customers/*.parquet' as c using (customer_key)
                where a.metric = 'nps' and a.survey_type = 'relational'
                union
                select customer from read_csv('{folder}/pulse/invitations_*.csv', all_varchar = true)
                where bounced is null and responded is null and invitation_id is not null
                    and sent like '20%' and sent < '2025-12-01T23:00'
            )
            select sum(fee) from subscriptions join people using (customer_no)
            """
        ).fetchall()
    ((found,),) = rows(
        tables,
        f"select sum(active_mrr) from marts.nps_outcomes_by_class where {RELATIONAL} "
        "and basis = 'customers' and dimension = 'all' "
        f"and window_days = {truths.CHURN_WINDOW}",
    )
    assert found == pytest.approx(float(expected))
    assert found < truths.MRR


@pytest.mark.parametrize("plan", truths.MRR_BY_PLAN)
def test_mrr_by_plan(root, tables, plan):
    """MRR is published by class alone; by plan it is read from the build."""
    with open_build(load_workspace(root)) as build:
        ((mrr,),) = build.execute(
            "select sum(m.mrr) from intermediate.int_customer_values_summed as m "
            "join marts.dim_customers as c using (customer_key) "
            f"where c.plan = '{plan}'"
        ).fetchall()
    assert mrr == pytest.approx(truths.MRR_BY_PLAN[plan])
    ((active,),) = rows(
        tables, f"select count(*) from marts.dim_customers where plan = '{plan}' and is_active"
    )
    assert active == sum(truths.ACTIVE_BY_PLAN[plan])


# --- identity -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", truths.IDENTITY)
def test_identity(tables, source):
    quotas = truths.IDENTITY[source]
    found = rows(
        tables,
        "select c.is_inferred, count(*) from marts.fct_nps_responses as a "
        f"left join marts.dim_customers as c using (customer_key) where a.source = '{source}' "
        "group by 1",
    )
    assert dict(found) == {
        is_inferred: count
        for is_inferred, count in (
            (False, quotas["by_id"] + quotas["by_email"]),
            (True, quotas["inferred"]),
            (None, quotas["ambiguous"] + quotas["stranger"]),
        )
        if count
    }


def test_customers(tables):
    found = rows(
        tables, "select is_inferred, is_active, count(*) from marts.dim_customers group by all"
    )
    assert {(inferred, active): count for inferred, active, count in found} == {
        (False, True): truths.ACTIVE_CRM_CUSTOMERS,
        (False, False): truths.CHURNED_CUSTOMERS,
        (True, None): truths.INFERRED_CUSTOMERS + panel.MEMBERS + care.PEOPLE,
    }
    assert truths.ACTIVE_CRM_CUSTOMERS + truths.CHURNED_CUSTOMERS == truths.CRM_CUSTOMERS
    ((history,),) = rows(tables, "select count(*) from marts.dim_customer_history")
    assert history == truths.CUSTOMER_HISTORY_ROWS


@pytest.mark.parametrize("planted", truths.PLANTED_ANSWERS, ids=lambda p: p.response_id)
def test_segments_are_those_of_the_answers_day(tables, planted):
    (found,) = rows(
        tables,
        "select a.response_id, c.customer_id, a.responded_at, a.score, a.region, a.plan "
        "from marts.fct_nps_responses as a join marts.dim_customers as c using (customer_key) "
        f"where a.source = 'pulse' and a.response_id = '{planted.response_id}'",
    )
    local = datetime.fromisoformat(planted.answered_at).replace(tzinfo=ZoneInfo("Europe/Brussels"))
    at = local.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    assert found == (*planted[:2], at, *planted[3:])


# --- what became of every row -------------------------------------------------------------------

FILES = fates.FILES | website.FILES | counter.FILES | reseller.FILES | accounts.FILES | staff.FILES
FILES |= care.FILES | journey.FILES
KNOWN_FATES = [key for key, fate in FILES.items() if fate.delivered is not None]


@pytest.mark.parametrize("key", FILES, ids=lambda key: key[2])
def test_what_became_of_a_file(tables, key):
    source, entity, name = key
    (found,) = rows(
        tables,
        f"select file_status, rows_delivered, {', '.join(f'rows_{part}' for part in PARTS)} "
        f"from marts.ingest_reconciliation where source = '{source}' and entity = '{entity}' "
        f"and file_name = '{name}'",
    )
    status, delivered, accepted, *others = found
    fate = FILES[key]
    assert status == "loaded"
    assert tuple(others) == fate[2:]
    assert delivered == accepted + sum(others)
    if key in KNOWN_FATES:
        assert (delivered, accepted) == fate[:2]


def test_whole_files(tables):
    found = rows(
        tables,
        "select source, entity, file_name, file_reason from marts.ingest_reconciliation "
        "where file_status = 'quarantined'",
    )
    assert found == [(*truths.QUARANTINED_FILE, truths.QUARANTINED_FILE_REASON)]
    ((count,),) = rows(tables, "select count(*) from marts.ingest_reconciliation")
    # a file that came twice is one; the panel's is not among those with rows to refuse
    assert count == len({*FILES, panel.FILE}) + len(found)


def test_quarantined_rows_by_file_and_reason(tables):
    found = Counter(
        {
            tuple(key): count
            for *key, count in rows(
                tables,
                "select source, entity, file_name, reason, count(*) "
                "from private.restricted.quarantined_rows group by all",
            )
        }
    )
    expected: Counter[tuple] = Counter()
    for key, kinds in truths.BAD_ROWS.items():
        for kind, count in kinds.items():
            expected[*key, truths.REASON_OF_KIND[kind]] += count
    assert found == expected
    by_reason: Counter[str] = Counter()
    for (*_, reason), count in found.items():
        by_reason[reason] += count
    assert by_reason == truths.QUARANTINED_BY_REASON


def test_a_quarantined_row_is_kept_as_it_was_delivered(tables, root):
    """The line that the row's number points to holds the cells that were kept."""
    kept = rows(
        tables,
        "select file_name, row_number, raw_text from private.restricted.quarantined_rows "
        "where reason = 'wrong_width' and source = 'intercept'",
    )
    assert kept
    for name, number, text in kept:
        content = (root / "landing/intercept" / name).read_text("utf-8-sig")
        assert content.split("\n")[number - 1] == text


# --- the summary --------------------------------------------------------------------------------


def test_the_summary_says_what_came_in(sample_run, root):
    delivered = [path for path in (root / "landing").rglob("*") if path.is_file()]
    shown = sample_run.run.shown("This run")
    assert (
        f"{len(delivered)} files found: {len(delivered) - 2} new, 1 known already, 1 quarantined"
        in shown
    )
    ((rows_delivered,),) = e2e.marts(
        root, "select sum(rows_delivered) from marts.ingest_reconciliation"
    )
    assert f"{rows_delivered:,} rows delivered" in shown
    blank = sum(truths.BLANK_LINES.values())
    assert f"{blank} blank lines skipped" in shown


def test_the_summary_says_what_became_of_it(sample_run):
    run = sample_run.run
    account = run.shown("All rows")
    assert f"{truths.QUARANTINED_ROWS} quarantined" in account
    numbers = [int(text.replace(",", "")) for text in re.findall(r"[\d,]*\d(?= \w)", account)]
    _, delivered, *parts = numbers
    assert delivered == sum(parts)
    shown = re.findall(r"^ {14}(\w+) +([\d,]+) rows?$", run.summary, re.MULTILINE)
    assert {reason: int(count) for reason, count in shown} == truths.QUARANTINED_BY_REASON
    assert run.shown("Quarantine").startswith(f"{truths.QUARANTINED_ROWS} rows; 1 whole file")


def test_the_summary_gives_the_checks_the_score_and_the_places(sample_run, root, tables):
    run = sample_run.run
    passed, failed = re.search(r"(\d+) passed, (\d+) failed", run.shown("Checks")).groups()
    assert int(passed) > 100
    assert failed == "0"
    before, after = truths.QUARTER_BEFORE, truths.QUARTER_AFTER
    _, low, high = interval(*after[:3])
    # the last 90 days hold the last quarter's answers, and nobody's twice
    assert run.shown("Headline").startswith(
        f"NPS (relational) {after.nps:.1f} (95 % interval {low:.1f} to {high:.1f}), last 90 days, "
        "each customer once: 750 customers, 364 promoters, 132 passives, 254 detractors "
    )
    assert run.shown("Change").startswith(
        f"{truths.FALL:+.1f} points against the 90 days before ({before.nps:.1f}, 750 customers); "
        "p < 0.001: real"
    )
    # each customer's latest answer, in the east and elsewhere
    ((own, rest),) = rows(
        tables,
        f"""
        select
            avg(contribution) filter (where region = 'east'),
            avg(contribution) filter (where region is distinct from 'east')
        from (
            select voice_key, arg_max(contribution, responded_at) as contribution,
                arg_max(coalesce(region, ''), responded_at) as region
            from marts.fct_nps_responses where {RELATIONAL} group by voice_key
        )
        """,
    )
    starter = [quarter["starter"] for quarter in QUARTERS_OF_PLANS]
    change = run.shown("Periods")
    assert change.startswith(
        f"{truths.FALL:+.1f} points from 2025 Q3 ({before.nps:.1f}, 750 customers) "
        f"to 2025 Q4 ({after.nps:.1f}, 750 customers); p < 0.001: real"
    )
    assert (
        f"plan = starter made {truths.FALL:+.1f}: its score went from {starter[0].nps:.1f} "
        f"to {starter[1].nps:.1f}" in change
    )
    line = f"region = east: {own:.1f} against {rest:.1f}, {own - rest:+.1f} points"
    assert line in run.shown("Segments")
    places = re.findall(r"((?:published|runs)\S*)$", run.summary, re.MULTILINE)
    assert {"published/nps.duckdb", "published/report/index.html", "runs"} <= set(places)
    assert all((root / place).exists() for place in places)


# --- what leaves --------------------------------------------------------------------------------

EMAIL = re.compile(rb"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}")


def text_cells(tables: duckdb.DuckDBPyConnection) -> set[str]:
    """Every distinct text of the published marts."""
    columns = rows(
        tables,
        "select table_name, column_name from duckdb_columns() "
        "where database_name = 'published' and data_type not in "
        "('BIGINT', 'INTEGER', 'DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP')",
    )
    found = set()
    for table, column in columns:
        cells = rows(tables, f'select distinct "{column}"::varchar from marts."{table}"')
        found |= {cell for (cell,) in cells if cell is not None}
    assert len(found) > truths.ACCEPTED_ANSWERS
    return found


def test_no_address_and_no_comment_is_published(tables):
    cells = text_cells(tables)
    assert not [cell for cell in cells if "@" in cell]
    comments = {
        comment
        for (comment,) in rows(
            tables, "select distinct comment from private.restricted.response_comments"
        )
    }
    assert len(comments) > 50
    # the id of a row is no text that a comment could be in
    texts = "\n".join(cell for cell in cells if not re.fullmatch("[0-9a-f]{32,64}", cell))
    assert not [comment for comment in comments if comment in texts]


def test_no_name_is_published(tables):
    names = rows(tables, "select distinct name from private.restricted.customer_identities")
    cells = text_cells(tables)
    assert len(names) > 100
    assert not [name for (name,) in names if name in cells]


def test_the_comments_are_all_in_the_restricted_file(tables):
    found = dict(
        rows(
            tables,
            "select source, count(*) from private.restricted.response_comments "
            "join marts.fct_nps_responses using (response_key) where metric = 'nps' group by 1",
        )
    )
    assert found == {
        "pulse": truths.RELATIONAL_COMMENTS,
        "intercept": truths.TRANSACTIONAL_COMMENTS,
    }


@pytest.fixture(scope="module")
def addresses(root) -> set[bytes]:
    """Every e-mail address that was delivered."""
    landing = [path.read_bytes() for path in (root / "landing").rglob("*") if path.is_file()]
    found = {address.lower() for content in landing for address in EMAIL.findall(content)}
    assert len(found) > truths.CRM_CUSTOMERS
    return found


@pytest.mark.parametrize(
    "place", ["published/report", "published/ledger.jsonl", "runs", "lake/manifest"]
)
def test_no_address_and_no_comment_is_in_the_report_or_the_logs(root, tables, addresses, place):
    comments = [
        comment.encode()
        for (comment,) in rows(
            tables, "select distinct comment from private.restricted.response_comments"
        )
    ]
    paths = [root / place] if (root / place).is_file() else sorted((root / place).rglob("*"))
    files = [path for path in paths if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        # dbt's artifacts hold the addresses of the models' own unit tests
        assert not addresses & {found.lower() for found in EMAIL.findall(content)}, path
        assert not [comment for comment in comments if comment in content], path


def test_no_address_is_on_the_screen(sample_run):
    assert not EMAIL.search((sample_run.run.out + sample_run.run.err).encode())


def test_modes_and_a_storage_that_older_readers_know(root, tables):
    published = root / "published"
    assert stat.S_IMODE((published / "nps.duckdb").stat().st_mode) == 0o444
    assert stat.S_IMODE((published / "restricted.duckdb").stat().st_mode) == 0o600
    found = rows(
        tables,
        "select database_name, tags['storage_version'] from duckdb_databases() "
        "where database_name in ('published', 'private')",
    )
    assert len(found) == 2
    assert all(version.startswith("v1.4") for _, version in found)
    assert not list(published.glob("*.wal"))


def test_every_published_table_and_column_is_described(tables):
    for kind, name in (("duckdb_tables()", "table_name"), ("duckdb_columns()", "column_name")):
        bare = rows(
            tables,
            f"select database_name, table_name, {name} from {kind} "
            "where database_name in ('published', 'private') "
            "and coalesce(trim(comment), '') = ''",
        )
        assert bare == []


KEY, TEXT, TIME, DAY, WHOLE, REAL, FLAG = (
    "UUID", "VARCHAR", "TIMESTAMP", "DATE", "INTEGER", "DOUBLE", "BOOLEAN",
)  # fmt: skip
FIXED_PARTS = {
    "dim_customers": {
        "customer_key": KEY, "source": TEXT, "customer_id": TEXT, "account_key": KEY,
        "signed_up_at": TIME, "churned_at": TIME, "is_active": FLAG, "is_inferred": FLAG,
        "has_churn_information": FLAG,
    },
    "dim_customer_history": {"customer_key": KEY, "valid_from": TIME, "valid_to": TIME},
    "fct_nps_responses": {
        "response_key": KEY, "source": TEXT, "response_id": TEXT, "survey_key": KEY,
        "survey_id": TEXT, "customer_key": KEY, "account_key": KEY, "voice_key": KEY,
        "metric": TEXT, "survey_type": TEXT, "scale": TEXT, "channel": TEXT, "touchpoint": TEXT,
        "language": TEXT, "responded_at": TIME, "responded_on": DAY, "score": WHOLE,
        "nps_class": TEXT, "contribution": WHOLE, "has_comment": FLAG, "version_at": TIME,
    },
    "fct_nps_churn": {
        "response_key": KEY, "customer_key": KEY, "metric": TEXT, "survey_type": TEXT,
        "nps_class": TEXT, "responded_on": DAY, "churned_on": DAY, "days_to_churn": WHOLE,
        "has_churn_information": FLAG, "was_active_at_answer": FLAG, "mrr_at_answer": REAL,
        "revenue_before": REAL,
    },
}  # fmt: skip


@pytest.mark.parametrize("table", FIXED_PARTS)
def test_the_fixed_part_of_a_table_that_carries_segments(tables, table):
    found = dict(
        rows(
            tables,
            "select column_name, data_type from duckdb_columns() "
            f"where database_name = 'published' and table_name = '{table}'",
        )
    )
    assert found == FIXED_PARTS[table] | {"region": TEXT, "plan": TEXT}


def test_a_first_run_writes_nothing_but_its_own_lines(sample_run):
    """No library's log is on the screen of somebody who runs it for the first time."""
    assert sample_run.run.err == ""


# --- again --------------------------------------------------------------------------------------


def test_two_runs_at_once_end_well_and_one_waits(sample_again):
    waited = 0
    for name, run in sample_again.runs.items():
        assert run.code == 0, name + run.out + run.err
        waited += "another run works on" in run.out
    assert waited == 1


def test_loading_again_changes_nothing_in_the_lake(sample_run, sample_again):
    assert sample_again.lake == sample_run.lake
    # one of the files came twice, and the panel's is not among them
    for run in sample_again.runs.values():
        assert f"0 new, {len(FILES) + 2} known already, 1 quarantined" in run.shown("This run")
        assert "0 rows delivered" in run.shown("This run")


def test_incremental_is_full_is_the_first(sample_again):
    """Published again or rebuilt from the lake alone, the tables hold the same rows."""
    assert len(sample_again.ledger) == 3
    assert len({line["generation_id"] for line in sample_again.ledger}) == 3
    for what in ("inputs_hash", "headline", "rows"):
        first, forced, rebuilt = (line[what] for line in sample_again.ledger)
        assert first == forced == rebuilt, what
    assert sample_again.tables_before == sample_again.tables


def test_a_run_without_any_change_is_not_started(sample_again):
    """It says which generation stands, and ends before anything heavy is imported."""
    run, seconds = sample_again.unchanged
    assert run.code == 0, run.err
    newest = sample_again.ledger[-1]["generation_id"]
    assert run.out.startswith(f"nothing changed; generation {newest} of ")
    assert "\nHeadline    NPS (relational) " in run.out
    assert "transform" not in run.out
    # two seconds on a quiet machine: importing dbt, Dagster and Great Expectations takes over ten
    assert seconds < 8


def test_a_rebuild_builds_and_an_unchanged_refresh_does_not(sample_again):
    """A full refresh runs every model; where nothing is new, the build may stand."""
    assert re.search(r"transform +\d+/\d+ fct_nps_responses", sample_again.runs["full-refresh"].out)
