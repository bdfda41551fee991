{{ config(materialized='view') }}
{%- set stage = ['voice_key', 'metric', 'survey_type', 'position'] -%}

-- employees are no customers: a second cut could be subtracted from their departments
with answers as (
    select
        responses.*,
        stages.position
    from {{ ref('fct_nps_responses') }} as responses
    inner join {{ source('raw', 'journey') }} as stages on responses.touchpoint = stages.stage
    inner join {{ ref('metrics') }} as metrics on responses.metric = metrics.metric and metrics.population = 'customers'
),

-- who is asked at a stage has reached it, with or without an answer
reached as (
    select
        voice_key,
        position,
        responded_at as reached_at,
        responded_on as reached_on
    from answers

    union all

    select
        invitations.customer_key as voice_key,
        stages.position,
        invitations.sent_at as reached_at,
        invitations.sent_on as reached_on
    from {{ ref('int_invitations_identified') }} as invitations
    inner join {{ ref('int_surveys_known') }} as surveys on invitations.survey_key = surveys.survey_key
    inner join {{ source('raw', 'journey') }} as stages on surveys.touchpoint = stages.stage
    where invitations.customer_key is not null
),

ranked as (
    select
        answers.*,
        row_number() over (
            partition by {{ stage | join(', ') }}
            order by {{ latest_first('answers') }}
        ) as place,
        count(*) over (partition by {{ stage | join(', ') }}) as answers_of_stage
    from answers
    cross join {{ source('raw', 'workspace') }} as workspace
    where answers.responded_on > {{ days_after('workspace.as_of_on', '-cast(' ~ assumption('journey_days') ~ ' as int)') }}
),

firsts as (
    select
        *,
        {{ days_after('responded_on', 'cast(' ~ assumption('journey_step_days') ~ ' as int)') }} as until_on
    from ranked
    where place = answers_of_stage
),

-- a later stage was not reached without the next one
moved as (
    select distinct
        firsts.voice_key,
        firsts.metric,
        firsts.survey_type,
        firsts.position
    from firsts
    inner join reached
        on
            firsts.voice_key = reached.voice_key
            and firsts.position < reached.position
            and firsts.responded_at < reached.reached_at
            and firsts.until_on >= reached.reached_on
)

select
    firsts.voice_key,
    firsts.metric,
    firsts.survey_type,
    firsts.position,
    coalesce(firsts.channel, '(unknown)') as channel,
    firsts.nps_class,
    firsts.contribution,
    firsts.until_on <= workspace.as_of_on as is_observed,
    moved.voice_key is not null as has_moved_on
from firsts
cross join {{ source('raw', 'workspace') }} as workspace
left join moved
    on {% for column in stage %}firsts.{{ column }} = moved.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
