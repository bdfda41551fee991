with {{ judge_versions('int_invoices_versioned', ref('stg_invoices'), key=['invoice_key'], version='snapshot_at', entity='invoices') }}

select * from judged
