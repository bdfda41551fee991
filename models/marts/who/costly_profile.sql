with compared as (
    select
        levels.*,
        totals.customers - levels.customers as other_customers,
        totals.tickets - levels.tickets as other_tickets,
        totals.squares - levels.squares as other_squares,
        case
            when least(levels.customers, totals.customers - levels.customers) < workspace.min_group_size then 'suppressed'
            when least(levels.customers, totals.customers - levels.customers) < {{ assumption('min_rest_responses') }} then 'too_few'
            when least(levels.tickets, totals.tickets - levels.tickets) = 0 then 'no_tickets'
        end as unknown_because
    from {{ ref('int_detractor_tickets_counted') }} as levels
    inner join {{ ref('int_detractor_tickets_counted') }} as totals
        on
            levels.metric = totals.metric
            and levels.survey_type = totals.survey_type
            and totals.attribute = 'all'
    cross join {{ source('raw', 'workspace') }} as workspace
    where levels.attribute <> 'all'
),

averaged as (
    select
        *,
        case when unknown_because is null or unknown_because <> 'suppressed' then 1e0 * tickets / customers end as mean_tickets,
        case when unknown_because is null or unknown_because <> 'suppressed' then 1e0 * other_tickets / other_customers end as other_mean_tickets
    from compared
),

-- the spread among customers and not a Poisson distribution's: some write again and again
measured as (
    select
        *,
        mean_tickets / nullif(other_mean_tickets, 0) as rate_ratio,
        case
            when unknown_because is null
                then sqrt(
                    (squares - tickets * mean_tickets) / (customers - 1) / customers / power(mean_tickets, 2)
                    + (other_squares - other_tickets * other_mean_tickets) / (other_customers - 1) / other_customers / power(other_mean_tickets, 2)
                )
        end as log_ratio_error,
        {{ assumption('confidence_z') }} as quantile
    from averaged
),

standardised as (
    select
        *,
        case when unknown_because is null then ln(rate_ratio) / nullif(log_ratio_error, 0) end as z
    from measured
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
        adjusted.metric,
        adjusted.survey_type,
        attributes.kind,
        attributes.attribute_name as attribute,
        adjusted.level,
        adjusted.customers,
        adjusted.other_customers,
        case when adjusted.mean_tickets is not null then adjusted.tickets end as tickets,
        case when adjusted.mean_tickets is not null then adjusted.other_tickets end as other_tickets,
        adjusted.mean_tickets,
        adjusted.other_mean_tickets,
        adjusted.rate_ratio,
        case when adjusted.z is not null then adjusted.rate_ratio * exp(-adjusted.quantile * adjusted.log_ratio_error) end as ci_low,
        case when adjusted.z is not null then adjusted.rate_ratio * exp(adjusted.quantile * adjusted.log_ratio_error) end as ci_high,
        adjusted.tickets - adjusted.customers * adjusted.other_mean_tickets as excess_tickets,
        adjusted.p_value,
        adjusted.comparisons,
        adjusted.p_adjusted,
        adjusted.p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        cast({{ assumption('key_driver_days') }} as int) as horizon_days,
        cast({{ assumption('correlated_days') }} as int) as ticket_days,
        coalesce(adjusted.unknown_because, case when adjusted.z is null then 'nothing_varies' end) as unknown_because
    from adjusted
    inner join {{ ref('int_driver_attributes_named') }} as attributes on adjusted.attribute = attributes.attribute
)

select * from final
