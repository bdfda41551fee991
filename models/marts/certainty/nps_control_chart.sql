{%- set series = ['time_grain', 'basis', 'metric', 'survey_type', 'dimension', 'segment'] -%}

with periods as (
    select
        *,
        {{ assumption('significance_level') }} / (2e0 * periods) as tail
    from {{ ref('int_series_standardised') }}
    where deviation > 0 and periods >= {{ assumption('trend_min_periods') }}
),

ranged as (
    select
        *,
        abs(
            (nps - centre) / standard_error
            - lag((nps - centre) / standard_error) over (
                partition by {{ series | join(', ') }} order by period_start nulls last
            )
        ) as moving_range
    from periods
),

-- the mean range of two standard normal values is 1.128
scaled as (
    select
        *,
        greatest(1e0, {{ exact_sum('moving_range', 'over (partition by ' ~ series | join(', ') ~ ')') }} / (periods - 1) / 1.128e0) as sigma_z,
        greatest({{ assumption('chart_sigmas') }}, -{{ normal_quantile('tail') }}) as limit_sigmas,
        centre / 100e0 as mean,
        deviation / 100e0 as sigma
    from ranged
),

-- An answer's skewness is its third central moment, c (1 - c^2 - 3v) with mean c and variance v on the scale
-- -1..1, over v^1.5. A score near 100 may fall further by chance than it may rise.
skewed as (
    select
        *,
        (power(limit_sigmas, 2) - 1) / (6e0 * sqrt(1e0 * responses))
        * mean * (1 - power(mean, 2) - 3e0 * power(sigma, 2)) / power(sigma, 3) as shift
    from scaled
),

limited as (
    select
        *,
        centre - standard_error * (limit_sigmas * sigma_z - least(0e0, shift)) as limit_below,
        centre + standard_error * (limit_sigmas * sigma_z + greatest(0e0, shift)) as limit_above
    from skewed
),

levelled as (
    select
        limited.*,
        splits.p_value as change_p_value,
        coalesce(splits.is_change_point, false) as is_change_point,
        sum(case when splits.is_change_point then 1 else 0 end) over (
            partition by {% for column in series %}{{ ', ' if not loop.first }}limited.{{ column }}{% endfor %}
            order by limited.period_start nulls last
            rows between unbounded preceding and current row
        ) as changes_so_far
    from limited
    left join {{ ref('int_change_points_searched') }} as splits
        on
            limited.period_start = splits.period_start
            {%- for column in series %}
            and limited.{{ column }} = splits.{{ column }}
            {%- endfor %}
),

final as (
    select
        time_grain,
        period_start,
        period_end,
        basis,
        metric,
        survey_type,
        dimension,
        segment,
        responses,
        nps,
        standard_error,
        centre,
        sigma_z,
        limit_sigmas,
        greatest(-100e0, limit_below) as lower_limit,
        least(100e0, limit_above) as upper_limit,
        nps < limit_below or nps > limit_above as is_signal,
        is_change_point,
        change_p_value,
        cast(changes_so_far + 1 as bigint) as level_number,
        {{ nps('sum(promoters) over of_level', 'sum(passives) over of_level', 'sum(detractors) over of_level') }} as level_nps
    from levelled
    window of_level as (partition by {{ series | join(', ') }}, changes_so_far)
)

select * from final
