"""A small warehouse in which every check holds, as statements for a database in memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.workspace.entities import ENTITIES

ZONE = "Europe/Brussels"
SEEDS = Path(__file__).parents[2] / "seeds"
SHA = {name: name[0] * 64 for name in ("answers", "crm", "broken")}

SETTINGS = [
    "create schema raw",
    "create schema seeds",
    f"""
    create table raw.workspace as
    select
        date '2025-12-31' as as_of_on, timestamp '2025-12-31 23:00:00' as as_of_at,
        '{ZONE}' as timezone, 'EUR' as currency, 2 as min_group_size, 1 as feature_months,
        null::int as fiscal_year_start,
        90 as quarantine_days, 'nps' as headline_metric, 'relational' as headline_survey_type,
        90 as headline_window_days,
        0.25::double as max_quarantine_rate,
        0.5::double as holdout_share, null::date as holdout_since
    """,
    """
    create table raw.published_figures (
        metric varchar, survey_type varchar, time_grain varchar, period_start date,
        period_end date, basis varchar, promoters bigint, passives bigint, detractors bigint,
        as_of_on date)
    """,
    "create table raw.churn_windows as select 30 as window_days",
    "create table raw.rolling_windows as select 30 as window_days",
    """
    create table raw.segments as
    select 1 as position, 'region' as segment, 'region' as published_name
    """,
    "create table raw.split_attributes (attribute varchar)",
    "create table raw.lead_attributes (attribute varchar, is_of_customers boolean)",
    "create table raw.events (event varchar, happened_on date, dimension varchar, segment varchar, "
    "window_days int)",
    "create table raw.journey (position int, stage varchar)",
    """
    create table raw.mapped_columns as
    select * from (values
        ('crm', 'customers', 'crm', 'customer_id'), ('crm', 'customers', 'crm', 'email'),
        ('ask', 'survey_responses', 'crm', 'response_id'),
        ('ask', 'survey_responses', 'crm', 'score'),
        ('ask', 'survey_responses', 'crm', 'submitted_at'),
        ('ask', 'survey_responses', 'crm', 'comment')
    ) as t (source, entity, customer_source, column_name)
    """,
    "create table raw.hash_keys as select 'key' as hash_key",
    """
    create table raw.source_limits (source varchar, entity varchar, max_quarantine_rate double)
    """,
    # one file of answers, one of customers, and one that was fixed by the next of its name
    f"""
    create table raw.files as
    select
        source, entity, file_sha256, file_name, 'v1' as mapping_version, status, reason,
        null::varchar as message, delivered::bigint as rows_delivered,
        loaded::bigint as rows_loaded, rejected::bigint as rows_rejected, 0::bigint as rows_blank,
        timestamp '2025-12-30 00:00:00' as file_modified_at, ingested_at::timestamp as ingested_at,
        '[]' as warnings,
        case when source = 'crm' then '["Id", "email"]' else '[]' end as columns,
        null::varchar as assumed_timezone
    from (values
        ('ask', 'survey_responses', '{SHA["broken"]}', 'answers.csv', 'quarantined',
            'unclosed_quote', 5, 0, 5, '2025-12-31 08:00:00'),
        ('ask', 'survey_responses', '{SHA["answers"]}', 'answers.csv', 'loaded', null,
            10, 9, 1, '2025-12-31 09:00:00'),
        ('crm', 'customers', '{SHA["crm"]}', 'crm.csv', 'loaded', null,
            4, 4, 0, '2025-12-31 09:00:00')
    ) as t (source, entity, file_sha256, file_name, status, reason, delivered, loaded, rejected,
        ingested_at)
    """,
    """
    create table seeds.metric_scales as
    select
        'nps' as metric, '0-10' as scale, score::int as score,
        case when score < 7 then 'detractor' when score < 9 then 'passive' else 'promoter' end
            as nps_class,
        case when score < 7 then -100 when score < 9 then 0 else 100 end as contribution
    from range(11) as t (score)
    """,
    "create table seeds.reject_reasons as "
    "from (values ('wrong_width', true), ('future', false)) as t (reason, is_mistake)",
    f"create table seeds.assumptions as from read_csv('{SEEDS / 'assumptions'}.csv')",
]


def _entity(name: str) -> str:
    """An entity of the lake: nine answers, four customers, else nothing."""
    rows, source = {"survey_responses": (9, "ask"), "customers": (4, "crm")}.get(name, (0, "none"))
    filled = {
        "response_id": "'r' || n", "score": "'9'", "submitted_at": "'2025-11-01T00:00:00.000000Z'",
        "customer_id": "'c' || n", "email": "'c' || n || '@mail.example'", "comment": "'fine'",
    }  # fmt: skip
    columns = ", ".join(
        f"{filled.get(column, 'null')}::varchar as {column}"
        for column in ENTITIES[name].column_names
    )
    sha = SHA["answers"] if name == "survey_responses" else SHA["crm"]
    return f"""
    create table raw.{name} as
    select
        {columns}, '{source}' as _source, 'crm' as _customer_source, '{sha}' as _file_sha256,
        'f.csv' as _file_name, n + 1 as _row_number,
        timestamp '2025-12-31 09:00:00' as _ingested_at,
        null::timestamp as _snapshot_at, 'v1' as _mapping_version, md5(n::varchar) as _row_hash,
        null::varchar as _flags
    from range({rows}) as t (n)
    """


RAW = SETTINGS + [_entity(name) for name in ENTITIES]

# Five answers of three customers (one has left and come before the CRM knew of leaving) and one of
# nobody; the last answer is one of the last day's in the business zone, not in UTC.
FACTS = [
    "create schema marts",
    "create schema restricted",
    """
    create table marts.dim_customers as
    select
        md5(customer_id)::uuid as customer_key, 'crm' as source, customer_id,
        null::uuid as account_key, region,
        timestamp '2025-01-01' as signed_up_at, churned_at::timestamp as churned_at,
        is_active, is_inferred, knows as has_churn_information
    from (values
        ('c1', 'north', null, true, false, true),
        ('c2', 'south', '2025-11-15 12:00:00', false, false, true),
        ('c3', 'north', null, true, false, true),
        ('c4', null, null, null, true, false)
    ) as t (customer_id, region, churned_at, is_active, is_inferred, knows)
    """,
    """
    create table marts.dim_customer_history as
    select
        md5(customer_id)::uuid as customer_key, region,
        f::timestamp as valid_from, u::timestamp as valid_to
    from (values
        ('c1', 'east', '1900-01-01', '2025-06-01'), ('c1', 'north', '2025-06-01', null),
        ('c2', 'south', '1900-01-01', null), ('c3', 'north', '1900-01-01', null)
    ) as t (customer_id, region, f, u)
    """,
    """
    create table marts.dim_surveys as
    select
        md5('s1')::uuid as survey_key, 'ask' as source, 's1' as survey_id, 'Yearly' as name,
        'nps' as metric, 'relational' as survey_type, '0-10' as scale, null::varchar as touchpoint
    """,
    f"""
    create table marts.fct_nps_responses as
    select
        md5(response_id)::uuid as response_key, 'ask' as source, response_id, md5('s1')::uuid as survey_key,
        's1' as survey_id, md5(customer_id)::uuid as customer_key, null::uuid as account_key,
        coalesce(md5(customer_id)::uuid, md5(response_id)::uuid) as voice_key, 'nps' as metric,
        'relational' as survey_type, '0-10' as scale, 'email' as channel,
        null::varchar as touchpoint, 'en' as language, region,
        responded_at::timestamp as responded_at,
        cast(timezone('{ZONE}', timezone('UTC', responded_at::timestamp)) as date) as responded_on,
        score, nps_class, contribution, true as has_comment
    from (values
        ('r1', 'c1', 'north', '2025-10-05 10:00:00', 10, 'promoter', 100),
        ('r2', 'c2', 'south', '2025-10-20 10:00:00', 9, 'promoter', 100),
        ('r3', 'c3', 'north', '2025-11-03 10:00:00', 8, 'passive', 0),
        ('r4', 'c1', 'north', '2025-11-25 10:00:00', 3, 'detractor', -100),
        ('r5', null, null, '2025-12-10 10:00:00', 10, 'promoter', 100),
        ('r6', 'c4', 'south', '2025-12-30 23:30:00', 0, 'detractor', -100)
    ) as t (response_id, customer_id, region, responded_at, score, nps_class, contribution)
    """,
]


def _periods(table: str, dimensions: dict[str, str]) -> str:
    """An aggregate of the facts by brute force: every grain, basis and dimension on its own."""
    parts = []
    for grain in ("day", "week", "month", "quarter", "year", "all"):
        start = (
            "(select min(responded_on) from marts.fct_nps_responses)"
            if grain == "all"
            else f"date_trunc('{grain}', responded_on)"
        )
        for basis in ("responses", "customers"):
            kept = "*" if basis == "responses" else "distinct on (voice_key, period_start) *"
            for dimension, segment in dimensions.items():
                parts.append(f"""
                    select
                        '{grain}' as time_grain, period_start, period_start + 1 as period_end,
                        '{basis}' as basis, metric, survey_type, '{dimension}' as dimension,
                        {segment} as segment, count(*) as responses,
                        count(*) filter (nps_class = 'promoter') as promoters,
                        count(*) filter (nps_class = 'passive') as passives,
                        count(*) filter (nps_class = 'detractor') as detractors
                    from (
                        select {kept} from (
                            select *, cast({start} as date) as period_start
                            from marts.fct_nps_responses
                        ) order by voice_key, period_start, responded_at desc
                    ) group by all""")
    columns = "* exclude (dimension, segment)" if len(dimensions) == 1 else "*"
    return f"""
    create table marts.{table} as
    select
        {columns}, responses < 2 as is_suppressed,
        case when responses > 1 then 100.0 * (promoters - detractors) / responses end as nps,
        case when responses > 1 then 10.0::double end as standard_error,
        case when responses > 1 then greatest(-100, nps - 20) end as ci_low,
        case when responses > 1 then least(100, nps + 20) end as ci_high
    from ({" union all ".join(parts)})
    """


AGGREGATES = [
    _periods("fct_nps_by_period", {"all": "'all'"}),
    _periods(
        "fct_nps_by_segment_period",
        {
            "region": "coalesce(region, '(unknown)')",
            "channel": "channel",
            "touchpoint": "coalesce(touchpoint, '(unknown)')",
            "survey": "survey_id",
        },
    ),
    # c2 left 26 days after answering; of c4 nobody knows
    """
    create table marts.fct_nps_churn as
    select
        response_key, customer_key, metric, survey_type, nps_class, responded_on,
        cast(churned_at as date) as churned_on,
        cast(churned_at as date) - responded_on as days_to_churn,
        has_churn_information,
        case when has_churn_information then true end as was_active_at_answer,
        10.0 as mrr_at_answer, 100.0 as revenue_before, f.region
    from marts.fct_nps_responses as f
    inner join marts.dim_customers as c using (customer_key)
    """,
    """
    create table marts.nps_outcomes_by_class as
    select
        basis, 'nps' as metric, 'relational' as survey_type, nps_class, 30 as window_days,
        dimension, segment, customers, observed, churned, rate as churn_rate,
        case when rate is not null then 0.3 end as standard_error,
        case when rate is not null then 0.0 end as ci_low,
        case when rate is not null then 1.0 end as ci_high,
        10.0 as active_mrr, 100.0 as realised_ltv, null::int as ltv_window_days,
        null::double as projected_ltv, null::double as projected_ltv_low,
        null::double as projected_ltv_high, observed < 2 as is_suppressed,
        case basis when 'customers' then 'too_few_churned' else 'counts_answers' end
            as unknown_because
    from (values
        ('promoter', 'all', 'all', 2, 2, 1, 0.5), ('promoter', 'region', 'north', 1, 1, 0, null),
        ('promoter', 'region', 'south', 1, 1, 1, null), ('no_response', 'all', 'all', 4, 3, 0, 0.0),
        ('no_response', 'region', '(unknown)', 4, 3, 0, 0.0)
    ) as t (nps_class, dimension, segment, customers, observed, churned, rate)
    cross join (values ('responses'), ('customers')) as bases (basis)
    """,
    # five of ten left in 30 days: ln 2 x 365 / 30 + ln 1.1 = 8.5286, 0.8 x 10 x 12 / 8.5286
    """
    insert into marts.nps_outcomes_by_class
    select
        'customers', 'nps', 'relational', 'detractor', 30, dimension, segment, 10, 10, 5, 0.5, 0.15,
        0.2366, 0.7634, 10.0, 100.0, 30, value, value / 2, value * 2, false, null
    from (values ('all', 'all'), ('region', 'south')) as t (dimension, segment)
    cross join (select 0.8 * 10 * 12 / (ln(2) * 365 / 30 + ln(1.1)) as value)
    """,
    """
    create table marts.customer_nps_features as
    select
        md5(customer_id)::uuid as customer_key, as_of_on::date as as_of_on, last_score, last_class,
        days as days_since_last_response, n90 as responses_90d, n365 as responses_365d,
        mean as mean_contribution, null::double as score_trend, 100.0 as realised_ltv,
        100.0 as revenue_365d, 1 as tickets_90d, 2 as tickets_365d, 5.0 as usage_90d,
        100 as tenure_days
    from (values
        ('c1', '2025-11-30', 3, 'detractor', 5, 2, 2, 0.0),
        ('c1', '2025-12-31', 3, 'detractor', 36, 2, 2, 0.0),
        ('c4', '2025-11-30', null, null, null, 0, 0, null),
        ('c4', '2025-12-31', 0, 'detractor', 0, 1, 1, -100.0)
    ) as t (customer_id, as_of_on, last_score, last_class, days, n90, n365, mean)
    """,
    f"""
    create table marts.ingest_reconciliation as
    select
        source, entity, file_sha256, file_name, status as file_status, reason as file_reason,
        rows_delivered, accepted as rows_accepted, quarantined as rows_quarantined,
        0::bigint as rows_duplicate, 0::bigint as rows_superseded, 0::bigint as rows_deleted,
        0::bigint as rows_excluded
    from raw.files
    inner join (values
        ('{SHA["broken"]}', 0::bigint, 5::bigint), ('{SHA["answers"]}', 6, 4),
        ('{SHA["crm"]}', 4, 0)
    ) as t (file_sha256, accepted, quarantined) using (file_sha256)
    """,
    """
    create table marts.ingest_match_rates as
    from (values
        ('ask', 'survey_responses', 'customer_id', 'crm', true, 4::bigint, 3::bigint, 0.75, 0.7),
        ('ask', 'survey_responses', 'email', 'crm', true, 4, 0, 0.0, 0.7),
        ('web', 'survey_responses', 'customer_id', 'web', false, 4, null, null, null),
        ('app', 'product_usage', 'customer_id', 'crm', true, 0, 0, null, null),
    ) as t (source, entity, column_name, customer_source, has_customers, ids_delivered, ids_known,
        match_rate, min_match_rate)
    """,
    # two mistakes of ten rows, and two answers of next year
    f"""
    create table restricted.quarantined_rows as
    select
        'ask' as source, 'survey_responses' as entity, '{SHA["answers"]}' as file_sha256,
        'answers.csv' as file_name, n + 2 as row_number,
        case when n < 2 then 'wrong_width' else 'future' end as reason, 'raw' as raw_text
    from range(4) as t (n)
    """,
]

MARTS = SETTINGS + FACTS + AGGREGATES


def _database(path: Path, statements: list[str]) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


@pytest.fixture(scope="session")
def good_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with schema raw of a small lake, in which every check holds."""
    return _database(tmp_path_factory.mktemp("raw") / "good.duckdb", RAW)


@pytest.fixture(scope="session")
def good_marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small warehouse in which every check holds."""
    return _database(tmp_path_factory.mktemp("marts") / "good.duckdb", MARTS)
