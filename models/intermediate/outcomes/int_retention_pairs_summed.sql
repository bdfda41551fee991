{%- set columns = ['basis', 'followed_from', 'metric', 'survey_type', 'dimension', 'segment'] -%}
{%- set cell = columns | join(', ') -%}
{%- set silences = "('no_response', 'answered_other')" -%}

with days as (
    select * from {{ ref('int_retention_days_counted') }}
),

-- every curve has one row of day 0. Silence is known at the landmark alone: who answered is followed from
-- there as well, else those who left early would count as silent
pairs as (
    select
        {% for column in columns %}a.{{ column }}, {% endfor %}
        a.nps_class,
        b.nps_class as compared_class
    from days as a
    inner join days as b
        on {% for column in columns %}a.{{ column }} = b.{{ column }} and {% endfor %}a.nps_class < b.nps_class
    where
        a.days = 0
        and b.days = 0
        and (a.followed_from = 'answer' or a.nps_class in {{ silences }} or b.nps_class in {{ silences }})
),

-- one row for each day on which records of either class ended
paired_days as (
    select
        {% for column in columns %}pairs.{{ column }}, {% endfor %}
        pairs.nps_class,
        pairs.compared_class,
        days.days,
        sum(case when days.nps_class = pairs.nps_class then days.churned + days.censored else 0 end) as ended,
        sum(case when days.nps_class = pairs.nps_class then days.churned else 0 end) as churned,
        sum(case when days.nps_class = pairs.compared_class then days.churned + days.censored else 0 end) as compared_ended,
        sum(case when days.nps_class = pairs.compared_class then days.churned else 0 end) as compared_churned
    from pairs
    inner join days
        on {% for column in columns %}pairs.{{ column }} = days.{{ column }} and {% endfor %}days.nps_class in (pairs.nps_class, pairs.compared_class)
    group by {% for column in columns %}pairs.{{ column }}, {% endfor %}pairs.nps_class, pairs.compared_class, days.days
),

-- as doubles: products of four counts exceed every integer type
at_risk as (
    select
        *,
        1e0 * (churned + compared_churned) as lost,
        1e0 * sum(ended) over from_here as own_risk,
        1e0 * sum(compared_ended) over from_here as compared_risk
    from paired_days
    window from_here as (
        partition by {{ cell }}, nps_class, compared_class order by days desc nulls last
        rows between unbounded preceding and current row
    )
),

-- if both classes churned alike, the day's churned would be shared out in proportion to those at risk: the
-- hypergeometric mean and variance
expected as (
    select
        *,
        lost * own_risk / (own_risk + compared_risk) as day_expected,
        lost * compared_risk / (own_risk + compared_risk) as compared_day_expected,
        lost * (own_risk / (own_risk + compared_risk)) * (compared_risk / (own_risk + compared_risk))
        * (own_risk + compared_risk - lost) / nullif(own_risk + compared_risk - 1, 0) as day_variance
    from at_risk
),

summed as (
    select
        {{ cell }},
        nps_class,
        compared_class,
        cast(sum(ended) as bigint) as records,
        cast(sum(compared_ended) as bigint) as compared_records,
        cast(sum(churned) as bigint) as churned,
        {{ exact_sum('day_expected') }} as expected_churned,
        cast(sum(compared_churned) as bigint) as compared_churned,
        {{ exact_sum('compared_day_expected') }} as compared_expected_churned,
        {{ exact_sum('day_variance') }} as variance
    from expected
    group by {{ cell }}, nps_class, compared_class
)

select * from summed
