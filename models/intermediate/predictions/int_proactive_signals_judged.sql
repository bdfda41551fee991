{{ config(materialized='view') }}

with days as (
    select * from {{ ref('int_proactive_days_chosen') }}
),

events as (
    select * from {{ ref('int_customer_events_dated') }}
    where measure in ('usage', 'tickets')
),

counting as (
    select
        event_days.happened_on,
        days.as_of_on,
        event_days.happened_on > days.recent_after as is_recent
    from (select distinct happened_on from events) as event_days
    inner join days on event_days.happened_on <= days.as_of_on and event_days.happened_on > days.before_after
),

summed as (
    select
        events.customer_key,
        counting.as_of_on
        {%- for measure in ['usage', 'tickets'] %}
        {%- for window, condition in {'recent': 'counting.is_recent', 'before': 'not counting.is_recent'}.items() %},
        {%- set amount = "case when events.measure = '" ~ measure ~ "' and " ~ condition ~ ' then events.amount end' %}
        coalesce({{ exact_sum(amount) }}, sum({{ amount }}), 0e0) as {{ measure }}_{{ window }}
        {%- endfor %}
        {%- endfor %}
    from events
    inner join counting on events.happened_on = counting.happened_on
    group by events.customer_key, counting.as_of_on
),

answers as (
    select
        responses.customer_key,
        responses.nps_class,
        responses.score,
        responses.responded_on,
        coalesce(lag(responses.responded_on) over (
            partition by responses.customer_key
            order by {{ latest_first('responses') }}
        ), cast('9999-12-31' as date)) as next_on
    from {{ ref('fct_nps_responses') }} as responses
    inner join {{ source('raw', 'workspace') }} as workspace
        on responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type
    where responses.customer_key is not null
),

-- what no source delivered for all these days is unknown: its first month would seem to rise, its last to fall
compared as (
    select
        customers.customer_key,
        days.as_of_on,
        days.part,
        coalesce(answers.nps_class, 'no_answer') as nps_class,
        answers.score as last_score,
        cast({{ dbt.datediff('answers.responded_on', 'days.as_of_on', 'day') }} as int) as days_since_last_response
        {%- for measure in ['usage', 'tickets'] %}
        {%- for window in ['recent', 'before'] %},
        case when covered_{{ measure }}.measure is not null then coalesce(summed.{{ measure }}_{{ window }}, 0e0) end as {{ measure }}_{{ window }}
        {%- endfor %}
        {%- endfor %},
        {{ assumption('proactive_days') }} / {{ assumption('proactive_days_before') }} as scale,
        case when days.part <> 'now' then coalesce({{ business_date('lifecycles.churned_at') }} <= days.until_on, false) end as has_left
    from {{ ref('dim_customers') }} as customers
    cross join days
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on customers.customer_key = lifecycles.customer_key
    left join answers
        on
            customers.customer_key = answers.customer_key
            and days.as_of_on >= answers.responded_on
            and days.as_of_on < answers.next_on
    left join summed on customers.customer_key = summed.customer_key and days.as_of_on = summed.as_of_on
    {%- for measure in ['usage', 'tickets'] %}
    left join {{ ref('int_measures_covered') }} as covered_{{ measure }}
        on
            customers.source = covered_{{ measure }}.customer_source
            and covered_{{ measure }}.measure = '{{ measure }}'
            and covered_{{ measure }}.first_on <= days.before_after
            and covered_{{ measure }}.last_on >= {{ days_after('days.as_of_on', '-cast(' ~ assumption('proactive_delay_days') ~ ' as int)') }}
    {%- endfor %}
    where
        -- who was new then can only have used more since
        (customers.signed_up_at is null or {{ business_date('customers.signed_up_at') }} <= days.before_after)
        and (covered_usage.measure is not null or covered_tickets.measure is not null)
        and case
            when days.part = 'now' then coalesce(customers.is_active, true)
            -- of what only a status tells nothing is known before the first snapshot
            else
                lifecycles.has_churn_information
                and (lifecycles.churned_at is null or {{ business_date('lifecycles.churned_at') }} > days.as_of_on)
                and (lifecycles.churn_known_from is null or {{ business_date('lifecycles.churn_known_from') }} <= days.as_of_on)
        end
)

select
    *,
    case
        when usage_recent <= (1 - {{ assumption('min_usage_fall') }}) * scale * nullif(usage_before, 0)
            then case when tickets_recent - scale * tickets_before >= {{ assumption('min_ticket_rise') }} then 'both' else 'usage_fell' end
        when tickets_recent - scale * tickets_before >= {{ assumption('min_ticket_rise') }} then 'tickets_rose'
        else 'none'
    end as signal
from compared
