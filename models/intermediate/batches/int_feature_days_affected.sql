{%- set previous_features = source('previous_marts', 'customer_nps_features') if is_batch() or not execute -%}

with listed as (
    select as_of_on from {{ ref('int_feature_days_listed') }}
),

{% if is_batch() -%}
built as (
    select distinct as_of_on from {{ previous_features }}
),
{%- else -%}
built as (
    select as_of_on from listed
),
{%- endif %}

final as (
    select listed.as_of_on
    from listed
    inner join {{ source('raw', 'last_build') }} as last_build on listed.as_of_on > last_build.as_of_on

    union

    select built.as_of_on
    from built
    left join listed on built.as_of_on = listed.as_of_on
    where listed.as_of_on is null
)

select * from final
