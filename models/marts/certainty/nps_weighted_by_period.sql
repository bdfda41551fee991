{%- set series = ['time_grain', 'period_start', 'period_end', 'basis', 'metric', 'survey_type', 'dimension'] -%}
{%- set counts = ['promoters', 'passives', 'detractors'] -%}
{%- set weighted_counts = ['weighted_promoters', 'weighted_passives', 'weighted_detractors'] -%}
{%- set stratified_counts = ['stratified_promoters', 'stratified_passives', 'stratified_detractors'] -%}
{%- set finite_counts = ['finite_promoters', 'finite_passives', 'finite_detractors'] -%}
{%- set columns = series + [
    'base_customers', 'covered_share', 'responses', 'promoters', 'passives', 'detractors', 'promoter_share', 'passive_share',
    'detractor_share', 'effective_responses', 'variance', 'adjusted_variance', 'finite_factor', 'largest_weight',
    'margin_error', 'is_converged',
] -%}
{%- set priors = {'top_prior': 'top_prior', 'middle_prior': 'middle_prior', 'bottom_prior': 'bottom_prior'} -%}

with weighed as (
    select {{ columns | join(', ') }} from {{ ref('int_strata_summed') }}
    union all
    select {{ columns | join(', ') }} from {{ ref('int_answers_raked') }}
),

-- What strata and a finite base make the answers worth: as many as would have the error without them.
effective as (
    select
        weighed.*,
        weighed.responses < workspace.min_group_size as is_suppressed,
        weighed.is_converged and weighed.covered_share > 0 and weighed.responses >= workspace.min_group_size as shows_weighted,
        metrics.z,
        metrics.top_prior,
        metrics.middle_prior,
        metrics.bottom_prior,
        coalesce(
            (weighed.promoter_share + weighed.detractor_share - power(weighed.promoter_share - weighed.detractor_share, 2))
            / nullif(weighed.adjusted_variance, 0),
            weighed.effective_responses
        ) as stratified_responses,
        -- several answers of a customer are no sample of customers, and where all answered there is no sample
        case when weighed.basis = 'customers' then weighed.effective_responses / nullif(power(weighed.finite_factor, 2), 0) end as finite_responses
    from weighed
    cross join {{ source('raw', 'workspace') }} as workspace
    inner join (select *, {{ assumption('confidence_z') }} as z from {{ ref('metrics') }}) as metrics on weighed.metric = metrics.metric
),

-- the answers as if the segments had answered in the proportions of the base
weighted as (
    select
        *
        {%- for class in counts %},
        effective_responses * {{ class[:-1] }}_share as weighted_{{ class }},
        stratified_responses * {{ class[:-1] }}_share as stratified_{{ class }},
        finite_responses * {{ class[:-1] }}_share as finite_{{ class }}
        {%- endfor %}
    from effective
),

figures as (
    select
        *,
        {{ nps_standard_error(*weighted_counts, prior=priors.values() | list) }} as weighted_error,
        100e0 * sqrt(nullif(variance, 0)) as stratified_error
    from weighted
),

final as (
    select
        {{ series | join(', ') }},
        base_customers,
        covered_share,
        responses,
        case when not is_suppressed then {{ nps(*counts) }} end as nps,
        case when shows_weighted then {{ nps(*weighted_counts) }} end as weighted_nps,
        case when shows_weighted then effective_responses end as effective_responses,
        case when shows_weighted then effective_responses / responses end as efficiency,
        case when shows_weighted then effective_responses / responses < {{ assumption('min_weighting_efficiency') }} end as is_inefficient,
        case when shows_weighted then largest_weight end as largest_weight,
        case when shows_weighted then margin_error end as margin_error,
        is_converged,
        case when shows_weighted then weighted_error end as standard_error,
        case when shows_weighted then {{ nps_bound(-1, *weighted_counts, z='z', **priors) }} end as ci_low,
        case when shows_weighted then {{ nps_bound(1, *weighted_counts, z='z', **priors) }} end as ci_high,
        case when shows_weighted then coalesce(stratified_error, weighted_error) end as standard_error_stratified,
        case when shows_weighted then {{ nps_bound(-1, *stratified_counts, z='z', **priors) }} end as ci_low_stratified,
        case when shows_weighted then {{ nps_bound(1, *stratified_counts, z='z', **priors) }} end as ci_high_stratified,
        case when shows_weighted then {{ nps_bound(-1, *finite_counts, z='z', **priors) }} end as ci_low_finite,
        case when shows_weighted then {{ nps_bound(1, *finite_counts, z='z', **priors) }} end as ci_high_finite,
        is_suppressed
    from figures
)

select * from final
