{{ config(materialized='view') }}

-- values of few customers are not known
select
    known.attribute,
    known.known_value,
    cast(sum(case when known.is_promoter then 1 else 0 end) as bigint) as promoters,
    cast(sum(case when known.is_promoter then 0 else 1 end) as bigint) as others
from {{ ref('int_lead_answers_known') }} as known
cross join {{ source('raw', 'workspace') }} as workspace
where not known.is_held_back and known.known_value is not null
group by known.attribute, known.known_value, workspace.min_group_size
having count(*) >= workspace.min_group_size
