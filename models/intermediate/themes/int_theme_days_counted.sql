{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}
{%- set dimensions = dimensions() -%}
{%- set grains = time_grains('month') + ['all'] -%}
{%- set key = ['metric', 'survey_type', 'responded_on', 'theme', 'method'] -%}

with named as (
    select
        facts.source,
        facts.response_id,
        facts.voice_key,
        facts.customer_key,
        themes.theme,
        themes.method
    from {{ ref('int_theme_answers_chosen') }} as themes
    inner join {{ ref('fct_nps_responses') }} as facts on themes.response_key = facts.response_key
    inner join {{ ref('metrics') }} as metrics on facts.metric = metrics.metric
    -- what employees write is not counted by department
    where metrics.population = 'customers'
),

-- only voices that name a theme are followed from answer to answer
answers as (
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
        channel,
        touchpoint,
        survey_id,
        {{ segment_list(from_mart=true) }}
        true as is_now
    from {{ ref('fct_nps_responses') }}
    where voice_key in (select named.voice_key from named)
),

{{ follow_voices('answers') }},

flagged as (
    select
        followed.*,
        named.theme,
        named.method,
        {{ exact_number('paying.mrr') }} as mrr,
        followed.next_on is null as is_latest_in_all
        {%- for grain in grains if grain != 'all' %},
        followed.next_on is null or {{ period_start(grain, 'followed.next_on') }} > {{ period_start(grain, 'followed.responded_on') }} as is_latest_in_{{ grain }}
        {%- endfor %}
    from followed
    inner join named on followed.source = named.source and followed.response_id = named.response_id
    left join {{ ref('int_customers_paying') }} as paying on named.customer_key = paying.customer_key
)

select
    {{ key | join(',
    ') }},
    {{ grouped_dimension(dimensions) }} as dimension,
    {{ grouped_dimension(dimensions, value=true) }} as segment
    {%- for class, sign in classes.items() %},
    cast(sum(case when contribution {{ sign }} then 1 else 0 end) as bigint) as {{ class }}_responses
    {%- for grain in grains %},
    cast(sum(case when contribution {{ sign }} and is_latest_in_{{ grain }} then 1 else 0 end) as bigint) as {{ class }}_{{ grain }}
    {%- endfor %}
    {%- endfor %}
    {%- for grain in grains %},
    sum(case when is_latest_in_{{ grain }} then mrr end) as mrr_{{ grain }}
    {%- endfor %}
from flagged
group by grouping sets (
    ({% for column in key %}flagged.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
    {%- for dimension in dimensions %},
    ({% for column in key %}flagged.{{ column }}, {% endfor %}flagged.{{ dimension }})
    {%- endfor %}
)
