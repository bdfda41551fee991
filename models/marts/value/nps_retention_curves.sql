{%- set segments = segment_columns() -%}
{%- set cell = 'basis, metric, survey_type, dimension, segment, nps_class' -%}

with {{ anchor_outcomes() }},

workspace as (
    select * from {{ source('raw', 'workspace') }}
),

-- what happens after as_of is not known yet: until then the customer was seen to stay
followed as (
    select
        anchors.*,
        case
            when {{ days_after('anchors.anchored_on', 'anchors.days_to_churn') }} <= workspace.as_of_on then 1
            else 0
        end as churned,
        cast({{ dbt.datediff('anchors.anchored_on', 'workspace.as_of_on', 'day') }} as int) as days_seen,
        rank() over so_far as place,
        count(*) over so_far as places
    from anchors
    cross join workspace
    where anchors.is_at_risk
    window so_far as (
        partition by anchors.customer_key, anchors.metric, anchors.survey_type
        order by anchors.anchored_on
        range between unbounded preceding and current row
    )
),

-- who has several on the first day: only for these the instant is looked up
tied as (
    select
        customer_key,
        metric,
        survey_type,
        nps_class,
        anchor_key
    from followed
    where place = 1 and places > 1
),

-- an invitation may have the number, and so the key, of an answer
timed as (
    select
        tied.*,
        responses.responded_at as anchored_at
    from tied
    inner join {{ ref('int_responses_identified') }} as responses on tied.anchor_key = responses.response_key
    where tied.nps_class <> 'no_response'

    union all

    select
        tied.*,
        invitations.sent_at as anchored_at
    from tied
    inner join {{ ref('int_invitations_identified') }} as invitations on tied.anchor_key = invitations.invitation_key
    where tied.nps_class = 'no_response'
),

drawn as (
    select
        nps_class,
        anchor_key,
        row_number() over (
            partition by customer_key, metric, survey_type
            order by anchored_at, anchor_key
        ) as place
    from timed
),

-- one customer, one voice: from where the customer came first, without looking ahead
voiced as (
    select
        followed.*,
        followed.place = 1 and (followed.places = 1 or drawn.place = 1) as is_first
    from followed
    left join drawn
        on followed.anchor_key = drawn.anchor_key and followed.nps_class = drawn.nps_class and drawn.place = 1
),

dated as (
    select
        metric,
        survey_type,
        nps_class,
        {%- for segment in segments %}
        coalesce({{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        case when churned = 1 then days_to_churn else days_seen end as days,
        churned as churned_responses,
        1 - churned as censored_responses,
        case when is_first then churned else 0 end as churned_customers,
        case when is_first then 1 - churned else 0 end as censored_customers
    from voiced
),

counted as (
    select
        metric,
        survey_type,
        {{ grouped_dimension(segments) }} as dimension,
        {{ grouped_dimension(segments, value=true) }} as segment,
        nps_class,
        days,
        cast(sum(churned_responses) as bigint) as churned_responses,
        cast(sum(censored_responses) as bigint) as censored_responses,
        cast(sum(churned_customers) as bigint) as churned_customers,
        cast(sum(censored_customers) as bigint) as censored_customers
    from dated
    group by grouping sets (
        (metric, survey_type, nps_class, days)
        {%- for segment in segments %},
        (metric, survey_type, nps_class, days, {{ segment }})
        {%- endfor %}
    )
),

ended as (
    {%- for basis in ['responses', 'customers'] %}
    select
        '{{ basis }}' as basis,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        days,
        churned_{{ basis }} as churned,
        censored_{{ basis }} as censored
    from counted
    where churned_{{ basis }} + censored_{{ basis }} > 0
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

-- every curve begins on day 0, whether somebody is lost on it or not
begun as (
    select * from ended

    union all

    select
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        0 as days,
        cast(0 as bigint) as churned,
        cast(0 as bigint) as censored
    from ended
    group by {{ cell }}
    having min(days) > 0
),

staying as (
    select
        *,
        cast(sum(churned + censored) over (
            partition by {{ cell }} order by days desc
            rows between unbounded preceding and current row
        ) as bigint) as at_risk
    from begun
),

-- product and Greenwood's sum, as running sums. Where all who are left churn, the product is 0 and the
-- sum infinite: that is always the curve's last day.
running as (
    select
        *,
        max(at_risk) over (partition by {{ cell }}) as records,
        churned = at_risk as is_over,
        {{ exact_sum('case when churned < at_risk then ln(1e0 * (at_risk - churned) / at_risk) end', 'over so_far', 'decimal(38, 24)') }} as log_retention,
        {{ exact_sum('case when churned < at_risk then churned / (1e0 * at_risk * (at_risk - churned)) end', 'over so_far', 'decimal(38, 24)') }} as greenwood
    from staying
    window so_far as (
        partition by {{ cell }} order by days
        rows between unbounded preceding and current row
    )
),

estimated as (
    select
        running.*,
        running.records < workspace.min_group_size as is_suppressed,
        case when running.is_over then 0 else exp(running.log_retention) end as estimate,
        -- nobody lost yet, or nobody left: no room for an interval, whose bounds are the estimate
        case when not running.is_over and running.log_retention < 0 then running.log_retention end as log_estimate,
        {{ assumption('confidence_z') }} * sqrt(running.greenwood) as deviation
    from running
    cross join workspace
),

final as (
    select
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        nps_class,
        days,
        at_risk,
        churned,
        censored,
        case when not is_suppressed then round(estimate, 12) end as retention,
        case when not is_suppressed and not is_over then round(estimate * sqrt(greenwood), 12) end as standard_error,
        case
            when not is_suppressed
                then round(coalesce(exp(-exp(ln(-log_estimate) - deviation / log_estimate)), estimate), 12)
        end as ci_low,
        case
            when not is_suppressed
                then round(coalesce(exp(-exp(ln(-log_estimate) + deviation / log_estimate)), estimate), 12)
        end as ci_high,
        is_suppressed
    from estimated
)

select * from final
