-- In basis customers and the grain all there are as many answers as voices.
with voices as (
    select
        metric,
        survey_type,
        count(distinct voice_key) as voices
    from {{ ref('fct_nps_responses') }}
    group by metric, survey_type
),

counted as (
    select
        metric,
        survey_type,
        responses
    from {{ ref('fct_nps_by_period') }}
    where time_grain = 'all' and basis = 'customers'
)

select
    voices.metric,
    voices.survey_type,
    voices.voices,
    counted.responses
from voices
full outer join counted on voices.metric = counted.metric and voices.survey_type = counted.survey_type
where voices.voices is distinct from counted.responses
