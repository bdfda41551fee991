with people as (
    select
        'held_back' as sample,
        customer_key as person_key,
        is_promoter,
        attribute,
        known_value
    from {{ ref('int_lead_answers_known') }}
    where is_held_back

    union all

    select
        'lead' as sample,
        lead_key as person_key,
        cast(null as boolean) as is_promoter,
        attribute,
        known_value
    from {{ ref('int_lead_values_listed') }}
),

customers as (
    select distinct
        customer_key,
        is_promoter
    from {{ ref('int_lead_answers_known') }}
    where not is_held_back
),

learned as (
    select
        sum(case when is_promoter then 1 else 0 end) as promoters,
        sum(case when is_promoter then 0 else 1 end) as others
    from customers
),

summed as (
    select
        people.sample,
        people.person_key,
        people.is_promoter,
        count(weights.weight) as known_attributes,
        coalesce({{ exact_sum('weights.weight') }}, 0e0) as likeness
    from people
    left join {{ ref('int_lead_weights_estimated') }} as weights
        on people.attribute = weights.attribute and people.known_value = weights.known_value
    group by people.sample, people.person_key, people.is_promoter
)

-- of promoters or others alone nothing can be learned
select
    summed.*,
    1e0 / (1e0 + learned.others * exp(-summed.likeness) / nullif(case when learned.others > 0 then learned.promoters end, 0)) as probability
from summed
cross join learned
