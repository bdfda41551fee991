{% if is_batch() -%}
with last_build as (
    select as_of_on from {{ source('raw', 'last_build') }}
),

built as (
    select distinct as_of_on from {{ previous('customer_nps_features', schema='marts') }}
),

listed as (
    select as_of_on from {{ ref('int_feature_days_listed') }}
)

select listed.as_of_on
from listed
inner join last_build on listed.as_of_on > last_build.as_of_on

union

select built.as_of_on
from built
left join listed on built.as_of_on = listed.as_of_on
where listed.as_of_on is null
{%- else -%}
-- depends_on: {{ ref('int_feature_days_listed') }}
select cast(null as date) as as_of_on
where false
{%- endif %}
