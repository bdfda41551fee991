select
    judged.attribute,
    cast(judged.customers as bigint) as customers,
    judged.customer_coverage,
    judged.customer_coverage_now,
    cast(judged.leads as bigint) as leads,
    judged.lead_coverage,
    judged.comparable_coverage,
    judged.left_out_because is null as is_used,
    judged.left_out_because
from {{ ref('int_lead_attributes_judged') }} as judged
