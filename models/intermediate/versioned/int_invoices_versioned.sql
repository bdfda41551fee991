with {{ judge_versions(ref('stg_invoices'), key=['invoice_key'], version='snapshot_at', entity='invoices') }}

select * from judged
