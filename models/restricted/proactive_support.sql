with listed as (
    select
        signals.*,
        chances.similar_customers,
        chances.similar_left,
        chances.overall_share,
        chances.weight_left / chances.weight as chance_to_leave,
        {{ share_bound(-1, 'chances.weight_left', 'chances.weight', assumption('confidence_z')) }} as ci_low,
        {{ share_bound(1, 'chances.weight_left', 'chances.weight', assumption('confidence_z')) }} as ci_high,
        case when lifecycles.has_mrr_information then round(coalesce(customer_values.mrr, 0), 6) end as mrr,
        coalesce(customer_values.mrr, 0) as known_mrr,
        cast({{ assumption('proactive_days') }} as int) as days,
        cast({{ assumption('proactive_days_before') }} as int) as days_before,
        cast({{ assumption('proactive_months') }} as int) as months,
        workspace.currency
    from {{ ref('int_proactive_signals_judged') }} as signals
    cross join {{ source('raw', 'workspace') }} as workspace
    inner join {{ ref('int_proactive_chances_estimated') }} as chances
        on signals.nps_class = chances.nps_class and signals.signal = chances.signal
    left join {{ ref('int_customer_lifecycles_dated') }} as lifecycles on signals.customer_key = lifecycles.customer_key
    left join {{ ref('int_customer_values_summed') }} as customer_values on signals.customer_key = customer_values.customer_key
    left join {{ ref('int_customers_held_out') }} as held_out on signals.customer_key = held_out.customer_key
    where
        signals.part = 'now'
        and signals.signal <> 'none'
        and held_out.customer_key is null
)

select
    listed.customer_key,
    identities.customer_id,
    identities.name,
    identities.email,
    listed.signal,
    listed.usage_recent,
    listed.usage_before,
    listed.usage_recent / nullif(listed.usage_before * listed.scale, 0) as usage_level,
    cast(listed.tickets_recent as bigint) as tickets_recent,
    cast(listed.tickets_before as bigint) as tickets_before,
    listed.nps_class,
    listed.last_score,
    listed.days_since_last_response,
    listed.similar_customers,
    listed.similar_left,
    listed.chance_to_leave,
    listed.ci_low,
    listed.ci_high,
    listed.overall_share,
    listed.mrr,
    round(listed.mrr * listed.chance_to_leave, 6) as mrr_at_risk,
    row_number() over (
        order by
            round(listed.known_mrr * coalesce(listed.chance_to_leave, 1e0), 6) desc nulls last,
            listed.chance_to_leave desc nulls last, listed.customer_key asc nulls last
    ) as call_rank,
    case
        when listed.signal in ('usage_fell', 'both')
            then 'usage of the last ' || listed.days || ' days is ' || cast(round(100 * listed.usage_recent / (listed.usage_before * listed.scale)) as bigint) || ' % of the usual'
        else ''
    end
    || case when listed.signal = 'both' then ', ' else '' end
    || case
        when listed.signal in ('tickets_rose', 'both')
            then cast(cast(listed.tickets_recent as bigint) as {{ dbt.type_string() }}) || ' tickets in the last ' || listed.days || ' days after ' || cast(listed.tickets_before as bigint) || ' in the ' || listed.days_before || ' before'
        else ''
    end
    || case when listed.nps_class = 'no_answer' then ', no answer yet' else ', last answer ' || listed.last_score || ' (' || listed.nps_class || ')' end
    || coalesce(', pays ' || cast(round(listed.mrr) as bigint) || ' ' || listed.currency || ' a month', '')
    || coalesce(
        ', ' || cast(round(100 * listed.chance_to_leave) as bigint) || ' % of such customers leave within ' || case when listed.months = 1 then 'a month' else listed.months || ' months' end || ', '
        || cast(round(100 * listed.overall_share) as bigint) || ' % of all', ''
    ) as reason
from listed
left join {{ ref('customer_identities') }} as identities on listed.customer_key = identities.customer_key
