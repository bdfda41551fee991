{%- set attributes = first_column('select attribute from ' ~ source('raw', 'split_attributes') ~ ' order by attribute') -%}
{%- set text = dbt.type_string() -%}

-- depends_on: {{ ref('fct_nps_responses') }}, {{ ref('int_survey_responses_versioned') }}, {{ ref('int_customer_values_dated') }}
{% if attributes -%}
with {{ follow_voices() }},

-- what an answer says itself wins over what the CRM says of its customer then
delivered as (
    select
        facts.source,
        facts.response_id,
        facts.customer_key,
        facts.responded_at,
        versions.attributes
    from {{ ref('fct_nps_responses') }} as facts
    inner join {{ ref('int_survey_responses_versioned') }} as versions on facts.response_key = versions.response_key
    where versions.row_status = 'accepted'
),

own as (
    {%- for attribute in attributes %}
    select
        source,
        response_id,
        customer_key,
        responded_at,
        '{{ attribute }}' as dimension,
        nullif({{ json_member('attributes', attribute) }}, '') as listed
    from delivered
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

found as (
    select
        own.source,
        own.response_id,
        own.dimension,
        coalesce(own.listed, customers.listed, '(unknown)') as listed
    from own
    left join {{ ref('int_customer_values_dated') }} as customers
        on
            own.customer_key = customers.customer_key
            and own.dimension = customers.dimension
            and own.responded_at >= customers.valid_from
            and own.responded_at < customers.valid_to
)

select
    followed.metric,
    followed.survey_type,
    followed.responded_on,
    followed.next_on,
    followed.contribution,
    found.dimension,
    {{ each_value('found.listed') }} as segment,
    found.listed like '%|%' as is_shared
from found
inner join followed on found.source = followed.source and found.response_id = followed.response_id
{%- else -%}
select
    cast(null as {{ text }}) as metric,
    cast(null as {{ text }}) as survey_type,
    cast(null as date) as responded_on,
    cast(null as date) as next_on,
    cast(null as int) as contribution,
    cast(null as {{ text }}) as dimension,
    cast(null as {{ text }}) as segment,
    cast(null as boolean) as is_shared
where false
{%- endif %}
