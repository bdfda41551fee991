{%- set cell = ['event', 'metric', 'survey_type'] -%}
{%- set repeats = ['repeats', 'repeated_weights', 'repeated_products', 'repeated_squares'] -%}

-- each voice counts once on either side
with counted as (
    select
        events.*,
        'customers' as basis,
        {%- for sum in repeats %}
        0 as {{ sum }},
        0 as compared_{{ sum }},
        {%- endfor %}
        metrics.top_prior_of_two,
        metrics.middle_prior_of_two,
        metrics.bottom_prior_of_two
    from {{ ref('int_events_counted') }} as events
    inner join {{ ref('metrics') }} as metrics on events.metric = metrics.metric
),

{{ measure_changes('counted') }},

shown as (
    select
        measured.*,
        measured.nps - measured.compared_nps as change,
        measured.responses >= workspace.min_group_size and measured.compared_responses >= workspace.min_group_size as is_shown,
        measured.ends_on <= workspace.as_of_on as is_complete,
        {{ assumption('confidence_z') }} as z
    from measured
    cross join {{ source('raw', 'workspace') }} as workspace
),

-- what would have been expected without the event: the others' change, where there are others
compared as (
    select
        affected.*,
        spared.responses as spared_responses,
        spared.compared_responses as spared_responses_before,
        case when spared.is_shown then spared.change end as spared_change,
        case
            when affected.dimension = 'all' then affected.change
            when spared.is_shown then affected.change - spared.change
        end as effect,
        case
            when affected.dimension = 'all' then affected.tested_change
            when spared.is_shown then affected.tested_change - spared.tested_change
        end as tested_effect,
        case
            when affected.dimension = 'all' then affected.standard_error
            when spared.is_shown then sqrt(power(affected.standard_error, 2) + power(spared.standard_error, 2))
        end as effect_error,
        case
            when not affected.is_shown then 'suppressed'
            when affected.dimension <> 'all' and not coalesce(spared.is_shown, false) then 'nobody_spared'
            when affected.is_untestable or coalesce(spared.is_untestable, false) then 'too_few_to_test'
        end as untested_because
    from shown as affected
    left join shown as spared
        on
            {%- for column in cell %}
            affected.{{ column }} = spared.{{ column }} and
            {%- endfor %}
            not spared.is_of_segment
    where affected.is_of_segment
),

tested as (
    select
        *,
        case when untested_because is null then tested_effect / effect_error end as effect_z
    from compared
)

select
    event,
    happened_on,
    dimension,
    segment,
    window_days,
    metric,
    survey_type,
    is_complete,
    compared_responses as responses_before,
    responses as responses_after,
    case when is_shown then compared_nps end as nps_before,
    case when is_shown then nps end as nps_after,
    case when is_shown then change end as change,
    spared_responses_before,
    spared_responses as spared_responses_after,
    case when is_shown then spared_change end as spared_change,
    case when is_shown then effect end as effect,
    case when untested_because is null then effect_error end as standard_error,
    case when untested_because is null then tested_effect - z * effect_error end as ci_low,
    case when untested_because is null then tested_effect + z * effect_error end as ci_high,
    {{ two_sided_p('effect_z') }} as p_value,
    untested_because
from tested
