with answers as (
    select * from {{ ref('int_responses_identified') }}
    where customer_key is not null
),

-- metrics with a class in the middle, from which the others can lift off; employees buy nothing
metrics as (
    select distinct metrics.metric
    from {{ ref('metrics') }} as metrics
    inner join {{ ref('metric_scales') }} as metric_scales on metrics.metric = metric_scales.metric
    where metrics.population = 'customers' and metric_scales.nps_class = 'passive'
),

workspace as (
    select
        *,
        cast({{ assumption('lift_days') }} as int) as horizon_days
    from {{ source('raw', 'workspace') }}
),

customers as (
    select
        customer_key,
        source
    from {{ ref('dim_customers') }}
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

invoices as (
    select
        customer_source,
        invoiced_at
    from {{ ref('int_invoices_versioned') }}
    where row_status = 'accepted'
),

money as (
    select
        customer_key,
        moved_at,
        revenue
    from {{ ref('int_customer_money_moved') }}
    where revenue <> 0
),

referrals as (
    select
        customer_source,
        referrer_customer_key,
        referred_at
    from {{ ref('int_referrals_versioned') }}
    where row_status = 'accepted'
),

tickets as (
    select
        customer_source,
        customer_key,
        opened_at
    from {{ ref('int_support_tickets_versioned') }}
    where row_status = 'accepted'
),

usage as (
    select
        customer_source,
        customer_key,
        used_on,
        quantity
    from {{ ref('int_product_usage_versioned') }}
    where row_status = 'accepted'
),

-- one customer, one voice: the first answer, chosen without looking ahead
ordered as (
    select
        answers.customer_key,
        answers.metric,
        answers.survey_type,
        answers.nps_class,
        answers.responded_at,
        answers.responded_on,
        lead(answers.response_key) over (
            partition by answers.customer_key, answers.metric, answers.survey_type
            order by {{ latest_first('answers') }}
        ) is null as is_first
    from answers
    inner join metrics on answers.metric = metrics.metric
),

measures as (
    {%- for measure in ['revenue', 'referrals', 'tickets', 'usage'] %}
    select '{{ measure }}' as measure
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

cells as (
    select distinct
        ordered.metric,
        ordered.survey_type,
        ordered.nps_class,
        measures.measure
    from ordered
    cross join measures
),

firsts as (
    select
        ordered.customer_key,
        ordered.metric,
        ordered.survey_type,
        ordered.nps_class,
        ordered.responded_on,
        {{ days_after('ordered.responded_on', 'workspace.horizon_days') }} as ends_on,
        customers.source,
        coalesce(lifecycles.has_revenue_information, false) as has_revenue_information
    from ordered
    cross join workspace
    left join customers on ordered.customer_key = customers.customer_key
    left join lifecycles on ordered.customer_key = lifecycles.customer_key
    where
        ordered.is_first
        and (
            not coalesce(lifecycles.has_churn_information, false)
            or lifecycles.churned_at is null
            or lifecycles.churned_at > ordered.responded_at
        )
),

-- what nobody delivered yet, or any more, was not zero
spans as (
    select
        'revenue' as measure,
        customer_source,
        min(invoiced_at) as begins_at,
        max(invoiced_at) as ends_at
    from invoices
    group by customer_source

    union all

    select
        'referrals' as measure,
        customer_source,
        min(referred_at) as begins_at,
        max(referred_at) as ends_at
    from referrals
    group by customer_source

    union all

    select
        'tickets' as measure,
        customer_source,
        min(opened_at) as begins_at,
        max(opened_at) as ends_at
    from tickets
    group by customer_source
),

covers as (
    select
        spans.measure,
        spans.customer_source,
        {{ business_date('spans.begins_at', 'workspace.timezone') }} as begins_on,
        {{ business_date('spans.ends_at', 'workspace.timezone') }} as ends_on
    from spans
    cross join workspace

    union all

    select
        'usage' as measure,
        customer_source,
        min(used_on) as begins_on,
        max(used_on) as ends_on
    from usage
    group by customer_source
),

followed as (
    select
        firsts.customer_key,
        firsts.metric,
        firsts.survey_type,
        firsts.nps_class,
        firsts.responded_on,
        firsts.ends_on,
        measures.measure,
        covers.begins_on is not null as is_delivered,
        covers.begins_on <= firsts.responded_on
        and covers.ends_on >= firsts.ends_on
        and firsts.ends_on <= workspace.as_of_on as is_observed
    from firsts
    cross join measures
    cross join workspace
    left join covers
        on
            firsts.source = covers.customer_source
            and measures.measure = covers.measure
            and (measures.measure <> 'revenue' or firsts.has_revenue_information)
),

happened as (
    select
        'revenue' as measure,
        money.customer_key,
        {{ business_date('money.moved_at', 'workspace.timezone') }} as happened_on,
        money.revenue as amount
    from money
    cross join workspace

    union all

    select
        'referrals' as measure,
        referrals.referrer_customer_key as customer_key,
        {{ business_date('referrals.referred_at', 'workspace.timezone') }} as happened_on,
        cast(1 as double) as amount
    from referrals
    cross join workspace

    union all

    select
        'tickets' as measure,
        tickets.customer_key,
        {{ business_date('tickets.opened_at', 'workspace.timezone') }} as happened_on,
        cast(1 as double) as amount
    from tickets
    cross join workspace

    union all

    select
        'usage' as measure,
        customer_key,
        used_on as happened_on,
        quantity as amount
    from usage
),

added as (
    select
        followed.customer_key,
        followed.metric,
        followed.survey_type,
        followed.measure,
        {{ exact_sum('happened.amount') }} as amount
    from followed
    inner join happened
        on
            followed.customer_key = happened.customer_key
            and followed.measure = happened.measure
            and followed.responded_on < happened.happened_on
            and followed.ends_on >= happened.happened_on
    where followed.is_observed
    group by followed.customer_key, followed.metric, followed.survey_type, followed.measure
),

amounted as (
    select
        followed.metric,
        followed.survey_type,
        followed.nps_class,
        followed.measure,
        followed.is_delivered,
        followed.is_observed,
        -- nothing happened: 0; too much for a sum: unknown
        case
            when followed.is_observed and added.customer_key is null then 0
            when followed.is_observed then added.amount
        end as amount
    from followed
    left join added
        on
            followed.customer_key = added.customer_key
            and followed.metric = added.metric
            and followed.survey_type = added.survey_type
            and followed.measure = added.measure
),

summed as (
    select
        metric,
        survey_type,
        nps_class,
        measure,
        count(*) as customers,
        sum(case when is_delivered then 1 else 0 end) as delivered,
        sum(case when is_observed then 1 else 0 end) as observed,
        case when count(amount) = sum(case when is_observed then 1 else 0 end) then {{ exact_sum('amount') }} end as total
    from amounted
    group by metric, survey_type, nps_class, measure
),

-- sample variance in a second pass: the same to the last bit, in whatever order the rows come
spread as (
    select
        amounted.metric,
        amounted.survey_type,
        amounted.nps_class,
        amounted.measure,
        sqrt({{ exact_sum('power(amounted.amount - summed.total / summed.observed, 2)') }} / nullif(count(amounted.amount) - 1, 0)) as deviation
    from amounted
    inner join summed
        on
            amounted.metric = summed.metric
            and amounted.survey_type = summed.survey_type
            and amounted.nps_class = summed.nps_class
            and amounted.measure = summed.measure
    where amounted.is_observed
    group by amounted.metric, amounted.survey_type, amounted.nps_class, amounted.measure
),

averaged as (
    select
        cells.metric,
        cells.survey_type,
        cells.nps_class,
        cells.measure,
        workspace.horizon_days,
        cast(coalesce(summed.observed, 0) as bigint) as observed,
        coalesce(summed.observed, 0) < workspace.min_group_size as is_suppressed,
        case when summed.observed >= workspace.min_group_size then summed.total end as total,
        case when summed.observed >= workspace.min_group_size then summed.total / nullif(summed.observed, 0) end as mean,
        case
            when summed.observed >= workspace.min_group_size
                then spread.deviation / sqrt(nullif(summed.observed, 0))
        end as standard_error,
        case
            when summed.customers > 0 and summed.delivered = 0 then 'not_delivered'
            when summed.customers > 0 and summed.observed = 0 then 'no_window_is_over'
            when summed.observed is null or summed.observed < workspace.min_group_size then 'too_few'
            when summed.total is null or (summed.observed > 1 and spread.deviation is null) then 'too_large'
        end as unknown_because
    from cells
    cross join workspace
    left join summed
        on
            cells.metric = summed.metric
            and cells.survey_type = summed.survey_type
            and cells.nps_class = summed.nps_class
            and cells.measure = summed.measure
    left join spread
        on
            cells.metric = spread.metric
            and cells.survey_type = spread.survey_type
            and cells.nps_class = spread.nps_class
            and cells.measure = spread.measure
),

-- Welch: the classes' variances are their own; with the normal distribution, as groups are large
compared as (
    select
        averaged.*,
        passives.mean as passive_mean,
        averaged.mean - passives.mean as difference,
        -- half as much again as less than nothing would be no more
        case when passives.mean > 0 then averaged.mean / passives.mean - 1 end as lift,
        case
            when averaged.nps_class <> 'passive'
                then (averaged.mean - passives.mean)
                / nullif(sqrt(power(averaged.standard_error, 2) + power(passives.standard_error, 2)), 0)
        end as z
    from averaged
    left join averaged as passives
        on
            averaged.metric = passives.metric
            and averaged.survey_type = passives.survey_type
            and averaged.measure = passives.measure
            and passives.nps_class = 'passive'
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from compared
),

{{ benjamini_hochberg('valued', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        metric,
        survey_type,
        nps_class,
        measure,
        horizon_days,
        observed,
        round(total, 6) as total,
        mean,
        standard_error,
        passive_mean,
        difference,
        lift,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        is_suppressed,
        unknown_because
    from adjusted
)

select * from final
