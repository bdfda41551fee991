-- Those who answered beside those who kept silent, as both were when they were asked.
with invitations as (
    select * from {{ ref('int_invitations_identified') }}
    where
        is_responded is not null
        and metric is not null
        -- who answered was reached; of the others those whose invitation is not known to have bounced
        and (is_responded or not coalesce(is_bounced, false))
),

lifecycles as (
    select * from {{ ref('int_customer_lifecycles_dated') }}
),

money as (
    select
        customer_key,
        moved_at,
        mrr_change
    from {{ ref('int_customer_money_moved') }}
    where mrr_change <> 0
),

windows as (
    select window_days from {{ source('raw', 'churn_windows') }}
),

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- what is added to each of two groups of a proportion, which csat is
priors as (
    select
        top_prior_of_two as gone_prior,
        middle_prior_of_two as stayed_prior
    from {{ ref('metrics') }}
    where metric = 'csat'
),

asked as (
    select
        invitations.customer_key,
        invitations.metric,
        invitations.survey_type,
        invitations.is_responded,
        invitations.sent_at,
        invitations.sent_on,
        -- who had left is no longer like anybody, and who was asked lately may still answer
        (lifecycles.churned_at is null or lifecycles.churned_at > invitations.sent_at)
        and {{ days_after('invitations.sent_on', 'cast(' ~ assumption('response_days') ~ ' as int)') }} <= workspace.as_of_on as is_compared,
        {{ business_date('lifecycles.signed_up_at', 'workspace.timezone') }} as signed_up_on,
        {{ business_date('lifecycles.churned_at', 'workspace.timezone') }} as churned_on,
        lifecycles.has_mrr_information,
        lifecycles.has_churn_information
    from invitations
    inner join lifecycles on invitations.customer_key = lifecycles.customer_key
    cross join workspace
),

series as (
    select
        metric,
        survey_type,
        max(case when has_mrr_information then 1 else 0 end) = 1 as has_mrr,
        max(case when signed_up_on is not null then 1 else 0 end) = 1 as has_sign_ups,
        max(case when has_churn_information then 1 else 0 end) = 1 as has_churn
    from asked
    group by metric, survey_type
),

measures as (
    select
        metric,
        survey_type,
        'mrr' as measure,
        cast(null as int) as window_days,
        case when not has_mrr then 'no_mrr' end as unknown_because
    from series

    union all

    select
        metric,
        survey_type,
        'tenure_days' as measure,
        cast(null as int) as window_days,
        case when not has_sign_ups then 'no_sign_up_dates' end as unknown_because
    from series

    union all

    select
        series.metric,
        series.survey_type,
        'churn_rate' as measure,
        cast(windows.window_days as int) as window_days,
        case when not series.has_churn then 'no_churn_information' end as unknown_because
    from series
    cross join windows
),

-- Money and invitations in one line of time per customer: a running sum is cheaper than joining every
-- invitation with every subscription. At one instant money comes first.
line_of_time as (
    select
        customer_key,
        moved_at as happened_at,
        0 as is_invitation,
        mrr_change,
        cast(null as {{ dbt.type_string() }}) as metric,
        cast(null as {{ dbt.type_string() }}) as survey_type,
        cast(null as boolean) as is_responded
    from money

    union all

    select
        customer_key,
        sent_at as happened_at,
        1 as is_invitation,
        cast(0 as double) as mrr_change,
        metric,
        survey_type,
        is_responded
    from asked
    where is_compared and has_mrr_information
),

running as (
    select
        is_invitation,
        metric,
        survey_type,
        is_responded,
        -- what is too large for an exact sum stays large: the means below refuse it
        coalesce({{ exact_sum('mrr_change', 'over so_far') }}, sum(mrr_change) over so_far) as mrr
    from line_of_time
    window so_far as (
        partition by customer_key
        order by happened_at, is_invitation
        rows between unbounded preceding and current row
    )
),

-- many were worth the same: from here on one row a value
measured as (
    select
        metric,
        survey_type,
        'mrr' as measure,
        is_responded,
        cast(round(mrr, 6) as double) as measured_value,
        count(*) as invitations
    from running
    where is_invitation = 1
    group by metric, survey_type, is_responded, cast(round(mrr, 6) as double)

    union all

    select
        metric,
        survey_type,
        'tenure_days' as measure,
        is_responded,
        cast({{ dbt.datediff('signed_up_on', 'sent_on', 'day') }} as double) as measured_value,
        count(*) as invitations
    from asked
    where is_compared and signed_up_on is not null
    group by metric, survey_type, is_responded, cast({{ dbt.datediff('signed_up_on', 'sent_on', 'day') }} as double)
),

means as (
    select
        metric,
        survey_type,
        measure,
        is_responded,
        sum(invitations) as invitations,
        {{ exact_sum('invitations * measured_value') }} / sum(invitations) as mean
    from measured
    group by metric, survey_type, measure, is_responded
),

deviations as (
    select
        measured.metric,
        measured.survey_type,
        measured.measure,
        measured.is_responded,
        measured.invitations,
        measured.measured_value - means.mean as deviation
    from measured
    inner join means
        on
            measured.metric = means.metric
            and measured.survey_type = means.survey_type
            and measured.measure = means.measure
            and measured.is_responded = means.is_responded
),

-- sample variance (over n - 1, so that one value has none) over n
spreads as (
    select
        metric,
        survey_type,
        measure,
        is_responded,
        {{ exact_sum('invitations * deviation * deviation') }} / nullif(sum(invitations) - 1, 0) / sum(invitations) as variance_of_mean
    from deviations
    group by metric, survey_type, measure, is_responded
),

