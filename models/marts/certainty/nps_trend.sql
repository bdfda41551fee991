{%- set series = ['time_grain', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

with centred as (
    select
        *,
        (
            days_since_first
            - sum(responses * days_since_first) over of_series / (1e0 * sum(responses) over of_series)
        ) / 365.25e0 as years_from_mean
    from {{ ref('int_series_standardised') }}
    window of_series as (partition by {{ series | join(', ') }})
),

-- the weight of a period, 1 / SE^2, is its answers over the variance that all periods share
summed as (
    select
        {{ series | join(', ') }},
        periods,
        centre,
        deviation,
        min(period_start) as first_period_start,
        max(period_end) as last_period_end,
        cast(sum(responses) as bigint) as total,
        {{ exact_sum('responses * power(nps - centre, 2)') }} as squares,
        {{ exact_sum('responses * years_from_mean * (nps - centre)') }} as products,
        nullif({{ exact_sum('responses * power(years_from_mean, 2)') }}, 0) as years_squared
    from centred
    group by {{ series | join(', ') }}, periods, centre, deviation
),

-- scores that scatter more than answers alone explain widen the interval; less is taken for chance
judged as (
    select
        *,
        case
            when periods < {{ assumption('trend_min_periods') }} then 'too_few_periods'
            when deviation = 0 then 'no_variation'
        end as unknown_because,
        products / years_squared as slope,
        nullif(greatest(periods - 2, 0), 0) as degrees,
        (squares - power(products, 2) / years_squared)
        / power(nullif(deviation, 0), 2) / nullif(greatest(periods - 2, 0), 0) as scatter
    from summed
),

measured as (
    select
        *,
        {{ assumption('confidence_z') }} as confidence_z,
        case when unknown_because is null then deviation * sqrt(greatest(1e0, scatter) / years_squared) end as error_of_slope
    from judged
),

tested as (
    select
        *,
        {{ t_as_normal('(slope / error_of_slope)', 'degrees') }} as z,
        error_of_slope * {{ t_quantile('confidence_z', 'degrees') }} as half_width
    from measured
),

valued as (
    select
        *,
        {{ two_sided_p('z') }} as p_value
    from tested
),

{{ benjamini_hochberg('valued', 'p_value', series[:-1]) }},

marked as (
    select
        {{ series | join(', ') }},
        sum(case when is_signal then 1 else 0 end) as signals,
        max(case when is_signal then period_start end) as latest_signal_start,
        sum(case when is_change_point then 1 else 0 end) as change_points,
        max(case when is_change_point then period_start end) as latest_change_start
    from {{ ref('nps_control_chart') }}
    group by {{ series | join(', ') }}
),

final as (
    select
        {%- for column in series %}
        adjusted.{{ column }},
        {%- endfor %}
        adjusted.first_period_start,
        adjusted.last_period_end,
        adjusted.periods,
        adjusted.total as responses,
        adjusted.centre as nps,
        case when adjusted.unknown_because is null then adjusted.slope end as slope_per_year,
        adjusted.error_of_slope as standard_error,
        adjusted.slope - adjusted.half_width as ci_low,
        adjusted.slope + adjusted.half_width as ci_high,
        case when adjusted.unknown_because is null then greatest(0e0, adjusted.scatter) end as dispersion,
        adjusted.p_value,
        adjusted.comparisons,
        adjusted.p_adjusted,
        adjusted.p_adjusted <= {{ assumption('significance_level') }} as is_significant,
        cast(marked.signals as bigint) as signals,
        marked.latest_signal_start,
        cast(marked.change_points as bigint) as change_points,
        marked.latest_change_start,
        adjusted.unknown_because
    from adjusted
    left join marked
        on
            {%- for column in series %}
            {{ 'and ' if not loop.first }}adjusted.{{ column }} = marked.{{ column }}
            {%- endfor %}
)

select * from final
