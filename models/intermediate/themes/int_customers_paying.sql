select
    lifecycles.customer_key,
    case
        when coalesce(lifecycles.is_churned, false) or coalesce(lifecycles.churned_at < workspace.as_of_at, false) then 0e0
        else coalesce(customer_values.mrr, 0)
    end as mrr
from {{ ref('int_customer_lifecycles_dated') }} as lifecycles
cross join {{ source('raw', 'workspace') }} as workspace
left join {{ ref('int_customer_values_summed') }} as customer_values on lifecycles.customer_key = customer_values.customer_key
where lifecycles.has_mrr_information
