{%- set metrics = var('driver_classes') | map('replace', 'class_', '') | list -%}

-- each answer on the days that it counts on
with counting as (
    select
        followed.*,
        days.as_of_on,
        followed.series = 'headline' and followed.next_on > days.as_of_on as is_headline
    from {{ ref('int_voice_answers_followed') }} as followed
    inner join {{ ref('int_feature_days_listed') }} as days
        on followed.counts_from <= days.as_of_on and followed.counts_until > days.as_of_on
),

summed as (
    select
        customer_key,
        as_of_on,
        {%- for metric in metrics %}
        max(case when series = 'metric' and member = '{{ metric }}' then nps_class end) as class_{{ metric }},
        max(case when series = 'metric' and member = '{{ metric }}' then responded_on end) as {{ metric }}_on,
        {%- endfor %}
        max(case when is_headline then nps_class end) as headline_class,
        max(case when is_headline then previous_class end) as previous_class,
        max(case when is_headline then contribution - previous_contribution end) as moved,
        count(case when series = 'headline' and nps_class <> previous_class and responded_on > {{ days_after('as_of_on', -365) }} then 1 end) as class_changes_365d,
        count(case when series = 'theme' then 1 end) as themes_365d,
        count(case when series = 'detractor_theme' then 1 end) as detractor_themes_365d,
        max(case when series = 'account' then account_key end) as account_key
    from counting
    group by customer_key, as_of_on
    having count(case when series = 'metric' then 1 end) > 0
),

accounts as (
    select
        account_key,
        as_of_on,
        count(*) as voices,
        sum(contribution) as contributions
    from {{ ref('int_account_voices_dated') }}
    group by account_key, as_of_on
),

-- the account's voices but the customer's own
joined as (
    select
        summed.*,
        case when summed.account_key is not null then coalesce(accounts.voices, 0) - case when own.voice_key is null then 0 else 1 end end as other_voices,
        accounts.contributions - coalesce(own.contribution, 0) as other_contributions
    from summed
    left join accounts on summed.account_key = accounts.account_key and summed.as_of_on = accounts.as_of_on
    left join {{ ref('int_account_voices_dated') }} as own
        on
            summed.account_key = own.account_key
            and summed.customer_key = own.voice_key
            and summed.as_of_on = own.as_of_on
)

select
    customer_key,
    as_of_on,
    {%- for metric in metrics %}
    class_{{ metric }},
    cast({{ dbt.datediff(metric ~ '_on', 'as_of_on', 'day') }} as int) as days_since_{{ metric }},
    {%- endfor %}
    headline_class,
    previous_class as previous_headline_class,
    case when moved > 0 then 'improved' when moved < 0 then 'worsened' when moved = 0 then 'same' end as headline_direction,
    cast(class_changes_365d as bigint) as headline_changes_365d,
    cast(themes_365d as bigint) as themes_365d,
    cast(detractor_themes_365d as bigint) as detractor_themes_365d,
    account_key,
    cast(other_voices as bigint) as other_voices_365d,
    1e0 * other_contributions / nullif(other_voices, 0) as other_voices_nps
from joined
