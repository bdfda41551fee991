{{ config(group='warehouse') }}

-- Ten answers, five promoters on 0-10 and five of as many promoters as detractors on 1-5, are no eNPS of 50:
-- a metric and survey type has one scale. Tested where it is first known which answers count, so that
-- nothing is built of a mixture. A failing row says in `message` what is mixed: what its words are made of
-- is declared by the business, and a survey type that is no plain name is not repeated.
with described as (
    select
        coalesce(responses.metric, surveys.metric) as metric,
        coalesce(responses.survey_type, surveys.survey_type) as survey_type,
        coalesce(responses.scale, surveys.scale) as scale,
        responses.source
    from {{ ref('int_survey_responses_versioned') }} as responses
    left join {{ ref('int_surveys_versioned') }} as surveys
        on responses.survey_key = surveys.survey_key and surveys.row_status = 'accepted'
    where responses.row_status = 'accepted'
),

counted as (
    select
        metric,
        survey_type,
        scale,
        source,
        count(*) as answers
    from described
    group by metric, survey_type, scale, source
),

scales as (
    select
        metric,
        survey_type,
        scale,
        {{ dbt.listagg("cast(answers as varchar) || ' from ' || source", "', '", "order by source") }} as sources
    from counted
    group by metric, survey_type, scale
),

mixed as (
    select
        metric,
        survey_type,
        {{ dbt.listagg("scale || ' (' || sources || ')'", "', '", "order by scale") }} as scales
    from scales
    group by metric, survey_type
    having count(*) > 1
)

select
    'metric ' || metric || ', survey type '
    || case when {{ matches('survey_type', '[a-z0-9][a-z0-9 _-]{0,59}') }} then survey_type else '(no plain name)' end
    || ' has answers on several scales: ' || scales || '; give one of them a survey_type or a metric of its own' as message
from mixed
