with {{ judge_versions(ref('stg_invoices'), key=['invoice_key'], version='snapshot_at') }}

select * from judged
