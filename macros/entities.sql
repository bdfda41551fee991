{#- The canonical entities, in the order of the raw contract (orchestration/workspace/entities.py; a test holds
    the two together). -#}
{% macro entities() -%}
    {{ return([
        'survey_responses',
        'survey_invitations',
        'surveys',
        'customers',
        'accounts',
        'subscriptions',
        'mrr_movements',
        'invoices',
        'support_tickets',
        'product_usage',
        'referrals',
        'employees',
        'leads',
        'follow_ups',
        'exchange_rates',
        'score_summaries',
    ]) }}
{%- endmacro %}
