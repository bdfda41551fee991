with reasons as (
    select
        listed.lead_key,
        listed.attribute || ' ' || listed.known_value || ': ' || cast(round(exp(abs(weights.weight)), 1) as {{ dbt.type_string() }})
        || ' times as frequent among ' || case when weights.weight < 0 then 'others' else 'promoters' end as reason,
        row_number() over (
            partition by listed.lead_key
            order by abs(weights.weight) desc nulls last, listed.attribute asc nulls last
        ) as place
    from {{ ref('int_lead_values_listed') }} as listed
    inner join {{ ref('int_lead_weights_estimated') }} as weights
        on listed.attribute = weights.attribute and listed.known_value = weights.known_value
),

named as (
    select
        lead_key,
        {%- for place in [1, 2, 3] %}
        max(case when place = {{ place }} then reason end) as reason_{{ place }}{{ ',' if not loop.last }}
        {%- endfor %}
    from reasons
    group by lead_key
)

select
    leads.lead_key,
    leads.source,
    leads.lead_id,
    leads.created_at,
    cast(coalesce(summed.known_attributes, 0) as bigint) as known_attributes,
    case when summed.known_attributes > 0 then summed.likeness end as likeness,
    case when summed.known_attributes > 0 then summed.probability end as probability,
    named.reason_1,
    named.reason_2,
    named.reason_3
from {{ ref('int_leads_versioned') }} as leads
left join {{ ref('int_lead_likeness_summed') }} as summed on leads.lead_key = summed.person_key and summed.sample = 'lead'
left join named on leads.lead_key = named.lead_key
where leads.row_status = 'accepted'
