with amounts as (
    select * from {{ ref('int_lift_amounts_summed') }}
),

-- every class that any answer has, also one without a first answer
classes as (
    select distinct
        metric,
        survey_type,
        nps_class
    from {{ ref('fct_nps_churn') }}
),

measures as (
    select distinct
        metric,
        survey_type,
        measure
    from amounts
),

cells as (
    select
        classes.metric,
        classes.survey_type,
        classes.nps_class,
        measures.measure
    from classes
    inner join measures on classes.metric = measures.metric and classes.survey_type = measures.survey_type
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
    from amounts
    where may_be_active
    group by metric, survey_type, nps_class, measure
),

-- the sample deviation in a second pass: exact, so that it does not depend on the order of rows
spread as (
    select
        amounts.metric,
        amounts.survey_type,
        amounts.nps_class,
        amounts.measure,
        sqrt({{ exact_sum('power(amounts.amount - summed.total / summed.observed, 2)') }} / nullif(count(amounts.amount) - 1, 0)) as deviation
    from amounts
    inner join summed
        on
            amounts.metric = summed.metric
            and amounts.survey_type = summed.survey_type
            and amounts.nps_class = summed.nps_class
            and amounts.measure = summed.measure
    where amounts.is_observed
    group by amounts.metric, amounts.survey_type, amounts.nps_class, amounts.measure
),

final as (
    select
        cells.metric,
        cells.survey_type,
        cells.nps_class,
        cells.measure,
        coalesce(summed.customers, 0) as customers,
        cast(coalesce(summed.delivered, 0) as bigint) as delivered,
        cast(coalesce(summed.observed, 0) as bigint) as observed,
        summed.total,
        spread.deviation
    from cells
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
)

select * from final
