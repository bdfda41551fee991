{%- set attributes = first_column('select attribute from ' ~ source('raw', 'lead_attributes') ~ ' where is_of_customers order by attribute') -%}

with answers as (
    select
        chosen.voice_key as customer_key,
        chosen.responded_at,
        chosen.contribution > 0 as is_promoter,
        {{ random_share('chosen.voice_key', 'cast(' ~ assumption('random_seed') ~ ' as bigint)') }} < {{ assumption('lead_held_back_share') }} as is_held_back
    from {{ ref('int_driver_answers_chosen') }} as chosen
    inner join {{ source('raw', 'workspace') }} as workspace
        on chosen.metric = workspace.headline_metric and chosen.survey_type = workspace.headline_survey_type
),

-- what the customers' source said last before the answer, and what it says now
snapshots as (
    select
        answers.customer_key,
        answers.is_promoter,
        answers.is_held_back,
        versioned.attributes,
        versioned.snapshot_at <= answers.responded_at as is_before,
        row_number() over (
            partition by answers.customer_key, versioned.snapshot_at <= answers.responded_at
            order by versioned.snapshot_at desc nulls last, versioned.source asc nulls last
        ) as place
    from answers
    inner join {{ ref('int_customers_versioned') }} as versioned on answers.customer_key = versioned.customer_key
    where versioned.row_status = 'accepted'
)

{%- for attribute in attributes %}

select
    customer_key,
    is_promoter,
    is_held_back,
    '{{ attribute }}' as attribute,
    max(case when is_before then nullif({{ json_member('attributes', attribute) }}, '') end) as known_value,
    count(nullif({{ json_member('attributes', attribute) }}, '')) > 0 as is_known_now
from snapshots
where place = 1
group by customer_key, is_promoter, is_held_back

union all
{%- endfor %}

select
    customer_key,
    is_promoter,
    is_held_back,
    cast(null as {{ dbt.type_string() }}) as attribute,
    cast(null as {{ dbt.type_string() }}) as known_value,
    false as is_known_now
from snapshots
where false
