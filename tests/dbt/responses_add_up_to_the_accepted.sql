-- Every accepted answer is in the fact table, and every one of them in the total of its metric.
with accepted as (
    select coalesce(sum(rows_accepted), 0) as responses
    from {{ ref('ingest_reconciliation') }}
    where entity = 'survey_responses'
),

facts as (
    select count(*) as responses from {{ ref('fct_nps_responses') }}
),

totals as (
    select coalesce(sum(responses), 0) as responses
    from {{ ref('fct_nps_by_period') }}
    where time_grain = 'all' and basis = 'responses'
)

select
    accepted.responses as accepted,
    facts.responses as facts,
    totals.responses as totals
from accepted
cross join facts
cross join totals
where accepted.responses <> facts.responses or facts.responses <> totals.responses
