{%- set spans = ['headline', 'previous_window', 'year_before'] -%}
{%- set comparisons = spans[1:] -%}

-- the headline's window, the one before it, and the one that ended 365 days earlier
with spans as (
    {%- for span in spans %}
    select
        '{{ span }}' as span,
        metric,
        survey_type,
        {%- if span == 'headline' %}
        coalesce({{ days_after('as_of_on', '1 - window_days') }}, first_on) as starts_on,
        as_of_on as ends_on
        {%- elif span == 'previous_window' %}
        {{ days_after('as_of_on', '1 - 2 * window_days') }} as starts_on,
        {{ days_after('as_of_on', '-window_days') }} as ends_on
        {%- else %}
        {{ days_after('as_of_on', '-364 - window_days') }} as starts_on,
        {{ days_after('as_of_on', '-365') }} as ends_on
        {%- endif %}
    from {{ ref('int_headline_windows_chosen') }}
    {%- if span != 'headline' %}
    where window_days is not null
    {%- endif %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

ranked as (
    select
        spans.span,
        spans.metric,
        spans.survey_type,
        responses.voice_key,
        case when responses.contribution > 0 then 1 when responses.contribution < 0 then -1 else 0 end as mark,
        row_number() over (
            partition by spans.span, spans.metric, spans.survey_type, responses.voice_key
            order by {{ latest_first('responses') }}
        ) as age
    from {{ ref('fct_nps_responses') }} as responses
    inner join spans
        on
            responses.metric = spans.metric
            and responses.survey_type = spans.survey_type
            and responses.responded_on between spans.starts_on and spans.ends_on
),

voices as (
    select
        metric,
        survey_type,
        voice_key,
        count(case when span = 'headline' then 1 end) as answers
        {%- for span in spans %},
        max(case when span = '{{ span }}' and age = 1 then mark end) as {{ span }}_mark
        {%- endfor %}
    from ranked
    group by metric, survey_type, voice_key
)

{% for comparison in comparisons -%}
{%- set compared = comparison ~ '_mark' -%}
select
    '{{ comparison }}' as comparison,
    metric,
    survey_type,
    cast(sum(answers) as bigint) as answers,
    cast(sum(answers * answers) as bigint) as squared_answers
    {%- for side, mark in [('', 'headline_mark'), ('compared_', compared)] %}
    {%- for class, value in [('promoters', 1), ('passives', 0), ('detractors', -1)] %},
    cast(count(case when {{ mark }} = {{ value }} then 1 end) as bigint) as {{ side }}{{ class }}
    {%- endfor %}
    {%- endfor %},
    cast(count(headline_mark + {{ compared }}) as bigint) as shared_voices,
    cast(count(case when headline_mark <> {{ compared }} then 1 end) as bigint) as moved_voices,
    cast(coalesce(sum(case when {{ compared }} is not null then headline_mark end), 0) as bigint) as total,
    cast(coalesce(sum(case when headline_mark is not null then {{ compared }} end), 0) as bigint) as compared_total,
    cast(coalesce(sum(headline_mark * {{ compared }}), 0) as bigint) as products
from voices
group by metric, survey_type
{% if not loop.last %}
union all

{% endif -%}
{%- endfor -%}
