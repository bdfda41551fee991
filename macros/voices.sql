{#- answers: a CTE of answers to follow, with is_now: whether an answer stands now, or stood in the last
    build; left out: all that stand now.
    The answers and what followed each: the CTEs `responses` (the columns that counts are made of, an
    unknown segment named) and `followed` (the same with next_on, the day of the voice's next answer
    to the metric and survey type; NULL: none). A voice's answer is its latest of a period when its
    next answer lies in a later one. -#}
{% macro follow_voices(answers=none) -%}
responses as (
    select
        source,
        response_id,
        voice_key,
        metric,
        survey_type,
        responded_at,
        responded_on,
        version_at,
        contribution,
        {{ 'is_now,' if answers }}
        {%- for segment in segment_columns() %}
        coalesce({{ segment }}, '(unknown)') as {{ segment }},
        {%- endfor %}
        coalesce(channel, '(unknown)') as channel,
        coalesce(touchpoint, '(unknown)') as touchpoint,
        coalesce(survey_id, '(unknown)') as survey
    from {{ answers or ref('int_responses_identified') }}
),

followed as (
    select
        responses.*,
        lag(responses.responded_on) over (
            partition by responses.voice_key, responses.metric, responses.survey_type{{ ', responses.is_now' if answers }}
            order by {{ latest_first('responses') }}
        ) as next_on
    from responses
)
{%- endmacro %}
