with {{ judge_versions(ref('stg_invoices'), key=['invoice_key'], version='snapshot_at', entity='invoices', left_out=['invoice_id', 'customer_id']) }}

select * from judged
