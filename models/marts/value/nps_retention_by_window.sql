{%- set columns = ['basis', 'followed_from', 'metric', 'survey_type', 'dimension', 'segment', 'nps_class'] -%}
{%- set curve = columns | join(', ') -%}

-- a curve is level from one of its days to the next: the area under it is a sum of rectangles
with steps as (
    select
        *,
        max(at_risk) over (partition by {{ curve }}) as records,
        lead(days) over (partition by {{ curve }} order by days asc nulls last) as next_days
    from {{ ref('nps_retention_curves') }}
),

areas as (
    select
        *,
        coalesce({{ exact_sum('retention * (next_days - days)', 'over up_to_here') }}, 0e0) as area_before
    from steps
    window up_to_here as (
        partition by {{ curve }} order by days asc nulls last
        rows between unbounded preceding and 1 preceding
    )
),

-- the days of a curve up to the end of each window
cut as (
    select
        areas.*,
        cast(windows.window_days as int) as window_days,
        {{ assumption('confidence_z') }} as z,
        coalesce(areas.next_days > windows.window_days, true) as is_last,
        least(coalesce(areas.next_days, windows.window_days), windows.window_days) as end_days
    from areas
    inner join {{ source('raw', 'churn_windows') }} as windows on areas.days <= windows.window_days
),

summed as (
    select
        {% for column in columns %}cut.{{ column }}, {% endfor %}
        cut.window_days,
        max(cut.z) as z,
        max(cut.records) as records,
        -- who churned or was censored on the last day of the window was at risk on it
        max(cut.records) - cast(sum(case when cut.days < cut.window_days then cut.churned + cut.censored else 0 end) as bigint) as at_risk,
        cast(sum(cut.churned) as bigint) as churned,
        max(case when cut.is_last then cut.retention end) as retention,
        max(case when cut.is_last then cut.ci_low end) as ci_low,
        max(case when cut.is_last then cut.ci_high end) as ci_high,
        {{ exact_sum('cut.retention * (cut.end_days - cut.days)') }} as area,
        max(case when cut.is_suppressed then 1 else 0 end) = 1 as is_suppressed
    from cut
    group by {% for column in columns %}cut.{{ column }}, {% endfor %}cut.window_days
),

-- each churn moves the area to the right of it: Greenwood's terms, weighted by its square
spread as (
    select
        {% for column in columns %}cut.{{ column }}, {% endfor %}
        cut.window_days,
        {{ exact_sum('power(summed.area - cut.area_before, 2) * cut.churned / (1e0 * cut.at_risk * nullif(cut.at_risk - cut.churned, 0))') }} as variance
    from cut
    inner join summed
        on {% for column in columns %}cut.{{ column }} = summed.{{ column }} and {% endfor %}cut.window_days = summed.window_days
    group by {% for column in columns %}cut.{{ column }}, {% endfor %}cut.window_days
),

-- where nobody has left, the exact bound is that of the records still at risk at the end of the window
judged as (
    select
        summed.*,
        {{ unanimous_bound('nullif(summed.at_risk, 0)', 'summed.z') }} as exact_bound,
        case when spread.variance > 0 then sqrt(spread.variance) end as area_error,
        case
            when summed.is_suppressed then 'too_few'
            when summed.at_risk < {{ assumption('min_at_risk') }} then 'too_few_at_risk'
        end as unknown_because
    from summed
    inner join spread
        on {% for column in columns %}summed.{{ column }} = spread.{{ column }} and {% endfor %}summed.window_days = spread.window_days
),

final as (
    select
        {{ curve }},
        window_days,
        records,
        at_risk,
        churned,
        case when unknown_because is null then retention end as retention,
        case when unknown_because is null then round(case when churned > 0 then ci_low else exact_bound end, 12) end as ci_low,
        case when unknown_because is null then ci_high end as ci_high,
        case when unknown_because is null then round(area, 12) end as restricted_mean_days,
        case when unknown_because is null then round(area_error, 12) end as restricted_mean_error,
        -- where nobody has left before its end, the area is at least that under the exact bound
        case
            when unknown_because is null
                then round(greatest(0e0, coalesce(area - z * area_error, window_days * exact_bound)), 12)
        end as restricted_mean_low,
        case
            when unknown_because is null
                then round(least(1e0 * window_days, coalesce(area + z * area_error, window_days)), 12)
        end as restricted_mean_high,
        is_suppressed,
        unknown_because
    from judged
)

select * from final
