select customers.customer_key
from {{ ref('dim_customers') }} as customers
cross join {{ source('raw', 'workspace') }} as workspace
where {{ random_share(keyed_hash('cast(customers.customer_key as ' ~ dbt.type_string() ~ ')'), "'hold-out'") }} < workspace.holdout_share
