-- an address that a customer gains or gives up may now identify another customer
select distinct email_key from {{ ref('int_customers_versioned') }}
where
    {{ is_batch() | lower }}
    and email_key is not null
    and {{ is_affected('customer_key', 'int_customers_changed') }}
