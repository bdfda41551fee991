{{ config(materialized='view') }}

with customers as (
    select
        customer_key,
        {{ business_date('signed_up_at') }} as signed_up_on
    from {{ ref('dim_customers') }}
),

lowest as (
    select
        metric,
        min(contribution) as contribution
    from {{ ref('metric_scales') }}
    group by metric
),

answers as (
    select
        responses.response_key,
        responses.customer_key,
        responses.account_key,
        responses.metric,
        responses.nps_class,
        responses.contribution,
        responses.responded_on,
        -- customer_nps_features begins with signing up
        greatest(responses.responded_on, coalesce(customers.signed_up_on, responses.responded_on)) as counts_from,
        responses.contribution = lowest.contribution as is_detractor,
        responses.metric = workspace.headline_metric and responses.survey_type = workspace.headline_survey_type as is_headline,
        row_number() over (partition by responses.customer_key order by {{ latest_first('responses') }}) as turn
    from {{ ref('fct_nps_responses') }} as responses
    inner join customers on responses.customer_key = customers.customer_key
    inner join lowest on responses.metric = lowest.metric
    cross join {{ source('raw', 'workspace') }} as workspace
),

themes as (
    select
        answers.*,
        chosen.theme
    from {{ ref('int_theme_answers_chosen') }} as chosen
    inner join answers on chosen.response_key = answers.response_key
),

-- what an answer is about: one to a metric may be one of the headline, name an account and some themes
listed as (
    {%- for series, (relation, member, condition) in {
        'metric': ('answers', 'metric', 'true'),
        'headline': ('answers', 'metric', 'is_headline'),
        'account': ('answers', "'account'", 'account_key is not null'),
        'theme': ('themes', 'theme', 'true'),
        'detractor_theme': ('themes', 'theme', 'is_detractor'),
    }.items() %}
    select
        '{{ series }}' as series,
        {{ member }} as member,
        customer_key,
        account_key,
        responded_on,
        counts_from,
        turn,
        nps_class,
        contribution
    from {{ relation }}
    where {{ condition }}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

followed as (
    select
        *,
        coalesce(lag(responded_on) over latest_first, cast('9999-12-31' as date)) as next_on,
        lead(nps_class) over latest_first as previous_class,
        lead(contribution) over latest_first as previous_contribution
    from listed
    window latest_first as (partition by customer_key, series, member order by turn nulls last)
)

select
    customer_key,
    series,
    member,
    account_key,
    responded_on,
    next_on,
    nps_class,
    contribution,
    previous_class,
    previous_contribution,
    counts_from,
    -- the headline's latest answer is never too old, and a change of its class counts beside later ones
    case
        when series <> 'headline' then least(next_on, {{ days_after('responded_on', 365) }})
        when nps_class <> previous_class then greatest(next_on, {{ days_after('responded_on', 365) }})
        else next_on
    end as counts_until
from followed
