{#- Follow each voice from answer to answer: the CTEs `responses` (the columns that are counted; an
    unknown segment, channel, touchpoint or survey is named so) and `followed` (the same with next_on,
    the day of the voice's next answer of the metric and survey type; NULL: none). An answer is its
    voice's latest of a period when the next one is in a later period.
    answers: a CTE of answers, with the segments as inside the build and is_now, which separates current
    answers from those of the previous build; without it, all current answers. -#}
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
        score,
        contribution,
        {{ 'is_now,' if answers }}
        {%- for column, published_name in segment_columns().items() %}
        coalesce({{ column if answers else adapter.quote(published_name) }}, '(unknown)') as {{ column }},
        {%- endfor %}
        coalesce(channel, '(unknown)') as channel,
        coalesce(touchpoint, '(unknown)') as touchpoint,
        coalesce(survey_id, '(unknown)') as survey
    from {{ answers or ref('fct_nps_responses') }}
),

followed as (
    select
        responses.*,
        lag(responses.responded_on) over latest_first as next_on,
        lead(responses.responded_on) over latest_first as previous_on
    from responses
    window latest_first as (
        partition by responses.voice_key, responses.metric, responses.survey_type{{ ', responses.is_now' if answers }}
        order by {{ latest_first('responses') }}
    )
)
{%- endmacro %}
