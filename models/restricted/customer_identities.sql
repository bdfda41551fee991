with raw as (
    select
        _source as source,
        _file_sha256 as file_sha256,
        _row_number as row_number,
        name,
        email
    from {{ source('raw', 'customers') }}
),

final as (
    select
        customers.customer_key,
        customers.customer_source as source,
        customers.customer_id,
        raw.name,
        raw.email
    from {{ ref('int_customers_known') }} as customers
    inner join raw
        on
            customers.source = raw.source
            and customers.file_sha256 = raw.file_sha256
            and customers.row_number = raw.row_number
)

select * from final
