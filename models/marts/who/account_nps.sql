{%- set days = 'cast(' ~ assumption('account_days') ~ ' as int)' -%}
{%- set classes = {'promoters': '> 0', 'passives': '= 0', 'detractors': '< 0'} -%}
{%- set sides = {'': 'is_now', 'previous_': 'was_before', 'decision_maker_': 'is_now and decides'} -%}

-- as_of's window, and the one before it
with windows as (
    select
        {{ days_after('as_of_on', '-' ~ days) }} as begins_after,
        {{ days_after('as_of_on', '-2 * ' ~ days) }} as previous_begins_after
    from {{ source('raw', 'workspace') }}
),

placed as (
    select
        answers.*,
        coalesce(roles.decides, false) as decides,
        answers.responded_on > windows.begins_after and answers.next_on is null as is_now,
        answers.responded_on > windows.previous_begins_after
        and answers.responded_on <= windows.begins_after
        and (answers.next_on is null or answers.next_on > windows.begins_after) as was_before
    from {{ ref('int_account_answers_followed') }} as answers
    cross join windows
    left join {{ ref('account_roles') }} as roles on answers.role = roles.role
),

counted as (
    select
        account_key,
        metric,
        survey_type,
        {%- for side, condition in sides.items() %}
        {%- for class, sign in classes.items() %}
        cast(sum(case when {{ condition }} and contribution {{ sign }} then 1 else 0 end) as bigint) as {{ side }}{{ class }},
        {%- endfor %}
        {%- endfor %}
        max(responded_on) as last_responded_on
    from placed
    group by account_key, metric, survey_type
),

surveys as (
    select distinct
        metric,
        survey_type
    from counted
),

voiced as (
    select
        accounts.*,
        surveys.metric,
        surveys.survey_type,
        {%- for side in sides %}
        {%- for class in classes %}
        coalesce(counted.{{ side }}{{ class }}, 0) as {{ side }}{{ class }},
        {%- endfor %}
        {{ nps('counted.' ~ side ~ 'promoters', 'counted.' ~ side ~ 'passives', 'counted.' ~ side ~ 'detractors') }} as {{ side }}nps,
        {%- endfor %}
        counted.last_responded_on
    from {{ ref('int_accounts_described') }} as accounts
    cross join surveys
    left join counted
        on
            accounts.account_key = counted.account_key
            and surveys.metric = counted.metric
            and surveys.survey_type = counted.survey_type
),

final as (
    select
        account_key,
        source,
        {{ public_text('account_id', 'account_key') }} as account_id,
        tier,
        metric,
        survey_type,
        is_active,
        arr,
        renews_on,
        customers,
        promoters + passives + detractors as responses,
        promoters,
        passives,
        detractors,
        nps,
        previous_promoters + previous_passives + previous_detractors as previous_responses,
        previous_nps,
        nps - previous_nps as nps_change,
        decision_maker_promoters + decision_maker_passives + decision_maker_detractors as decision_maker_responses,
        decision_maker_nps,
        -- over all accounts these add up to the scores by customer, by account and by revenue
        100e0 * (promoters - detractors) / nullif(sum(promoters + passives + detractors) over of_survey, 0) as respondent_contribution,
        nps / nullif(count(nps) over of_survey, 0) as account_contribution,
        case when arr > 0 then arr end * nps
        / {{ exact_sum('case when nps is not null and arr > 0 then arr end', 'over of_survey') }} as revenue_contribution,
        last_responded_on,
        nps is null as is_silent
    from voiced
    window of_survey as (partition by metric, survey_type)
)

select * from final