lifetimes as (
    select
        metric,
        survey_type,
        is_responded,
        sent_on,
        churned_on,
        count(*) as invitations
    from asked
    where is_compared and has_churn_information
    group by metric, survey_type, is_responded, sent_on, churned_on
),

-- a rate takes only windows that are over, so that early churners don't inflate it
observed as (
    select
        lifetimes.metric,
        lifetimes.survey_type,
        windows.window_days,
        lifetimes.is_responded,
        sum(lifetimes.invitations) as invitations,
        sum(case
            when lifetimes.churned_on <= {{ days_after('lifetimes.sent_on', 'windows.window_days') }} then lifetimes.invitations
            else 0
        end) as churned
    from lifetimes
    cross join windows
    cross join workspace
    where {{ days_after('lifetimes.sent_on', 'windows.window_days') }} <= workspace.as_of_on
    group by lifetimes.metric, lifetimes.survey_type, windows.window_days, lifetimes.is_responded
),

-- An adjusted share and its variance, of churn alone: a share of 0 or 1 has no variance of its own, and
-- a few that all stayed against a few that all left would be untestable. Agresti and Caffo 2000.
shares as (
    select
        observed.*,
        (observed.churned + priors.gone_prior) / (observed.invitations + priors.gone_prior + priors.stayed_prior) as tested_mean,
        observed.invitations + priors.gone_prior + priors.stayed_prior as tested_invitations
    from observed
    cross join priors
),

figures as (
    select
        means.metric,
        means.survey_type,
        means.measure,
        cast(null as int) as window_days,
        means.is_responded,
        means.invitations,
        means.mean,
        means.mean as tested_mean,
        spreads.variance_of_mean
    from means
    inner join spreads
        on
            means.metric = spreads.metric
            and means.survey_type = spreads.survey_type
            and means.measure = spreads.measure
            and means.is_responded = spreads.is_responded

    union all

    select
        metric,
        survey_type,
        'churn_rate' as measure,
        cast(window_days as int) as window_days,
        is_responded,
        invitations,
        1.0 * churned / invitations as mean,
        tested_mean,
        tested_mean * (1 - tested_mean) / tested_invitations as variance_of_mean
    from shares
),

pairs as (
    select
        metric,
        survey_type,
        measure,
        window_days,
        sum(case when is_responded then invitations else 0 end) as responders,
        sum(case when is_responded then 0 else invitations end) as silent,
        max(case when is_responded then mean end) as responder_mean,
        max(case when not is_responded then mean end) as silent_mean,
        max(case when is_responded then tested_mean end) - max(case when not is_responded then tested_mean end) as tested_difference,
        max(case when is_responded then variance_of_mean end) as responder_variance,
        max(case when not is_responded then variance_of_mean end) as silent_variance
    from figures
    group by metric, survey_type, measure, window_days
),

counted as (
    select
        measures.metric,
        measures.survey_type,
        measures.measure,
        measures.window_days,
        measures.unknown_because,
        cast(coalesce(pairs.responders, 0) as bigint) as responders,
        cast(coalesce(pairs.silent, 0) as bigint) as silent,
        pairs.responder_mean,
        pairs.silent_mean,
        pairs.tested_difference,
        pairs.responder_variance,
        pairs.silent_variance
    from measures
    left join pairs
        on
            measures.metric = pairs.metric
            and measures.survey_type = pairs.survey_type
            and measures.measure = pairs.measure
            and measures.window_days is not distinct from pairs.window_days
),

judged as (
    select
        counted.*,
        counted.responders < workspace.min_group_size or counted.silent < workspace.min_group_size as is_suppressed,
        case
            when counted.unknown_because is not null then counted.unknown_because
            when counted.measure = 'churn_rate' and counted.responders + counted.silent = 0 then 'no_window_is_over'
            when counted.responders < workspace.min_group_size or counted.silent < workspace.min_group_size then 'too_few'
            -- a group of one has a mean and no spread; a share of one is adjusted
            when counted.measure <> 'churn_rate' and (counted.responders <= 1 or counted.silent <= 1) then 'too_few'
            -- beyond what a sum holds exactly
            when counted.responder_variance is null or counted.silent_variance is null then 'too_large'
        end as reason,
        {{ assumption('significance_level') }} as significance_level
    from counted
    cross join workspace
),

compared as (
    select
        metric,
        survey_type,
        measure,
        window_days,
        responders,
        silent,
        case when reason is null then responder_mean end as responder_mean,
        case when reason is null then silent_mean end as silent_mean,
        case when reason is null then responder_mean - silent_mean end as difference,
        case when reason is null then tested_difference end as tested_difference,
        case when reason is null then sqrt(responder_variance + silent_variance) end as standard_error,
        is_suppressed,
        reason as unknown_because,
        significance_level
    from judged
),

standardised as (
    select
        *,
        tested_difference / nullif(standard_error, 0) as z
    from compared
),

tested as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from standardised
),

{{ benjamini_hochberg('tested', 'p_value', ['metric', 'survey_type']) }},

final as (
    select
        metric,
        survey_type,
        measure,
        window_days,
        responders,
        silent,
        responder_mean,
        silent_mean,
        difference,
        standard_error,
        z,
        p_value,
        comparisons,
        p_adjusted,
        p_adjusted <= significance_level as is_significant,
        is_suppressed,
        unknown_because
    from adjusted
)

select * from final
